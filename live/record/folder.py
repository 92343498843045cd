"""The folder of a live inspection: log.jsonl, events/<id>.jpg, clips/<id>.mp4."""

import json
import threading
from datetime import UTC, datetime
from pathlib import Path

from goodparts.command import reason
from live.alarms.events import Event
from live.record.clips import ClipRecorder, write_thumbnail
from live.record.event_log import EventLog

NUM_EVENTS = 200  # that the page lists


class Folder:
    """Writes down what happens, and remembers the newest events of earlier runs too.

    Nothing here raises into the inspection: `log_state()["problem"]` says what could
    not be written.

    Args:
        path: Made when missing; a log in it is continued.
        bundle_sha256: Written into every line of the log.
        tell: Called with every line of the log as a dict, such as to print it.
    """

    def __init__(self, path, *, bundle_sha256, tell=lambda line: None):
        self.path = Path(path)
        self._log = EventLog(self.path / "log.jsonl", bundle_sha256=bundle_sha256)
        self.clips = ClipRecorder(self.path / "clips")
        self._tell, self._thumbnail_problem = tell, None
        self._told_problem = None
        self._events, self._lock = {}, threading.Lock()
        with open(self.path / "log.jsonl", "rb") as file:
            for line in file:
                line = json.loads(line)
                if "event" in line:
                    self._remember(line)

    def open_events(self):
        """`Event`s that an earlier run left without an end or acknowledgement."""
        return [
            Event(**{key: event[key] for key in Event._fields if key in event})
            for event in self._events.values()
            if not event["acknowledged"]
            and (event["kind"] == "alarm" or not event["ended"])
        ]

    def log(self, kind, **fields):
        """Writes a line; returns it, or None if it was lost."""
        line = self._log.append(kind, **fields)
        if line:
            self._tell(line)
        self._tell_problem()
        return line

    def _tell_problem(self):
        """Tells when the log cannot be written, and when it can again; once each."""
        problem = self._log.problem
        if (problem is None) != (self._told_problem is None):
            time = datetime.now(UTC).isoformat()
            said = problem or "written again, nothing is lost"
            self._tell({"time": time, "kind": "EVENT LOG", "state": said})
        self._told_problem = problem

    def change(self, change):
        """Writes a change of the alarm and remembers it for the list of events."""
        self._remember(change)
        return self.log(**change)

    def _remember(self, change):
        with self._lock:
            event = self._events.setdefault(change["event"], {})
            event.update({key: change[key] for key in Event._fields if key in change})
            event |= {"id": change["event"], "kind": change["event_kind"]}
            while len(self._events) > NUM_EVENTS:
                del self._events[next(iter(self._events))]

    def flush(self):
        if self._log.num_waiting:
            self._log.flush()
            self._tell_problem()

    def thumbnail(self, event_id, image):
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

    def events(self):
        """Newest first, as the page lists them."""
        with self._lock:
            events = [dict(event) for event in reversed(self._events.values())]
        for event in events:
            clip = self.media("clips", event["id"])
            event["thumbnail"] = f"events/{event['id']}.jpg"
            event["clip"] = f"clips/{event['id']}.mp4" if clip.is_file() else None
        return events

    def media(self, kind, event_id):
        """Path of a thumbnail ("events") or clip ("clips") of an event."""
        return self.path / kind / f"{event_id}{'.jpg' if kind == 'events' else '.mp4'}"

    def log_state(self):
        """Path, lines, `problem` (no event is written down), `warning` (no picture)."""
        return {
            "path": str(self._log.path),
            "num_lines": self._log.num_lines,
            "problem": self._log.problem,
            "warning": self._thumbnail_problem or self.clips.problem,
        }

    def close(self):
        """Ends open clips and writes what waits; returns what could not be written."""
        self.clips.stop()
        self._log.close()
        return self._log.num_waiting
