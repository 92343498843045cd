"use strict";
// Asks the server for state and pictures, shows them, and sends the commands.

const TOLD_S = 15; // how long it is shown why an event cannot be acknowledged
const isWall = new URLSearchParams(location.search).has("wall"); // state and picture alone
const WORDS = { accept: "ACCEPT", reject: "REJECT", inspect: "INSPECT" };
const CAMERA = { running: "connected", refused: "frames cannot be inspected" };

let commandProblem = null;
let wasSilent = false;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function get(path, milliseconds) {
  return fetch(path, { cache: "no-store", signal: AbortSignal.timeout(milliseconds) });
}

// ---- drawing ---------------------------------------------------------------------

function ruleText(rule) {
  const [defective, among] = rule.split("/");
  if (!/^[0-9/]+$/.test(rule)) return `rule ${rule}`;
  if (among) return `(${defective} defective of ${among} frames would raise one)`;
  return `(${defective} defective frames in a row would raise one)`;
}

function showFreshness() {
  const stale = staleness();
  byId("view").classList.toggle("stale", stale !== null);
  if (stale) {
    setText("stale-word", stale[0]);
    setText("stale-text", stale[1]);
  }
  const blind = blindness(stale);
  showVerdict(blind ? null : pictureVerdict, blind);
  showAlarm(blind);
  if (isSilent() === wasSilent) return;
  wasSilent = !wasSilent;
  document.body.classList.toggle("old", wasSilent);
  setText("as-of", wasSilent ? `Not current: as of ${lastAnswer()}` : "");
  showNumbers();
}

// While an alarm is shown, the newest decision may differ from the one that raised it.
function isLastPart(verdict) {
  const { alarm } = state;
  if (alarm.state === "clear") return false;
  const others = alarm.state === "alarm" ? verdict.decision !== "reject" : verdict.decision === "accept";
  return alarm.ended || others;
}

function showVerdict(verdict, blind) {
  const decision = WORDS[verdict?.decision] ? verdict.decision : "none";
  byId("verdict").className = decision;
  setShape("verdict", decision);
  setText("verdict-word", WORDS[decision] ?? "NO DECISION");
  setText("verdict-of", verdict && isLastPart(verdict) ? "last part" : "");
  const cause = [verdict?.predicted, verdict?.reason].filter(Boolean).join(" · ");
  setText("verdict-text", blind ?? cause);
  const score = verdict ? verdict.defect_score.toFixed(2) : "";
  if (byId("verdict-score").dataset.score === score) return;
  byId("verdict-score").dataset.score = score;
  const name = element("small", "", "defect score");
  byId("verdict-score").replaceChildren(...(score ? [score, name] : []));
}

// A latched alarm stays whatever happens; otherwise "No alarm" is shown only while parts
// are inspected.
function showAlarm(blind) {
  const { alarm } = state ?? {};
  const latched = Boolean(alarm) && alarm.state !== "clear";
  let [kind, icon, word, text] = ["clear", "none", "", ""];
  if (latched) {
    kind = alarm.state;
    icon = kind === "alarm" ? "reject" : "inspect";
    word = kind === "alarm" ? "ALARM" : "INSPECT";
    const cause = events.find((event) => event.id === alarm.event)?.predicted;
    const since = alarm.since && `since ${timeOfDay(alarm.since)}`;
    const storm = alarm.num_alarms > 1 && `storm of ${count(alarm.num_alarms)} alarms`;
    const others = alarm.waiting.length > 1 && `${count(alarm.waiting.length)} not acknowledged`;
    const known = isSilent() && `as of ${lastAnswer()}`;
    text = [cause, since, storm, others, known].filter(Boolean).join(" · ");
    if (isWall) text = [since, known].filter(Boolean).join(" · ");
  } else if (!state || state.capture.state === "ended") {
    word = blind;
  } else if (blind) {
    [kind, word, text] = ["blind", "NOT INSPECTING", blind];
    if (isWall && staleness()) text = ""; // it is shown on the picture
  } else {
    [icon, word, text] = ["accept", "No alarm", ruleText(alarm.rule)];
    if (isWall) text = clearSince();
  }
  // An open clip must not hide a new alarm.
  if (kind !== "clear" && kind !== byId("alarm").className) byId("event").close();
  byId("alarm").className = kind;
  setShape("alarm", icon);
  setText("alarm-word", word);
  setText("alarm-text", text);
  byId("acknowledge").hidden = !latched;
  document.title = `${word} · ${state?.bundle ?? "live inspection"}`;
}

// Of the wall view: when the newest event ended, if one is known.
function clearSince() {
  const over = events[0]?.acknowledged ?? events[0]?.ended;
  return over ? `since ${timeOfDay(over)}` : "";
}

function outputTrouble(output) {
  if (!output.last_error) return null;
  const waiting = output.num_waiting ? `, ${count(output.num_waiting)} waiting` : "";
  if (output.stops_line) {
    return `THE LINE WAS NOT STOPPED: ${output.name}: ${output.last_error}`;
  }
  return `Messages to ${output.name} cannot be delivered${waiting}: ${output.last_error}`;
}

function outputFacts(output) {
  const lost = output.num_failed + output.num_dropped;
  const sent = `${output.name}: ${output.state}, ${count(output.num_sent)} sent`;
  return ["Output", lost ? `${sent}, ${count(lost)} lost` : sent, output.last_error || lost];
}

function showTroubles() {
  const loud = state.log.problem && `EVENTS ARE NOT BEING RECORDED: ${state.log.problem}`;
  const quiet = [commandProblem, state.log.warning, ...state.outputs.map(outputTrouble)];
  const texts = [loud, ...quiet].filter(Boolean);
  const list = byId("troubles");
  if ([...list.children].map((item) => item.textContent).join() === texts.join()) return;
  const item = (text) => element("li", text === loud ? "loud" : "warning", text);
  list.replaceChildren(...texts.map(item));
}

function facts() {
  const { capture, rate, outputs, log } = state;
  const isKnown = (number) => number != null && !staleness(); // no old rates
  const frames = (number) => (isKnown(number) ? `${number.toFixed(1)} frames/s` : "–");
  const ms = (number) => (isKnown(number) ? `${number.toFixed(0)} ms` : "–");
  const camera = [
    CAMERA_TROUBLE[capture.state] ?? CAMERA[capture.state] ?? capture.state,
    ...(capture.size ? [`${capture.size[1]} × ${capture.size[0]}`] : []),
    frames(capture.frames_per_s),
  ];
  const missed = [
    `${count(capture.num_dropped)} dropped`,
    `${count(capture.num_bad)} unreadable`,
    `${count(capture.num_reconnects)} reconnects`,
  ];
  const latency = `${ms(rate.latency_p50_ms)} (99 % within ${ms(rate.latency_p99_ms)})`;
  const rows = [
    ["Inspected", isKnown(0) ? `${frames(rate.frames_per_s)}, ${latency}` : "–"],
    ["Camera", camera.join(", "), !["running", "ended"].includes(capture.state)],
    ["Source", state.source],
    ["Missed", missed.join(", ")],
    ...outputs.map(outputFacts),
    ["Log", log.problem ? "not written" : `${count(log.num_lines)} lines`, log.problem],
    ["Bundle", `${state.bundle} ${state.bundle_sha256.slice(0, 8)}`],
  ];
  return rows.flatMap(([name, text, bad]) => [
    element("dt", "", name), element("dd", bad ? "bad" : "", text),
  ]);
}

function showState() {
  const { counts } = state;
  byId("start").hidden = state.running;
  byId("stop").hidden = !state.running;
  for (const decision of Object.keys(WORDS)) {
    setText(`count-${decision}`, count(counts[decision]));
  }
  showTroubles();
  showFreshness();
  showNumbers();
}

function showNumbers() {
  byId("facts").replaceChildren(...facts());
  const end = wasSilent ? lastAnswer() : "now";
  drawTimeline(byId("timeline"), state.scores, state.lines, end);
}

// ---- commands --------------------------------------------------------------------
// No keyboard shortcut acknowledges or stops: somebody who leans on a tablet or scrolls
// with the space bar would clear an alarm unseen. Tab and space reach every button.

async function command(button, name, event) {
  button.disabled = true;
  try {
    const answer = await fetch("/command", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Goodparts": "page" },
      body: JSON.stringify({ do: name, event }),
      signal: AbortSignal.timeout(5000),
    });
    commandProblem = answer.ok ? null : `"${name}" was refused: ${await answer.text()}`;
    if (answer.status === 409) setTimeout(forget, 1000 * TOLD_S, commandProblem);
  } catch (error) {
    commandProblem = `"${name}" did not reach the inspection program (${error.message}).`;
  }
  await refresh().catch(() => {}); // the page shows when the server does not respond
  if (state) showTroubles();
  button.disabled = false;
}

function forget(problem) {
  if (commandProblem === problem) commandProblem = null;
}

byId("acknowledge").addEventListener("click", (press) => {
  command(press.target, "acknowledge", state.alarm.event); // the one that is shown
});
byId("start").addEventListener("click", (press) => command(press.target, "start"));
byId("stop").addEventListener("click", () => {
  byId("confirm").returnValue = "no";
  byId("confirm").showModal();
});
byId("confirm").addEventListener("close", () => {
  if (byId("confirm").returnValue === "stop") command(byId("stop"), "stop");
});

// ---- asking, over and over -------------------------------------------------------

async function refresh() {
  const answer = await get("/state", 2000);
  if (!answer.ok) throw new Error(`state: ${answer.status}`);
  state = await answer.json();
  stateAt = now();
  showState();
}

async function refreshPicture() {
  const answer = await get(`/picture?after=${pictureNumber}`, 4000);
  if (answer.status !== 200) return;
  const bitmap = await createImageBitmap(await answer.blob());
  const camera = byId("camera");
  if (camera.width !== bitmap.width) camera.width = bitmap.width;
  if (camera.height !== bitmap.height) camera.height = bitmap.height;
  camera.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
  pictureNumber = Number(answer.headers.get("X-Picture-Number"));
  pictureVerdict = JSON.parse(answer.headers.get("X-Verdict")); // that of this picture
  pictureAt = now();
  if (state) showFreshness();
}

async function repeat(task, milliseconds) {
  for (;;) {
    try {
      if (!document.hidden) await task();
      await pause(document.hidden ? 500 : milliseconds);
    } catch (error) {
      console.warn(error.message);
      await pause(500);
    }
  }
}

byId("more").addEventListener("click", () => {
  const isOpen = document.body.classList.toggle("unfolded");
  byId("more").setAttribute("aria-expanded", isOpen);
  setText("more", isOpen ? "Less" : "More");
  if (state) showNumbers();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => state && showNumbers());
window.addEventListener("resize", () => state && showNumbers());
document.body.classList.toggle("wall", isWall);
setInterval(showFreshness, 250);
repeat(refresh, 300);
repeat(refreshEvents, 1000);
repeat(refreshPicture, 60);
