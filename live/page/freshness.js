"use strict";
// How old the picture and the last response are, and why they must not be taken for
// current.

const STALE_S = 2; // an older picture, or a longer silence of the server, is not a live view
const CAMERA_TROUBLE = {
  connecting: "camera not connected yet",
  reconnecting: "camera not reachable, trying again",
  frozen: "camera frozen, reconnecting",
  still: "camera keeps sending the same picture",
  stopped: "the inspection program is ending",
};

let state = null;
let stateAt = -Infinity; // seconds on this page's clock
let pictureNumber = -1;
let pictureAt = -Infinity;
let pictureVerdict = null;

const now = () => performance.now() / 1000;
const lastAnswer = () => timeOfDay(new Date(Date.now() - 1000 * (now() - stateAt)).toISOString());

function frameAge() {
  const shown = now() - pictureAt;
  if (state?.frame_age_s == null) return shown;
  return Math.max(shown, state.frame_age_s + now() - stateAt);
}

const isSilent = () => state !== null && now() - stateAt > STALE_S;

// Why the picture must not be taken for a live one: [word, text], or null when it is.
function staleness() {
  if (!state) return ["Connecting", "Waiting for the inspection program."];
  const silence = now() - stateAt;
  if (isSilent()) {
    const text = "No response from the inspection program. Check that it runs and the network works.";
    return [`Connection lost ${sinceText(silence)}`, text];
  }
  const { capture } = state;
  if (capture.state === "ended") {
    const bad = capture.num_bad;
    const text = bad
      ? `${count(bad)} of its frames could not be read: ${capture.last_error ?? ""}`
      : "All of its frames have been inspected.";
    return ["The source has ended", text];
  }
  const age = frameAge();
  const known = state.verdict || !(capture.state in CAMERA_TROUBLE);
  if (age <= STALE_S && known) return null;
  const waiting = capture.follows ? "waiting for the next file" : "no new frames arrive";
  const cause = CAMERA_TROUBLE[capture.state] ?? waiting;
  const since = Number.isFinite(age) ? ` ${sinceText(age)}` : " yet";
  const error = capture.state === "running" ? null : capture.last_error;
  return [`No picture${since}: ${cause}`, error ?? ""];
}

// Why parts pass unchecked, or null when they are inspected.
function blindness(stale) {
  if (stale) return stale[0];
  if (!state.running) return "Inspection is stopped: parts pass unchecked";
  if (state.capture.state === "refused") {
    return `Frames cannot be inspected: ${state.capture.last_error}`;
  }
  return pictureVerdict ? null : "This picture has not been inspected";
}
