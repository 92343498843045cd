"""The loop of a live inspection: frame, decision, alarm and notifications."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from goodparts.command import InputError
from live.camera.capture import Capture, EndOfSource, Frame, NoFrame
from live.measures import Measures
from preprocessing.region import Region, Roi, cut, fit_region, make_region

if TYPE_CHECKING:
    from deployment.runtime import Inspector, Verdict
    from live.alarms.events import Alarm
    from live.delivery.outbox import Outbox
    from live.record.folder import Folder
    from live.record.verdicts import Verdicts

NEXT_FRAME_S = 0.2  # how long a frame is waited for before commands are looked at
SCORE_EVERY_S = 0.1  # of the timeline, the highest score in between
NUM_SCORES = 600
TOLD_AGAIN_S = 60.0  # frames that are refused for one reason
RAISES = ("alarm", "attention")  # changes that something is to be done for
STOPS = ("alarm", "storm", "again")  # changes that stop the line
LOST = ("connecting", "reconnecting", "frozen", "still")  # states of the capture


class Seen(NamedTuple):
    """The newest frame and its verdict; no verdict while inspection is off."""

    frame: Frame
    verdict: Verdict | None
    box: tuple[int, int, int, int] | None  # x, y, width, height of the region


class Inspection:
    """Inspects frames until the source ends or `stop` is called.

    `run` is the one loop, in the caller's thread. `command` may be called from other
    threads, and what `live.page.view.View` reads is replaced whole, never changed. Each
    frame is either inspected or refused: a frame that does not fit the region, and
    every interruption of the stream, restarts the count of defective frames.

    Args:
        inspector: The `Inspector` that decides on frames.
        capture: The started capture that delivers the frames.
        folder: Folder of the event log, thumbnails and clips.
        alarm: The alarm that turns verdicts into events.
        roi, mask: For `make_region`; None for the whole frame.
        outboxes: Outboxes to which every change is sent.
        stop_outboxes: Outboxes to which only alarms are sent, first of all.
        source: Name of the source to show, without a password.
        keeps_shape: Whether frames with another shape than the first one are refused,
            as for a camera; images of a folder may have any shape. With a region they
            are always refused.
        ends: The loop ends when it is set.
        verdicts: The table that every frame is written into, or None.
    """

    def __init__(
        self,
        inspector: Inspector,
        capture: Capture,
        folder: Folder,
        alarm: Alarm,
        *,
        roi: Roi | None = None,
        mask: Path | None = None,
        outboxes: Iterable[Outbox] = (),
        stop_outboxes: Iterable[Outbox] = (),
        source: str = "",
        keeps_shape: bool = False,
        ends: threading.Event | None = None,
        verdicts: Verdicts | None = None,
    ):
        self.inspector, self.capture, self.folder = inspector, capture, folder
        self.alarm, self.roi, self.mask = alarm, roi, mask
        self.outboxes, self.stop_outboxes = list(outboxes), list(stop_outboxes)
        self.source, self.verdicts = source, verdicts
        self.keeps_shape = keeps_shape or roi is not None or mask is not None
        self.measures = Measures()
        self._region: Region | None = None
        self._frames: deque[np.ndarray] = deque(maxlen=inspector.num_frames)
        self._num_unjudged = 0  # since the last verdict
        self.is_on, self._ends = True, ends or threading.Event()
        self._commands: queue.SimpleQueue[tuple[str, str | None]] = queue.SimpleQueue()
        self.seen: Seen | None = None
        self._breaks: tuple[str, int, int] | None = None  # see `_notice_capture`
        self.refusal: str | None = None  # why frames are refused
        self.first_refusal: str | None = None
        self._told_refusal: tuple[str | None, float] = None, 0.0  # and monotonic()
        # of each: when captured, by monotonic(), defect score and decision
        self.scores: deque[tuple[float, float, str]] = deque(maxlen=NUM_SCORES)

    def run(self, look: Callable[[Seen | None], bool | None] | None = None) -> None:
        """Inspects until the end.

        Args:
            look: Called with the newest `Seen`, or None, in this thread, such as to
                show a window; False ends the loop.
        """
        self.folder.log("started", source=self.source, rule=self.alarm.rule.text)
        left_open, num = self.folder.open_events(), self.folder.num_events
        for change in self.alarm.restore(left_open, datetime.now(UTC), num_events=num):
            self._tell(change)
        self._stop_again()
        try:
            while not self._ends.is_set():
                self._obey()
                frame = self.capture.next(NEXT_FRAME_S)
                self._notice_capture()
                if isinstance(frame, NoFrame):
                    self._note_no_frame(frame)
                elif frame is not None:
                    self._take(frame)
                if look is not None and look(self.seen) is False:
                    self._ends.set()
        except EndOfSource:
            status = self.capture.status()
            about = {"unreadable": status["num_bad"], "error": status["last_error"]}
            self.folder.log("source ended", **(about if status["num_bad"] else {}))
        finally:
            self._obey()
            self.folder.log("stopped", **self.measures.counts())

    def stop(self) -> None:
        """Ends the loop soon; may be called from a signal handler."""
        self._ends.set()

    @property
    def is_ending(self) -> bool:
        return self._ends.is_set()

    def wait(self) -> None:
        """After `run`: keeps processing commands until `stop` is called."""
        while not self._ends.wait(NEXT_FRAME_S):
            self._obey()

    def _take(self, frame):
        crop, box = frame.image, None
        try:
            if self.keeps_shape:
                if self._region is None:
                    self._region = make_region(
                        self.roi, self.mask, frame.image.shape[:2]
                    )
                crop = cut(frame.image, self._region)
                box = fit_region(self._region, frame.image.shape[:2]).box
        except InputError as error:
            self._refuse(frame, str(error))
            return
        if not self.is_on:
            self.refusal = None
            self.seen = Seen(frame, None, box)
            return
        try:
            verdict = self.inspector.inspect(self._clip_with(crop))
        except ValueError as error:  # an answer that is NaN or infinity
            self._refuse(frame, str(error))
            return
        self.refusal, self._num_unjudged = None, 0
        self.seen = Seen(frame, verdict, box)
        latency = time.monotonic() - frame.captured_at
        self.measures.add(verdict.decision, latency)
        self._note_score(frame, verdict)
        self._raise_alarms(frame, verdict)
        if self.verdicts:  # last: a file that stands there is not inspected again
            self.verdicts.add(
                frame.name or self.source,
                frame.number,
                verdict.decision,
                why=verdict.reason,
                score=verdict.defect_score,
                predicted=verdict.predicted,
            )

    def _clip_with(self, crop):
        """The crop, or for a model of clips the last ones up to it."""
        if self.inspector.num_frames == 1:
            return crop
        if self._frames and self._frames[-1].shape != crop.shape:
            self._frames.clear()
        self._frames.append(crop)
        return np.stack(self._frames)

    def _gap(self):
        """Notes that the next frame does not directly follow the previous ones."""
        self.alarm.gap()
        self._frames.clear()

    def _pass_over(self, num_frames):
        """Frames that could not be inspected; a few of them do not end a series of
        defects.

        Otherwise a camera that damages every fourth frame would never raise an alarm.
        """
        self._num_unjudged += num_frames
        self._frames.clear()
        if self._num_unjudged > self.alarm.rule.num_frames:
            self._gap()

    def _refuse(self, frame, problem):
        """Refuses a frame that does not fit.

        If it is the first frame, the run ends, unless the frame size for which the
        region was drawn is known: then the camera may return to its former format.
        """
        is_known = self.roi is not None and self.roi.frame_size is not None
        if self.keeps_shape and self._region is None and not is_known:
            raise InputError(problem)
        is_told = problem == self._told_refusal[0]
        if not is_told or time.monotonic() - self._told_refusal[1] >= TOLD_AGAIN_S:
            self.folder.log("frames refused", problem=problem)
            self._told_refusal = problem, time.monotonic()
        self._pass_over(1)
        self.refusal, self.seen = problem, Seen(frame, None, None)
        self.first_refusal = self.first_refusal or problem
        self.measures.add("refused")
        if self.verdicts:
            name = frame.name or self.source
            self.verdicts.add(name, frame.number, "refused", why=problem)

    def _note_no_frame(self, file):
        """Reports a file that gave no frame once, with the reason."""
        kind = "file unreadable" if file.is_bad else "source"
        self.folder.log(kind, path=file.name, problem=file.problem)
        if self.verdicts and file.is_bad:
            self.verdicts.add(file.name, None, "unreadable", why=file.problem)

    def _raise_alarms(self, frame, verdict):
        age = timedelta(seconds=time.monotonic() - frame.captured_at)
        changes = self.alarm.update(
            frame.number,
            datetime.now(UTC) - age,
            verdict.decision,
            verdict.defect_score,
            verdict.predicted,
        )
        at = frame.captured_at if frame.media_time is None else frame.media_time
        named = verdict.predicted or ""
        caption = f"{verdict.decision} {named} {verdict.defect_score:.3f}"
        is_defective = verdict.decision == "reject"
        self.folder.clips.add(frame.image, at, caption=caption, defective=is_defective)
        for change in changes:
            self._tell(change, frame.image, at)

    def _tell(self, change, image=None, at=None):
        """Processes a change of the alarm; the production line is stopped first."""
        message = self._message(change)
        if change["event_kind"] == "alarm" and change["kind"] in STOPS:
            for outbox in self.stop_outboxes:
                outbox.send(message)
        if change["kind"] == "again":
            return
        change = dict(change)
        if change["kind"] in RAISES and image is not None:
            change["thumbnail_sha256"] = self.folder.thumbnail(change["event"], image)
            self.folder.clips.start_event(change["event"], at)
        written = self.folder.change(change) or {}
        for outbox in self.outboxes:
            outbox.send({**message, **change, "log_sha256": written.get("sha256")})

    def _message(self, change):
        name = f"{change['event']}-{change['kind']}-{change['last_frame']}"
        message = {"id": name, "source": self.source, **change}
        message["bundle"] = self.inspector.name
        message["bundle_sha256"] = self.inspector.sha256
        return message

    def _stop_again(self):
        """Runs the stop command for alarms of an earlier run for which it did not
        succeed.

        Only as long after the alarm as a stop command is retried: later it would stop
        good parts.
        """
        for event in self.folder.not_stopped() if self.stop_outboxes else ():
            about = {"event": event.pop("id"), "event_kind": event.pop("kind")}
            age = datetime.now(UTC) - datetime.fromisoformat(event["began"])
            for outbox in self.stop_outboxes:
                patience = outbox.target.patience_s
                if patience is None or abs(age.total_seconds()) < patience:
                    change = {"kind": "alarm", "at": event["began"], **about, **event}
                    outbox.send(self._message(change))

    def _notice_capture(self):
        """Logs when the stream is lost or restored; a loss separates two series of
        defects.

        For a recording, the capture is some frames ahead of the inspection: its end is
        not a loss.
        """
        status = self.capture.status()
        state, before = status["state"], self._breaks
        self._breaks = state, status["num_reconnects"], status["num_bad"]
        if self._breaks == before:
            return
        if before is not None:
            is_lost = before[0] in LOST or state in LOST
            if before[1] != self._breaks[1] or (state != before[0] and is_lost):
                self._gap()
            elif self._breaks[2] > before[2]:
                self._pass_over(self._breaks[2] - before[2])
        if state != "ended" and (before is None or before[0] != state):
            error = None if state == "running" else status["last_error"]
            self.folder.log("camera", state=state, error=error)

    def _obey(self):
        """Executes the commands that other threads have given."""
        while not self._commands.empty():
            do, event = self._commands.get()
            if do == "acknowledge":
                for change in self.alarm.acknowledge(datetime.now(UTC), event):
                    self._tell(change)
            elif self.is_on != (do == "start"):
                self.is_on = do == "start"
                self._gap()
                self.folder.log("inspection on" if self.is_on else "inspection off")
        self.folder.flush()

    def _note_score(self, frame, verdict):
        entry = (frame.captured_at, verdict.defect_score, verdict.decision)
        last = self.scores[-1] if self.scores else None
        if last is None or entry[0] - last[0] >= SCORE_EVERY_S:
            self.scores.append(entry)
        elif entry[1] > last[1]:
            self.scores[-1] = (last[0], *entry[1:])

    def command(self, do: str, event: str | None = None) -> None:
        """Requests "start", "stop" or "acknowledge", executed within NEXT_FRAME_S.

        Args:
            do: What.
            event: Id of the event that is acknowledged, with all earlier ones; later
                events are not acknowledged, because the user may not have seen them.
                None for the newest.
        """
        self._commands.put((do, event))
