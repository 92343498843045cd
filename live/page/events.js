"use strict";
// The list of events, and the dialog that plays the clip of one.

const MAX_EVENTS = 100;

let events = []; // newest first
let eventsText = ""; // what they were shown from, with those that wait
let shownEvent = null;

async function refreshEvents() {
  const answer = await get("/events", 5000);
  const text = await answer.text();
  const all = text + state?.alarm.waiting.join();
  if (!answer.ok || all === eventsText) return;
  events = JSON.parse(text);
  eventsText = all;
  showEvents();
}

function eventTitle(event) {
  const kinds = { alarm: "Alarm", attention: "Inspect by hand" };
  const kind = kinds[event.kind] ?? event.kind;
  return event.predicted ? `${kind}: ${event.predicted}` : kind;
}

function eventFacts(event) {
  const frames = `${count(event.num_frames)} ${event.num_frames === 1 ? "frame" : "frames"}`;
  const storm = event.num_alarms > 1 ? `storm of ${count(event.num_alarms)} alarms · ` : "";
  const score = event.max_score == null ? "" : ` · score up to ${event.max_score.toFixed(2)}`;
  return `${storm}${frames}${score}${event.ended ? "" : " · ongoing"}`;
}

function thumbnail(event) {
  if (!event.thumbnail) return element("span", "thumbnail");
  const image = element("img", "thumbnail");
  image.src = `/events/${encodeURIComponent(event.id)}.jpg`;
  image.alt = "";
  return image;
}

const waits = (event) => Boolean(state?.alarm.waiting.includes(event.id));

function acknowledgement(event) {
  if (event.acknowledged) return element("small", "", `acknowledged ${timeOfDay(event.acknowledged)}`);
  return waits(event) ? element("small", "open", "not acknowledged") : "";
}

function eventItem(event) {
  const icon = event.kind === "alarm" ? "reject" : "inspect";
  const text = element("div", "facts",
    element("strong", "", shape(icon), eventTitle(event)),
    element("small", "", timeOfDay(event.began)),
    element("small", "", eventFacts(event)),
    event.line_stopped ? element("small", "", `line stopped ${timeOfDay(event.line_stopped)}`) : "",
    acknowledgement(event));
  const button = element("button", "", thumbnail(event), text);
  button.addEventListener("click", () => openEvent(event));
  return element("li", "", button);
}

function showEvents() {
  const shown = events.slice(0, MAX_EVENTS);
  byId("events").replaceChildren(...shown.map(eventItem));
  const rest = events.length > MAX_EVENTS ? `, the newest ${MAX_EVENTS} are shown` : "";
  setText("num-events", events.length ? `${count(events.length)}${rest}` : "");
  byId("no-events").hidden = events.length > 0;
  const open = byId("event").open && events.find((event) => event.id === shownEvent.id);
  if (open && open.clip && !shownEvent.clip) openEvent(open);
}

function openEvent(event) {
  shownEvent = event;
  setText("event-title", eventTitle(event));
  const note = event.clip ? "" : " · the clip will be ready a few seconds after the event";
  setText("event-note", `${timeOfDay(event.began)} · ${eventFacts(event)}${note}`);
  const [clip, still] = [byId("clip"), byId("still")];
  clip.hidden = !event.clip;
  still.hidden = Boolean(event.clip) || !event.thumbnail;
  if (event.thumbnail) still.src = `/events/${encodeURIComponent(event.id)}.jpg`;
  if (event.clip) {
    clip.src = `/clips/${encodeURIComponent(event.id)}.mp4`;
    clip.play().catch(() => {}); // the browser may want a press of its own button
  }
  byId("acknowledge-one").hidden = !waits(event);
  byId("event").returnValue = "";
  if (!byId("event").open) byId("event").showModal();
}

byId("clip").addEventListener("error", () => {
  const text = "The clip cannot be played. Its file may have been deleted.";
  if (byId("event").open) setText("event-note", text);
});
byId("event").addEventListener("close", () => {
  byId("clip").pause();
  byId("clip").removeAttribute("src");
  if (byId("event").returnValue !== "acknowledge") return;
  command(byId("acknowledge-one"), "acknowledge", shownEvent.id);
});
