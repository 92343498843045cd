"""Accept, reject or inspect by hand: how a part is decided once the lines are known.

`goodparts decide` draws the lines and keeps them as decision.json in the run folder.
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
    """What decides a part.

    Attributes:
        accept_below: A part with a lower defect score is accepted.
        reject_from: A part with this defect score or a higher one is rejected. It is
            at or above `accept_below`; what lies between goes to inspection.
        least_probability: A part whose best class is less probable is unlike every
            class and goes to inspection, whatever its score. None asks for nothing.
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
        decision: The lines by which they are decided.
        defect_scores: `(batch,)`.
        probabilities: `(batch, classes)`; needed for a least probability.

    Returns:
        Two text arrays `(batch,)`: "accept", "reject" or "inspect", and the reason.

    Raises:
        ValueError: If there is a least probability without probabilities.
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
    """The `Decision` of a run: that of `decide`, or else its threshold alone.

    Raises:
        InputError: If decision.json is damaged or belongs to other predictions, or no
            class is that of good parts.
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
    """A line that parts scores of `low` and below from those of `high` and above.

    Midway, so that no decision hangs on the last digit of a score; infinite where one
    side has no end.
    """
    middle = (low + high) / 2
    return float(middle if np.isinf(middle) else max(np.nextafter(low, high), middle))


def json_number(value: float) -> float | str:
    """A line as JSON knows it: infinities as text, which `float` reads."""
    return value if np.isfinite(value) else str(value)
