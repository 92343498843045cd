"""The folder of a live inspection: log.jsonl, events/<id>.jpg, clips/<id>.mp4."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from goodparts.command import reason
from live.record.clips import ClipRecorder, write_thumbnail
from live.record.event_log import EventLog
from live.record.known_events import KnownEvents
from live.record.segments import NAME

if TYPE_CHECKING:
    import numpy as np

    from live.alarms.events import Event

LOOK_EVERY_S = 1.0  # at what other programs did to the file of the log


class Folder:
    """Records the inspection, and knows the newest events of earlier runs too.

    Errors are not raised into the inspection: `log_state()["problem"]` says what could
    not be written.

    Args:
        path: Created if missing; a log in it is continued.
        bundle_sha256: Hash of the bundle; written into every line of the log.
        tell: Called with every line of the log as a dict, for example to print it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        bundle_sha256: str,
        tell: Callable[[dict[str, Any]], None] = lambda line: None,
    ):
        self.path = Path(path)
        self._known = KnownEvents()
        self._log = EventLog(
            self.path / NAME,
            bundle_sha256=bundle_sha256,
            carry=self._known.carried,
            see=self._known.see,
        )
        # what the log has to say of clips
        self._clips_written: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.clips = ClipRecorder(self.path / "clips", tell=self._clips_written.put)
        self._tell = tell
        self._thumbnail_problem: str | None = None
        self._told_problem: str | None = None
        self._told_loss: str | None = None
        self._looked_at = monotonic()  # at the file of the log
        self._changes = threading.RLock()  # each line of an event tells all before it

    @property
    def num_events(self) -> int:
        """The highest number of an event so far, over all runs."""
        return self._known.num_events

    def open_events(self) -> list[Event]:
        """`Event`s that an earlier run left without an end or acknowledgement."""
        return self._known.open()

    def not_stopped(self) -> list[dict[str, Any]]:
        """The open alarms, as dicts, for which no stop command has succeeded."""
        return self._known.not_stopped()

    def event(self, event_id: str) -> dict[str, Any] | None:
        """An event as a dict; None for an old or unknown one."""
        return self._known.get(event_id)

    def log(self, kind: str, **fields: Any) -> dict[str, Any] | None:
        """Writes a line; returns it, or None if it was lost."""
        line = self._log.append(kind, **fields)
        if line:
            self._tell(line)
        self._tell_problem()
        return line

    def _tell_problem(self):
        """Reports when the log cannot be written, and when it can again; once each.

        And what another program did to its file.
        """
        problem, loss = self._log.problem, self._log.loss
        if loss != self._told_loss:
            time = datetime.now(UTC).isoformat()
            self._tell({"time": time, "kind": "EVENT LOG", "state": loss})
            self._told_loss = loss
        if (problem is None) != (self._told_problem is None):
            time = datetime.now(UTC).isoformat()
            said = problem or "the log is written again, nothing was lost"
            self._tell({"time": time, "kind": "EVENT LOG", "state": said})
        self._told_problem = problem

    def change(self, change: dict[str, Any]) -> dict[str, Any] | None:
        """Writes a change of the alarm and stores it for the list of events."""
        with self._changes:
            if stopped := (self.event(change["event"]) or {}).get("line_stopped"):
                change = {"line_stopped": stopped, **change}
            self._known.add(change)
            return self.log(**change)

    def note_stop(self, event_id: str, problem: str | None) -> None:
        """Writes that the stop command has ended, or why it was given up.

        Args:
            event_id: ID of the alarm that it was run for.
            problem: Text, or None where the line was stopped.
        """
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        if problem:
            done = {"kind": "LINE NOT STOPPED", "at": at, "problem": problem}
        else:
            done = {"kind": "line stopped", "at": at, "line_stopped": at}
        with self._changes:
            if event := dict(self.event(event_id) or {}):
                about = {"event": event.pop("id"), "event_kind": event.pop("kind")}
                self.change({**about, **event, **done})
            else:
                self.log(**done, of=event_id)  # acknowledged long ago

    def flush(self) -> None:
        """Writes waiting lines, and those about new clips.

        Clips are written in a thread with low priority, but lines of the log are not,
        so that no other line waits for them.
        """
        while not self._clips_written.empty():
            self.log("clip", **self._clips_written.get())
        if self._log.num_waiting or monotonic() > self._looked_at + LOOK_EVERY_S:
            self._looked_at = monotonic()
            self._log.flush()
            self._tell_problem()

    def thumbnail(self, event_id: str, image: np.ndarray) -> str | None:
        """Writes the thumbnail of an event; returns its sha256, None if it failed."""
        try:
            found = write_thumbnail(self.path / "events" / f"{event_id}.jpg", image)
        except OSError as error:
            self._thumbnail_problem = (
                f"There is no thumbnail of {event_id}: {reason(error)}"
            )
            return None
        self._thumbnail_problem = None
        return found

    def events(self) -> list[dict[str, Any]]:
        """Newest first, as the page lists them."""
        events = self._known.recent()
        for event in events:
            clip = self.media("clips", event["id"])
            event["thumbnail"] = f"events/{event['id']}.jpg"
            event["clip"] = f"clips/{event['id']}.mp4" if clip.is_file() else None
        return events

    def media(self, kind: str, event_id: str) -> Path:
        """Path of a thumbnail "events" or clip "clips" of an event."""
        return self.path / kind / f"{event_id}{'.jpg' if kind == 'events' else '.mp4'}"

    def log_state(self) -> dict[str, Any]:
        """Path, lines, `problem` (no event is written down), `warning` (no picture)."""
        return {
            "path": str(self._log.path),
            "num_lines": self._log.num_lines,
            "problem": self._log.problem,
            "warning": self._thumbnail_problem
            or self.clips.problem
            or self._log.warning
            or self._log.loss,
        }

    def close(self) -> int:
        """Ends open clips and writes waiting lines; returns how many could not be
        written.
        """
        self.clips.stop()
        self.flush()
        self._log.close()
        return self._log.num_waiting
