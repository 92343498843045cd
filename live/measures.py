"""Counts and latencies of a live inspection, for the page and for Prometheus."""

import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client import Counter as PrometheusCounter

from decisions.rule import DECISIONS

NUM_LATENCIES = 1000
RATE_OVER_S = 5.0
ALARM_STATES = ("clear", "alarm", "attention")
LATENCIES_S = (0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.1, 0.2, 0.5, 1, 5)


class Measures:
    """Counts frames by decision; keeps the newest latencies from capture to verdict."""

    def __init__(self):
        self._counts = Counter()
        self._latencies = deque(maxlen=NUM_LATENCIES)
        self._times = deque()
        self._registry = CollectorRegistry()
        self._frames = PrometheusCounter(
            "goodparts_frames",
            "Number of frames by decision; refused frames were not inspected.",
            ["decision"],
            registry=self._registry,
        )
        self._latency = Histogram(
            "goodparts_latency_seconds",
            "Time from the capture of a frame to its decision, in seconds.",
            buckets=LATENCIES_S,
            registry=self._registry,
        )
        self._gauges = {
            name: Gauge(f"goodparts_{name}", text, labels, registry=self._registry)
            for name, text, labels in (
                (
                    "inspecting",
                    "1 while frames are inspected, 0 when inspection is switched off.",
                    [],
                ),
                (
                    "alarm",
                    "1 for the current state of the alarm, 0 for the others.",
                    ["state"],
                ),
                ("capture_up", "1 while the source delivers frames.", []),
                (
                    "capture_dropped",
                    "Number of frames that were dropped in favour of newer ones.",
                    [],
                ),
                (
                    "capture_bad",
                    "Number of frames that could not be decoded completely.",
                    [],
                ),
                ("capture_reconnects", "Number of times the source was reopened.", []),
                (
                    "output_waiting",
                    "Number of events that wait to be sent.",
                    ["output"],
                ),
                ("log_lines", "Number of lines in the event log.", []),
                ("log_problem", "1 while the event log cannot be written.", []),
            )
        }

    def add(self, decision: str, latency_s: float | None = None) -> None:
        """Counts a frame; without a latency it was not inspected."""
        self._counts[decision] += 1
        self._frames.labels(decision).inc()
        if latency_s is not None:
            self._latencies.append(latency_s)
            self._latency.observe(latency_s)
            self._times.append(time.monotonic())
            while self._times[0] < self._times[-1] - RATE_OVER_S:
                self._times.popleft()

    def counts(self) -> dict[str, int]:
        """Number of inspected frames, in total and by decision, and of refused ones."""
        counts = {name: self._counts[name] for name in DECISIONS}
        refused = self._counts["refused"]
        return {"frames": sum(counts.values()), **counts, "refused": refused}

    def frames_per_s(self) -> float:
        """Frames per second over the last RATE_OVER_S seconds; 0 if nothing arrives."""
        times = list(self._times)
        if len(times) < 2 or time.monotonic() - times[-1] > RATE_OVER_S:
            return 0.0
        return round((len(times) - 1) / max(times[-1] - times[0], 1e-6), 1)

    def latency_ms(self) -> dict[str, float | None]:
        """Median and 99th percentile of the newest frames; None before the first."""
        latencies = list(self._latencies)
        if not latencies:
            return {"latency_p50_ms": None, "latency_p99_ms": None}
        median, highest = np.percentile(latencies, [50, 99]) * 1000
        return {
            "latency_p50_ms": round(float(median), 1),
            "latency_p99_ms": round(float(highest), 1),
        }

    def exposed(
        self,
        capture: Mapping[str, Any],
        alarm_state: str,
        outboxes: Iterable[Mapping[str, Any]],
        log: Mapping[str, Any],
        *,
        is_on: bool,
    ) -> bytes:
        """The metrics in the Prometheus text format, as bytes."""
        gauges = self._gauges
        gauges["inspecting"].set(is_on)
        for name in ALARM_STATES:
            gauges["alarm"].labels(name).set(name == alarm_state)
        gauges["capture_up"].set(capture["state"] == "running")
        for name in ("dropped", "bad", "reconnects"):
            gauges[f"capture_{name}"].set(capture[f"num_{name}"])
        for outbox in outboxes:
            gauges["output_waiting"].labels(outbox["name"]).set(outbox["num_waiting"])
        gauges["log_lines"].set(log["num_lines"])
        gauges["log_problem"].set(log["problem"] is not None)
        return generate_latest(self._registry)
