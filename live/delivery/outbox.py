"""Sends events to their targets, each target in a thread of its own.

An event is a dict with an `id` and is sent as JSON at least once: after a lost
connection it may be sent again, so the receiver should recognise repetitions by the id.
"""

import json
import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, NamedTuple

from goodparts.command import reason
from live.delivery.targets import Refused, Target

FIRST_PAUSE_S = 0.5
MAX_WAITING = 1000
log = logging.getLogger(__name__)
# what was sent, and why it was given up; None where it has arrived
Told = Callable[[dict[str, Any], str | None], None]


class _Waiting(NamedTuple):
    event: dict[str, Any]
    content: bytes
    since: float


class Outbox:
    """Sends events to one target in its own thread, in order, until they arrive.

    After a failed attempt it waits 0.5 s, then twice as long each time, and tries the
    same event again. At most 1,000 events wait; above that the oldest one is dropped
    and counted: current events matter more to a receiver, and the event log on disk
    contains all of them.

    Args:
        target: Where events are sent.
        told: Called in that thread with every event that was delivered or given up, and
            the reason why it was given up (None if it was delivered).
    """

    def __init__(self, target: Target, told: Told = lambda event, problem: None):
        self.target, self._told = target, told
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._ends = float("inf")  # when the thread must end, by monotonic()
        self._last_error: str | None = None
        self._num = {"sent": 0, "failed": 0, "dropped": 0}
        self._thread = threading.Thread(
            target=self._work, name=f"outbox: {target.name}", daemon=True
        )
        self._thread.start()

    def send(self, event: dict[str, Any]) -> None:
        """Queues an event, a JSON-compatible dict with an `id`; never waits."""
        text = json.dumps(event, ensure_ascii=False)
        content = text.encode(errors="backslashreplace")  # which JSON reads
        with self._changed:
            if len(self._waiting) >= MAX_WAITING:
                del self._waiting[1]  # the first is being sent
                self._num["dropped"] += 1
                self._last_error = (
                    f"{MAX_WAITING} events were waiting; the oldest was dropped"
                )
            self._waiting.append(_Waiting(event, content, monotonic()))
            self._changed.notify()

    def status(self) -> dict[str, Any]:
        """The status for the page.

        `state` is "idle", "sending", "retrying", "failed" (the last event was given up)
        or "stopped"; `last_error` is kept until an event is delivered again.
        """
        with self._changed:
            num_waiting, error = len(self._waiting), self._last_error
            if monotonic() >= self._ends or not self._thread.is_alive():
                state = "stopped"
            elif num_waiting:
                state = "retrying" if error else "sending"
            else:
                state = "failed" if error else "idle"
            return {
                "name": self.target.name,
                "state": state,
                "num_waiting": num_waiting,
                **{f"num_{name}": number for name, number in self._num.items()},
                "last_error": error,
            }

    def begin_stop(self, ends: float) -> None:
        """Tries to send waiting events until `ends` (`monotonic()`); does not wait."""
        with self._changed:
            self._ends = ends
            self._changed.notify()

    def stop(self, wait_s: float = 5.0) -> int:
        """Tries to send waiting events for at most `wait_s`.

        Returns:
            How many events were not sent.
        """
        self.begin_stop(monotonic() + wait_s)
        self._thread.join(wait_s)
        with self._changed:
            num_waiting = len(self._waiting)
        if num_waiting:
            log.error("%s: %d events were not sent", self.target.name, num_waiting)
        return num_waiting

    def _work(self):
        pause = FIRST_PAUSE_S
        while (first := self._first()) is not None:
            if self._attempt(first):
                pause = FIRST_PAUSE_S
            else:
                self._rest(pause)
                pause = min(2 * pause, self.target.longest_pause_s)

    def _first(self):
        """The oldest event; waits for one. None when it is time to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ends < float("inf"))
            if not self._waiting or monotonic() >= self._ends:
                return None
            return self._waiting[0]

    def _attempt(self, first):
        """Whether the event is done: it was delivered or given up."""
        patience = self.target.patience_s
        if patience is not None and monotonic() > first.since + patience:
            self._give_up(
                first, f"not delivered within {patience:g} s: {self._last_error}"
            )
            return True
        try:
            self.target.deliver(first.content)
        except Refused as error:
            self._give_up(first, f"refused: {error}")
        except OSError as error:
            if self._last_error is None:
                log.warning("%s: %s; trying again", self.target.name, reason(error))
            self._last_error = reason(error)
            return False
        except Exception as error:  # a fault of ours must not end what comes after
            log.exception("%s: internal error", self.target.name)
            self._give_up(first, f"{type(error).__name__}: {error}")
        else:
            self._remove_first("sent", None)
        return True

    def _give_up(self, first, reason):
        event_id = first.event["id"]
        log.error("%s: event %s is lost: %s", self.target.name, event_id, reason)
        self._remove_first("failed", reason)

    def _remove_first(self, outcome, error):
        with self._changed:
            self._num[outcome] += 1
            self._last_error = error
            event = self._waiting.popleft().event
        self._told(event, error)

    def _rest(self, pause):
        """Waits; `stop` ends the pause that it finds, for one more attempt."""
        with self._changed:
            stopping = self._ends < float("inf")
            pause = min(pause, max(0, self._ends - monotonic()))
            self._changed.wait_for(
                lambda: not stopping and self._ends < float("inf"), timeout=pause
            )


def stop_all(outboxes: Sequence[Outbox], wait_s: float = 5.0) -> dict[str, int]:
    """Stops several outboxes with one deadline.

    Returns:
        How many events were not sent, by the name of the target.
    """
    ends = monotonic() + wait_s
    for outbox in outboxes:
        outbox.begin_stop(ends)
    num_left: Counter[str] = Counter()
    for outbox in outboxes:
        num_left[outbox.target.name] += outbox.stop(max(0, ends - monotonic()))
    return dict(num_left)
