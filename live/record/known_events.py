"""The events in a log: the newest, and those that wait for acknowledgement."""

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from live.alarms.events import Event

NUM_RECENT = 200  # that the page lists
MOST_UNREAD = 2000
FIELDS = (*Event._fields, "line_stopped")  # the last: when the stop command ended
ID = b'"event": "'  # texts have their quotes escaped, so none looks like this


def event_number(event_id: str) -> int:
    """The number in the id of an event; 0 where it has none.

    Example:
        >>> event_number("20261121T123456-0017")
        17
    """
    number = event_id.rpartition("-")[2]
    return int(number) if number.isascii() and number.isdecimal() else 0


class KnownEvents:
    """Tracks the changes of events; threads may share it.

    Every change contains the whole event, so in a long log only the last line of an
    event is parsed, and only if the event is open or among the newest.
    """

    def __init__(self):
        self._num_events = 0
        self._unread = {}  # id as bytes -> the last line of it, the oldest event first
        self._most_unread = MOST_UNREAD
        self._recent = OrderedDict()  # id -> event as a dict, the oldest first
        self._open = OrderedDict()  # those among all events, likewise
        self._lock = threading.RLock()

    @property
    def num_events(self) -> int:
        """The highest number of an event so far."""
        with self._lock:
            self._read()
            return self._num_events

    def see(self, line: bytes) -> None:
        """Registers a line of the log, as bytes; call it before `add`."""
        if (at := line.find(ID)) >= 0:
            at += len(ID)
            self._unread[line[at : line.find(b'"', at)]] = line
            if len(self._unread) > self._most_unread:
                self._forget_unread()
        elif b'"kind": "continued"' in line:
            fields = json.loads(line)
            for event in fields.get("events", ()):
                self.add({**event, "event": event["id"], "event_kind": event["kind"]})
            self._num_events = max(self._num_events, fields.get("num_events", 0))

    def _forget_unread(self):
        """Forgets all but the open and the newest events; keeps their number."""
        lines = list(self._unread.items())
        numbers = [event_number(name.decode(errors="replace")) for name, _ in lines]
        self._num_events = max(self._num_events, *numbers)
        kept = [x for x in lines[:-NUM_RECENT] if _looks_open(x[1])]
        self._unread = dict(kept + lines[-NUM_RECENT:])
        self._most_unread = max(MOST_UNREAD, 2 * len(self._unread))

    def _read(self):
        """Parses the lines that `see` collected; the lock is held."""
        lines, self._unread = self._unread.values(), {}
        for line in map(json.loads, lines):
            if "event" in line:
                self.add(line)

    def add(self, change: Mapping[str, Any]) -> None:
        """Registers a change, as returned by `live.alarms.events.Alarm`."""
        event_id = change["event"]
        with self._lock:
            self._read()
            known = self._open.get(event_id) or self._recent.get(event_id) or {}
            event = {key: change[key] for key in FIELDS if key in change}
            event = {**known, **event, "id": event_id, "kind": change["event_kind"]}
            if event_id in self._recent or not known:  # an older one stays away
                self._recent[event_id] = event
            while len(self._recent) > NUM_RECENT:
                self._recent.popitem(last=False)
            if _is_open(event):
                self._open[event_id] = event
            else:
                self._open.pop(event_id, None)
            self._num_events = max(self._num_events, event_number(event_id))

    def open(self) -> list[Event]:
        """`Event`s without an end or an acknowledgement, the oldest first."""
        with self._lock:
            self._read()
            events = list(self._open.values())
        return [
            Event(**{key: event[key] for key in Event._fields if key in event})
            for event in events
        ]

    def not_stopped(self) -> list[dict[str, Any]]:
        """The open alarms, as dicts, for which no stop command has succeeded."""
        with self._lock:
            self._read()
            events = [
                event for event in self._open.values() if event["kind"] == "alarm"
            ]
        return [dict(event) for event in events if not event.get("line_stopped")]

    def get(self, event_id: str) -> dict[str, Any] | None:
        """An event as a dict; None where it is neither open nor among the newest."""
        with self._lock:
            self._read()
            return self._open.get(event_id) or self._recent.get(event_id)

    def recent(self) -> list[dict[str, Any]]:
        """The newest events as dicts, the newest first."""
        with self._lock:
            self._read()
            return [dict(event) for event in reversed(self._recent.values())]

    def carried(self) -> dict[str, Any]:
        """The fields that the next file of the log needs for `see`."""
        with self._lock:
            self._read()
            older = [self._open[x] for x in self._open if x not in self._recent]
            events = older + list(self._recent.values())
        return {"num_events": self._num_events, "events": events}


def _looks_open(line):
    """The result of `_is_open` for the event of a line, given as bytes."""
    if b'"acknowledged": null' not in line:
        return False
    return b'"event_kind": "alarm"' in line or b'"ended": null' in line


def _is_open(event):
    if event.get("acknowledged"):
        return False
    return event["kind"] == "alarm" or not event.get("ended")
