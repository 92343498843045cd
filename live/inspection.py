"""The loop of a live inspection: frame, verdict, alarm, and all that is told of it."""

import queue
import threading
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

from live.capture import EndOfSource
from live.measures import Measures
from live.picture import as_jpeg, outlined
from preprocessing.command import InputError
from preprocessing.region import cut, fit_region, make_region

NEXT_FRAME_S = 0.2  # how long a frame is waited for before commands are looked at
STALE_S = 10.0  # without a frame for so long, health is bad
SCORE_EVERY_S = 0.1  # of the timeline, the highest score in between
NUM_SCORES = 600
RAISES = ("alarm", "attention")  # changes that something is to be done for


class Seen(NamedTuple):
    """The newest frame and what was said of it; no verdict while inspection is off."""

    frame: object
    verdict: object
    box: tuple | None


class Inspection:
    """Inspects frames until the source ends or `stop` is called.

    `run` is the one loop, in the caller's thread. `state`, `events`, `picture`,
    `media`, `metrics`, `health` and `command` may be called from other threads, as
    the page does. A frame is judged or refused, never guessed at: what cannot be
    fitted to the region, and every break in the stream, starts the count of defective
    frames anew.

    Args:
        inspector: `deployment.runtime.Inspector`.
        capture: `live.capture.Capture`, started.
        folder: `live.folder.Folder`: event log, thumbnails and clips.
        alarm: `live.alarms.Alarm`.
        roi, mask: For `make_region`; None for the whole frame.
        outboxes: `live.outputs.Outbox` that every change is sent to.
        stop_outboxes: Those that only alarms are sent to.
        source: What is shown of the source, without a password.
    """

    def __init__(
        self, inspector, capture, folder, alarm, *, roi=None, mask=None, outboxes=(),
        stop_outboxes=(), source="",
    ):  # fmt: skip
        self.inspector, self.capture, self.folder = inspector, capture, folder
        self.alarm, self.roi, self.mask = alarm, roi, mask
        self.outboxes, self.stop_outboxes = list(outboxes), list(stop_outboxes)
        self.source = source
        self.measures = Measures()
        self._region = None
        self._is_on, self._ends = True, threading.Event()
        self._commands = queue.SimpleQueue()
        self._seen, self._refusal, self._capture_state = None, None, None
        self._scores = deque(maxlen=NUM_SCORES)
        self._encoded = None, b"", None

    def run(self, look=None):
        """Inspects until the end.

        Args:
            look: Called with each `Seen` in this thread, such as to show a window;
                False ends the loop.
        """
        self.folder.log("started", source=self.source, rule=self.alarm.rule.text)
        try:
            while not self._ends.is_set():
                self._obey()
                frame = self.capture.next(NEXT_FRAME_S)
                self._notice_capture()
                if frame is None:
                    continue
                self._take(frame)
                if look is not None and look(self._seen) is False:
                    break
        except EndOfSource:
            self.folder.log("source ended")
        finally:
            self._obey()
            self.folder.log("stopped", **self.measures.counts())

    def stop(self):
        """Ends the loop soon; may be called from a signal handler."""
        self._ends.set()

    @property
    def is_ending(self):
        return self._ends.is_set()

    def wait(self):
        """After `run`: goes on obeying commands until `stop` is called."""
        while not self._ends.wait(NEXT_FRAME_S):
            self._obey()

    def _take(self, frame):
        crop, box = frame.image, None
        try:
            if self.roi is not None or self.mask is not None:
                if self._region is None:
                    self._region = make_region(
                        self.roi, self.mask, frame.image.shape[:2]
                    )
                crop = cut(frame.image, self._region)
                box = fit_region(self._region, frame.image.shape[:2]).box
        except InputError as error:
            self._refuse(frame, str(error))
            return
        self._refusal = None
        if not self._is_on:
            self._seen = Seen(frame, None, box)
            return
        verdict = self.inspector.inspect(crop)
        self._seen = Seen(frame, verdict, box)
        latency = time.monotonic() - frame.captured_at
        self.measures.add(verdict.decision, latency)
        self._note_score(frame, verdict)
        self._raise_alarms(frame, verdict)

    def _refuse(self, frame, problem):
        """A frame of another shape is not judged; at the start that ends the run."""
        if self._region is None:
            raise InputError(problem)
        if self._refusal is None:
            self.folder.log("frames refused", problem=problem)
            self.alarm.gap()
        self._refusal, self._seen = problem, Seen(frame, None, None)
        self.measures.add("refused")

    def _raise_alarms(self, frame, verdict):
        age = timedelta(seconds=time.monotonic() - frame.captured_at)
        changes = self.alarm.update(
            frame.number, datetime.now(UTC) - age, verdict.decision,
            verdict.defect_score, verdict.predicted,
        )  # fmt: skip
        at = frame.captured_at if frame.media_time is None else frame.media_time
        caption = f"{verdict.decision} {verdict.predicted} {verdict.defect_score:.3f}"
        is_defective = verdict.decision == "reject"
        self.folder.clips.add(frame.image, at, caption=caption, defective=is_defective)
        for change in changes:
            self._tell(change, frame.image, at)

    def _tell(self, change, image=None, at=None):
        """Everything that is done about a change of the alarm."""
        change = dict(change)
        if change["kind"] in RAISES and image is not None:
            change["thumbnail_sha256"] = self.folder.thumbnail(change["event"], image)
            self.folder.clips.start_event(change["event"], at)
        written = self.folder.change(change)
        message = {
            "id": f"{change['event']}-{change['kind']}-{change['last_frame']}",
            "source": self.source, **change,
            "bundle": self.inspector.name, "bundle_sha256": self.inspector.sha256,
            "log_sha256": written.get("sha256") if written else None,
        }  # fmt: skip
        is_alarm = change["event_kind"] == "alarm" and change["kind"] in RAISES
        for outbox in self.outboxes + (self.stop_outboxes if is_alarm else []):
            outbox.send(message)

    def _notice_capture(self):
        """Writes down when the stream is lost or back; a break joins no two runs."""
        state = self.capture.status()["state"]
        if state == self._capture_state:
            return
        before, self._capture_state = self._capture_state, state
        if before is not None:
            self.alarm.gap()
        if state != "ended":
            error = self.capture.status()["last_error"]
            self.folder.log("camera", state=state, error=error)

    def _obey(self):
        """Carries out the commands that other threads have given."""
        while not self._commands.empty():
            do = self._commands.get()
            if do == "acknowledge":
                for change in self.alarm.acknowledge(datetime.now(UTC)):
                    self._tell(change)
            elif self._is_on != (do == "start"):
                self._is_on = do == "start"
                self.alarm.gap()
                self.folder.log("inspection on" if self._is_on else "inspection off")
        self.folder.flush()

    def _note_score(self, frame, verdict):
        entry = (frame.captured_at, verdict.defect_score, verdict.decision)
        last = self._scores[-1] if self._scores else None
        if last is None or entry[0] - last[0] >= SCORE_EVERY_S:
            self._scores.append(entry)
        elif entry[1] > last[1]:
            self._scores[-1] = (last[0], *entry[1:])

    # What follows is called from other threads.

    def command(self, do):
        """ "start", "stop" or "acknowledge", carried out within NEXT_FRAME_S."""
        self._commands.put(do)

    def state(self):
        """All that the page shows, as JSON knows it."""
        now, capture, event = time.monotonic(), self.capture.status(), self.alarm.event
        decision = self.inspector.decision
        if self._refusal is not None:
            capture = {**capture, "state": "refused", "last_error": self._refusal}
        return {
            "bundle": self.inspector.name,
            "bundle_sha256": self.inspector.sha256,
            "source": self.source,
            "running": self._is_on and not self._ends.is_set(),
            "capture": capture,
            "verdict": _verdict(self._seen),
            "lines": {
                "accept_below": _finite(decision.accept_below),
                "reject_from": _finite(decision.reject_from),
            },
            "alarm": {
                "state": self.alarm.state,
                "since": event.began if event else None,
                "event": event.id if event else None,
                "rule": self.alarm.rule.text,
            },
            "counts": self.measures.counts(),
            "rate": {
                "frames_per_s": self.measures.frames_per_s(),
                **self.measures.latency_ms(),
            },
            "scores": [
                [round(now - at, 2), score, decided]
                for at, score, decided in list(self._scores)
            ],
            "outputs": [
                outbox.status() for outbox in self.outboxes + self.stop_outboxes
            ],
            "log": self.folder.log_state(),
        }

    def picture(self):
        """`(number, JPEG, verdict)` of the newest frame, region outlined, or None.

        The verdict is that of `state`, on this very frame.
        """
        seen = self._seen
        if seen is None:
            return None
        number = seen.frame.number
        if self._encoded[0] != number:
            jpeg = as_jpeg(outlined(seen.frame.image, seen.box))
            self._encoded = number, jpeg, _verdict(seen)
        return self._encoded

    def events(self):
        return self.folder.events()

    def media(self, kind, event_id):
        return self.folder.media(kind, event_id)

    def health(self):
        """Whether frames come and are written down, and the facts behind it."""
        now, seen, log = time.monotonic(), self._seen, self.folder.log_state()
        age = None if seen is None else round(now - seen.frame.captured_at, 1)
        facts = {
            "capture": self.capture.status()["state"], "frame_age_s": age,
            "alarm": self.alarm.state, "log_problem": log["problem"],
            "refused": self._refusal,
        }  # fmt: skip
        is_fresh = age is not None and age < STALE_S
        return is_fresh and log["problem"] is None and self._refusal is None, facts

    def metrics(self):
        """What Prometheus reads."""
        outboxes = [box.status() for box in self.outboxes + self.stop_outboxes]
        return self.measures.exposed(
            self.capture.status(), self.alarm.state, outboxes, self.folder.log_state()
        )


def _verdict(seen):
    """The verdict of a `Seen` as JSON knows it, or None."""
    if seen is None or seen.verdict is None:
        return None
    verdict = seen.verdict
    return {
        "decision": verdict.decision,
        "reason": verdict.reason,
        "defect_score": verdict.defect_score,
        "predicted": verdict.predicted,
        "number": seen.frame.number,
        "age_s": round(time.monotonic() - seen.frame.captured_at, 3),
    }


def _finite(value):
    return value if np.isfinite(value) else None
