"""The state of a live inspection for other threads: page, health, Prometheus."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from decisions.rule import Decision
from live.overlay import as_jpeg, marked

if TYPE_CHECKING:
    from pathlib import Path

    from live.inspection import Inspection

STALE_S = 10.0  # without a frame for so long, health is bad


class View:
    """Reads the state of an `Inspection` from any thread; it does not inspect."""

    def __init__(self, inspection: Inspection):
        self.inspection = inspection
        self._encoded: tuple[int, bytes, dict[str, Any] | None] | None = None

    def command(self, do: str, event: str | None = None) -> str | None:
        """Passes a command on; returns why not, as a short text, or None."""
        if do == "acknowledge" and event is not None:
            if event not in self.inspection.alarm.waiting:
                return self._why_it_does_not_wait(event)
        self.inspection.command(do, event)
        return None

    def _why_it_does_not_wait(self, event_id):
        known = self.inspection.folder.event(event_id)
        if known is None:
            return f"Event {event_id} is unknown, or was closed long ago."
        if known["acknowledged"]:
            return f"Event {event_id} is already acknowledged."
        return f"Event {event_id} has ended by itself; it needs no acknowledgement."

    def state(self) -> dict[str, Any]:
        """Everything that the page shows, for JSON."""
        watched, now = self.inspection, time.monotonic()
        alarm, capture = watched.alarm, watched.capture.status()
        event = alarm.event
        if watched.refusal is not None:
            capture |= {"state": "refused", "last_error": watched.refusal}
        return {
            "bundle": watched.inspector.name,
            "bundle_sha256": watched.inspector.sha256,
            "source": watched.source,
            "running": watched.is_on and not watched.is_ending,
            "capture": capture,
            "frame_age_s": _age_s(watched.seen),
            "verdict": _verdict(watched.seen),
            "lines": _lines(watched.inspector.decision),
            "alarm": {
                "state": alarm.state,
                "since": event.began if event else None,
                "event": event.id if event else None,
                "ended": bool(event and event.ended),
                "num_alarms": event.num_alarms if event else 0,
                "waiting": alarm.waiting,
                "rule": alarm.rule.text,
            },
            "counts": watched.measures.counts(),
            "rate": {
                "frames_per_s": watched.measures.frames_per_s(),
                **watched.measures.latency_ms(),
            },
            "scores": [
                [round(now - at, 2), score, decided]
                for at, score, decided in list(watched.scores)
            ],
            "outputs": self._outputs(),
            "log": watched.folder.log_state(),
        }

    def _outputs(self):
        """Status of every target; `stops_line` marks the stop command."""
        watched = self.inspection
        stops = watched.stop_outboxes
        return [
            {**outbox.status(), "stops_line": outbox in stops}
            for outbox in watched.outboxes + stops
        ]

    def picture(self) -> tuple[int, bytes, dict[str, Any] | None] | None:
        """`(number, JPEG, verdict)` of the newest frame, what was found drawn, or None.

        The verdict is that of `state`, on this very frame.
        """
        seen = self.inspection.seen
        if seen is None:
            return None
        number = seen.frame.number
        if self._encoded is None or self._encoded[0] != number:
            jpeg = as_jpeg(marked(seen, self.inspection.inspector.map_range))
            self._encoded = number, jpeg, _verdict(seen)
        return self._encoded

    def events(self) -> list[dict[str, Any]]:
        return self.inspection.folder.events()

    def media(self, kind: str, event_id: str) -> Path:
        return self.inspection.folder.media(kind, event_id)

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Whether frames come, are judged and recorded; and the facts behind it."""
        watched = self.inspection
        problem = watched.folder.log_state()["problem"]
        if watched.verdicts is not None:
            problem = problem or watched.verdicts.problem
        seen, age = watched.seen, None
        if seen is not None:
            age = round(time.monotonic() - seen.frame.captured_at, 1)
        capture = watched.capture.status()
        facts = {
            "capture": capture["state"],
            "frame_age_s": age,
            "inspecting": watched.is_on,
            "alarm": watched.alarm.state,
            "refused": watched.refusal,
            "log_problem": problem,
        }
        is_fresh = age is not None and age < STALE_S
        if capture["follows"]:  # no file for an hour is no fault
            is_fresh = capture["state"] == "running"
        return is_fresh and watched.is_on and not (problem or watched.refusal), facts

    def metrics(self) -> bytes:
        """The metrics for Prometheus."""
        watched = self.inspection
        return watched.measures.exposed(
            watched.capture.status(),
            watched.alarm.state,
            self._outputs(),
            watched.folder.log_state(),
            is_on=watched.is_on,
        )


def _verdict(seen):
    """The verdict of a `Seen` for JSON, or None."""
    if seen is None or seen.verdict is None:
        return None
    verdict = seen.verdict
    return {
        "decision": verdict.decision,
        "reason": verdict.reason,
        "defect_score": verdict.defect_score,
        "predicted": verdict.predicted,
        "number": seen.frame.number,
        "age_s": _age_s(seen),
    }


def _age_s(seen):
    """Seconds since the frame was captured; None before the first."""
    return None if seen is None else round(time.monotonic() - seen.frame.captured_at, 3)


def _lines(decision: Decision | None) -> dict[str, float | None]:
    """The accept and reject thresholds; None for an infinite one."""
    if decision is None:
        return {"accept_below": None, "reject_from": None}
    return {
        "accept_below": _finite(decision.accept_below),
        "reject_from": _finite(decision.reject_from),
    }


def _finite(value):
    return value if np.isfinite(value) else None
