"use strict";
// Asks the server for state and pictures, shows them, and sends the commands.

const STALE_S = 2; // an older picture, or a longer silence of the server, is no live view
const WORDS = { accept: "ACCEPT", reject: "REJECT", inspect: "INSPECT" };
const CAMERA = { running: "connected", refused: "frames cannot be judged" };
const CAMERA_TROUBLE = {
  connecting: "camera not connected yet",
  reconnecting: "camera not reachable, trying again",
  frozen: "camera stands still, connecting again",
  still: "camera sends the same picture again and again",
  stopped: "the inspection program is ending",
};

let state = null;
let stateAt = -Infinity; // seconds on this page's clock
let pictureNumber = -1;
let pictureAt = -Infinity;
let pictureVerdict = null;
let commandProblem = null;

const now = () => performance.now() / 1000;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function get(path, milliseconds) {
  return fetch(path, { cache: "no-store", signal: AbortSignal.timeout(milliseconds) });
}

// ---- what is true at this moment -------------------------------------------------

function frameAge() {
  const shown = now() - pictureAt;
  if (!state?.verdict) return shown;
  return Math.max(shown, state.verdict.age_s + now() - stateAt);
}

// Why the picture must not be taken for a live one: [word, text], or null when it is.
function staleness() {
  if (!state) return ["Connecting", "Waiting for the inspection program."];
  const silence = now() - stateAt;
  if (silence > STALE_S) {
    const text = "No answer from the inspection program. Is it running? Is the network up?";
    return [`Connection lost since ${duration(silence)}`, text];
  }
  const { capture } = state;
  if (capture.state === "ended") {
    const bad = capture.num_bad;
    const text = bad
      ? `${count(bad)} of its frames could not be read: ${capture.last_error ?? ""}`
      : "Every frame of it has been inspected.";
    return ["The source has ended", text];
  }
  const age = frameAge();
  const known = state.verdict || !(capture.state in CAMERA_TROUBLE);
  if (age <= STALE_S && known) return null;
  const cause = CAMERA_TROUBLE[capture.state] ?? "no new frame comes";
  const since = Number.isFinite(age) ? ` since ${duration(age)}` : " yet";
  const error = capture.state === "running" ? null : capture.last_error;
  return [`No picture${since}: ${cause}`, error ?? ""];
}

// Why parts pass unchecked, or null when they are inspected.
function blindness(stale) {
  if (stale) return stale[0];
  if (!state.running) return "Inspection is stopped: parts pass unchecked";
  if (state.capture.state === "refused") {
    return `Frames cannot be judged: ${state.capture.last_error}`;
  }
  return pictureVerdict ? null : "This picture has not been judged";
}

function ruleText(rule) {
  const [defective, among] = rule.split("/");
  if (!/^[0-9/]+$/.test(rule)) return `rule ${rule}`;
  if (among) return `(${defective} defective of ${among} frames would raise one)`;
  return `(${defective} defective frames in a row would raise one)`;
}

// ---- drawing ---------------------------------------------------------------------

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
}

function showVerdict(verdict, blind) {
  const decision = WORDS[verdict?.decision] ? verdict.decision : "none";
  byId("verdict").className = decision;
  setShape("verdict", decision);
  setText("verdict-word", WORDS[decision] ?? "NO VERDICT");
  const cause = [verdict?.predicted, verdict?.reason].filter(Boolean).join(" · ");
  setText("verdict-text", blind ?? cause);
  const score = verdict ? verdict.defect_score.toFixed(2) : "";
  if (byId("verdict-score").dataset.score === score) return;
  byId("verdict-score").dataset.score = score;
  const name = element("small", "", "defect score");
  byId("verdict-score").replaceChildren(...(score ? [score, name] : []));
}

// A latched alarm stays whatever happens; else "No alarm" is said only while parts
// are looked at.
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
    text = [cause, since].filter(Boolean).join(" · ");
  } else if (!state || state.capture.state === "ended") {
    word = blind;
  } else if (blind) {
    [kind, word, text] = ["blind", "NOT INSPECTING", blind];
  } else {
    [icon, word, text] = ["accept", "No alarm", ruleText(alarm.rule)];
  }
  // Nobody acknowledges behind a clip that was left open.
  if (kind !== "clear" && kind !== byId("alarm").className) byId("event").close();
  byId("alarm").className = kind;
  setShape("alarm", icon);
  setText("alarm-word", word);
  setText("alarm-text", text);
  byId("acknowledge").hidden = !latched;
  document.title = `${word} · ${state?.bundle ?? "live inspection"}`;
}

function outputTrouble(output) {
  if (!output.last_error) return null;
  const waiting = output.num_waiting ? `, ${count(output.num_waiting)} waiting` : "";
  if (output.stops_line) {
    return `THE LINE WAS NOT STOPPED: ${output.name}: ${output.last_error}`;
  }
  return `Messages to ${output.name} do not arrive${waiting}: ${output.last_error}`;
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
  const frames = (number) => (number == null ? "–" : `${number.toFixed(1)} frames/s`);
  const ms = (number) => (number == null ? "–" : `${number.toFixed(0)} ms`);
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
    ["Inspected", `${frames(rate.frames_per_s)}, ${latency}`],
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
  byId("facts").replaceChildren(...facts());
  showTroubles();
  showFreshness();
  drawTimeline(byId("timeline"), state.scores, state.lines);
}

// ---- commands --------------------------------------------------------------------
// No key of its own acknowledges or stops: somebody leans on a tablet or scrolls by
// the space bar, and an alarm is gone unseen. Tab and space reach every button.

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
  } catch (error) {
    commandProblem = `"${name}" did not reach the inspection program (${error.message}).`;
  }
  await refresh().catch(() => {}); // a lost server is shown by its silence
  if (state) showTroubles();
  button.disabled = false;
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

setInterval(showFreshness, 250);
repeat(refresh, 300);
repeat(refreshEvents, 1000);
repeat(refreshPicture, 60);
