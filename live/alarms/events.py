"""From decisions on frames to events: one alarm per fault, not one per frame."""

from collections import Counter, deque
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from live.alarms.rules import OVER, RAISED, Rule

MOST_OPEN = 1000  # alarms that wait for an acknowledgement
STORM, STORM_S = 10, 60.0  # so many alarms within so many seconds are a storm


class Seen(NamedTuple):
    """A frame of an event."""

    number: int
    defect_score: float
    predicted: str | None


class Event(NamedTuple):
    """An event, from its first defective frame to its end; times are ISO 8601."""

    id: str  # "20261121T123456-0001": when it began, and its number in the log
    kind: str  # "alarm" or "attention"
    first_frame: int  # the first of the frames that raised it
    began_frame: int  # the frame that raised it
    last_frame: int  # the last defective (attention: not accepted) frame so far
    num_frames: int  # defective (attention: not accepted) frames so far
    max_score: float
    predicted: str | None  # the class named most often; None of a detector
    began: str
    ended: str | None = None
    acknowledged: str | None = None
    num_alarms: int = 1  # how often the rule was met; more than once in a storm


class Alarm:
    """Turns decisions on frames into alarms that stay until they are acknowledged.

    "reject" is a defective frame and "accept" a good one. "inspect" (a hand, an unknown
    scene) is neither: it does not interrupt a series of defects and does not extend it.
    If as many frames in a row as the rule has are not accepted, but no alarm is raised,
    an event of the kind "attention" begins.

    An event ends according to the rule: after a number of good frames in a row, or by a
    test on their fraction. An alarm stays until it is acknowledged, even if the event
    has ended; a fault before that is a separate event. Attention disappears when it has
    ended, and is replaced by an alarm. After an acknowledgement the rule starts again:
    a fault that persists raises another alarm. Only one event is active at a time.

    A storm of alarms is one event: after STORM alarms within STORM_S, or with MOST_OPEN
    that are not acknowledged, a further alarm does not begin an event but is counted in
    `num_alarms` of the newest one, which then ends after STORM_S without alarms.

    `update`, `acknowledge` return changes: dicts with "kind" ("alarm", "attention",
    "storm", "again" for each further alarm of it, "ended" or "acknowledged"), "at",
    "event" (its id), "event_kind", and the other fields of Event as they then are.

    Args:
        rule: Rule of `parse_rule`.

    Example:
        >>> from datetime import datetime
        >>> from live.alarms.rules import parse_rule
        >>> alarm = Alarm(parse_rule("2"))
        >>> noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
        >>> alarm.update(0, noon, "reject", 0.9, "scratch")
        []
        >>> alarm.update(1, noon, "reject", 0.8, "dent")[0]["event"]
        '20261121T120000-0001'
    """

    def __init__(self, rule: Rule):
        self.rule = rule
        self.event: Event | None = None  # the open one
        # alarms before it that wait for an acknowledgement
        self._ended: deque[Event] = deque()
        self._num_events = 0
        self._raised: deque[datetime] = deque(maxlen=STORM)  # of the last alarms
        self._classes: Counter[str | None] = Counter()  # of the open event
        self._defects: deque[Seen] = deque(maxlen=rule.reach)
        self._doubtful: deque[Seen] = deque(maxlen=rule.num_frames)
        self.gap()

    def restore(
        self, events: Iterable[Event], at: datetime, *, num_events: int = 0
    ) -> list[dict[str, Any]]:
        """Restores the events that an earlier run left open; alarms stay until
        acknowledged.

        Args:
            events: Those without an acknowledgement, the oldest first.
            at: datetime with a zone, of now.
            num_events: The highest number in an id of an earlier run, so that ids stay
                unique if the clock is set back.

        Returns:
            Changes: events that had not ended are ended now, because their end was not
                observed.
        """
        changes, self._num_events = [], num_events
        for event in events:
            self.event = event
            if not event.ended:
                self._set(ended=_iso(at))
                changes.append(self._change("ended", at))
            if event.kind == "alarm":
                self._ended.append(self.event)
        self.event = self._ended.pop() if self._ended else None
        return changes

    @property
    def waiting(self) -> list[str]:
        """Ids of the events that can be acknowledged, the oldest first."""
        events = [*tuple(self._ended), *filter(None, [self.event])]
        return [event.id for event in events]

    @property
    def state(self) -> str:
        """ "clear", "alarm" or "attention"."""
        return self.event.kind if self.event else "clear"

    def gap(self) -> None:
        """Restarts the counting after frames that were not inspected; events stay open.

        Call it when the stream was lost or a frame could not be inspected, so that two
        separate series are not counted as one.
        """
        self._state = self._end_state = 0
        self._defects.clear()
        self._doubtful.clear()

    def update(
        self,
        frame_number: int,
        at: datetime,
        decision: str,
        defect_score: float,
        predicted: str | None,
    ) -> list[dict[str, Any]]:
        """Processes the decision on the next frame.

        Args:
            frame_number: Number of the frame in this run, growing.
            at: datetime with a zone, when the frame was captured.
            decision: "accept", "reject" or "inspect".
            defect_score: Higher for more defective.
            predicted: Class name, or None if the model predicts none.

        Returns:
            Changes, usually none.
        """
        seen = Seen(frame_number, float(defect_score), predicted)
        changes = []
        raised = self._count(decision, seen)
        over = self._count_end(decision)
        if self.event and not self.event.ended:
            changes += self._go_on(at, decision, seen, raised, over)
        elif self.event and raised and self._is_storm(at):
            changes += self._join_storm(at)
        elif self.event and raised:
            self._ended.append(self.event)
            self.event = None
        if not self.event and raised:
            changes.append(self._open("alarm", at, self._defects))
        elif not self.event and len(self._doubtful) == self.rule.num_frames:
            changes.append(self._open("attention", at, self._doubtful))
        return changes

    def acknowledge(
        self, at: datetime, event_id: str | None = None
    ) -> list[dict[str, Any]]:
        """Closes an event, ended or not, and all earlier ones; the rule starts again.

        Args:
            at: datetime with a zone, of now.
            event_id: ID of an event that waits for acknowledgement; None for the
                newest. Later events keep waiting, because the user may not have seen
                them.

        Returns:
            Changes; none if no such event is waiting.
        """
        waiting = [*self._ended, *filter(None, [self.event])]
        ids = [event.id for event in waiting]
        if not waiting or (event_id is not None and event_id not in ids):
            return []
        seen = len(ids) if event_id is None else ids.index(event_id) + 1
        time, changes, newest = _iso(at), [], self.event
        for event in waiting[:seen]:
            self.event = event
            self._set(acknowledged=time, ended=event.ended or time)
            changes.append(self._change("acknowledged", at))
        left = waiting[seen:]
        self._ended = deque(left[:-1])
        self.event = newest if left else None
        if not left:
            self._raised.clear()
            self.gap()
        return changes

    def _count(self, decision, seen):
        """Advances the rule by a frame; True when it raises an alarm."""
        if decision == "accept":
            self._doubtful.clear()
            self._state = self.rule.after_good[self._state]
        else:
            self._doubtful.append(seen)
        if decision == "reject":
            self._defects.append(seen)
            self._state = self.rule.after_defect[self._state]
        if self._state == RAISED:
            self._state = 0
            return True
        if self._state == 0:
            self._defects.clear()
        return False

    def _count_end(self, decision):
        """Advances the end of the rule by a frame; True when the event is over."""
        good, other = self.rule.end_after_good, self.rule.end_after_other
        after = good if decision == "accept" else other
        self._end_state = after[self._end_state]
        if self._end_state == OVER:
            self._end_state = 0
            return True
        return False

    def _is_storm(self, at):
        if len(self._ended) + 1 >= MOST_OPEN:
            return True
        return len(self._raised) == STORM and self._age(self._raised[0], at) < STORM_S

    @staticmethod
    def _age(since, at):
        return abs((at - since).total_seconds())

    def _join_storm(self, at):
        """Counts an alarm in the newest event, which continues; reported once."""
        is_first = self.event.num_alarms == 1
        self._set(ended=None, num_alarms=self.event.num_alarms + 1)
        self._collect(self._defects)
        self._raised.append(at)
        self._end_state = 0
        return [self._change("storm" if is_first else "again", at)]

    def _go_on(self, at, decision, seen, raised, over):
        """Updates the active event; ends it when it is over."""
        attention = self.event.kind == "attention"
        if decision == "reject" or (attention and decision != "accept"):
            self._collect([seen])
        changes = []
        if self.event.num_alarms > 1:
            if raised:
                self._set(num_alarms=self.event.num_alarms + 1)
                self._raised.append(at)
                changes.append(self._change("again", at))
            over = over and self._age(self._raised[-1], at) >= STORM_S
        if not over and not (attention and raised):
            return changes
        self._set(ended=_iso(at))
        change = self._change("ended", at)
        if over:
            self.gap()
        if attention:
            self.event = None
        return [*changes, change]

    def _open(self, kind, at, frames):
        self._num_events += 1
        if kind == "alarm":
            self._raised.append(at)
        first, last = frames[0], frames[-1]
        self._classes.clear()
        self.event = Event(
            f"{at.astimezone(UTC):%Y%m%dT%H%M%S}-{self._num_events:04d}",
            kind,
            first_frame=first.number,
            began_frame=last.number,
            last_frame=last.number,
            num_frames=0,
            max_score=first.defect_score,
            predicted=first.predicted,
            began=_iso(at),
        )
        self._end_state = 0
        self._collect(frames)
        return self._change(kind, at)

    def _collect(self, frames):
        for frame in frames:
            self._classes[frame.predicted] += 1
            self._set(
                last_frame=frame.number,
                num_frames=self.event.num_frames + 1,
                max_score=max(self.event.max_score, frame.defect_score),
                predicted=max(self._classes, key=self._classes.get),
            )

    def _set(self, **fields):
        self.event = self.event._replace(**fields)

    def _change(self, kind, at):
        event = self.event._asdict()
        about = {"event": event.pop("id"), "event_kind": event.pop("kind")}
        return {"kind": kind, "at": _iso(at), **about, **event}


def _iso(at):
    return at.astimezone(UTC).isoformat(timespec="milliseconds")
