"""Accept, reject or inspect by hand: how thresholds are applied to parts.

`goodparts decide` sets the thresholds and stores them as decision.json in the run
folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from goodparts.command import InputError, command_line, reason
from goodparts.files import file_hash, read_json

if TYPE_CHECKING:
    from evaluation.run_folder import Run

DECISIONS = ("accept", "reject", "inspect")
UNLIKE = "unlike every class"
LOW, HIGH, BETWEEN = "low score", "high score", "between the thresholds"
CASES = (
    np.array(["inspect", "accept", "reject", "inspect"]),
    np.array([UNLIKE, LOW, HIGH, BETWEEN]),
)


class Decision(NamedTuple):
    """The thresholds by which parts are decided.

    Attributes:
        accept_below: A part with a lower defect score is accepted.
        reject_from: A part with this defect score or a higher one is rejected. It is at
            or above `accept_below`; parts with scores in between are inspected by hand.
        least_probability: A part whose most probable class is less probable is unlike
            every class and is inspected by hand, whatever its score. None turns this
            check off.
    """

    accept_below: float
    reject_from: float
    least_probability: float | None = None


def decide_parts(
    decision: Decision,
    defect_scores: npt.ArrayLike,
    probabilities: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Decides parts.

    Args:
        decision: The thresholds.
        defect_scores: `(batch,)`.
        probabilities: `(batch, classes)`; needed if there is a `least_probability`.

    Returns:
        Two text arrays `(batch,)`: "accept", "reject" or "inspect", and the reason.

    Raises:
        ValueError: If there is a `least_probability`, but no probabilities.
    """
    scores = np.asarray(defect_scores, np.float64)
    is_unlike = np.zeros(scores.shape, bool)
    if decision.least_probability is not None:
        if probabilities is None:
            raise ValueError(
                "least_probability needs a model with class probabilities."
            )
        is_unlike = probabilities.max(axis=1) < decision.least_probability
    is_low, is_high = scores < decision.accept_below, scores >= decision.reject_from
    case = np.where(is_unlike, 0, np.where(is_low, 1, np.where(is_high, 2, 3)))
    return CASES[0][case], CASES[1][case]


def read_decision(run: Run) -> Decision:
    """The `Decision` of a run: that of `decide`, or else its threshold.

    Raises:
        InputError: If decision.json is damaged or belongs to other predictions, or
            there is no class of good parts.
    """
    path = run.folder / "decision.json"
    if not path.is_file():
        threshold = run.threshold
        if threshold is None:
            raise InputError(
                f"{run.name} has no class of good parts, so there is nothing to "
                "accept or reject. Make its data set again with --normal-class NAME."
            )
        return Decision(threshold, threshold)
    try:
        record = read_json(path)
        lines = float(record["accept_below"]), float(record["reject_from"])
        decision = Decision(*lines, record["least_probability"])
        made_from, command = record["predictions_sha256"], record["command"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is damaged: {reason(error)}. Run {command_line('decide')} again."
        ) from error
    if made_from != file_hash(run.folder / "predictions.csv"):
        raise InputError(
            f"{path} was made from predictions that differ from those now in the run. "
            f"Run this command again: {command}"
        )
    return decision


def between(low: float, high: float) -> float:
    """A threshold between scores of `low` and below and those of `high` and above.

    It is in the middle, so that no decision depends on the last digit of a score; it is
    infinite if one side is unbounded.
    """
    middle = (low + high) / 2
    return float(middle if np.isinf(middle) else max(np.nextafter(low, high), middle))


def json_number(value: float) -> float | str:
    """A threshold for JSON: infinities become text that `float` reads."""
    return value if np.isfinite(value) else str(value)
