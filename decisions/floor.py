"""The floor of what is recommended: the largest mean of miss and false reject rate.

Guessing has a mean of 50 %, wherever the threshold lies. The floor applies to the
decisions of a run on all images, where an inspected image is not an error, and to the
best single threshold of its scores: a useless model with many inspections makes few
errors, because it decides little.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from decisions.rule import DECISIONS
from evaluation.wording import share

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.run_folder import Run

MAX_BALANCED_ERROR = 0.25  # mean of the miss rate and the false reject rate, of images
SPLITS = ("validate", "test")


def is_below_floor(miss_rate: float | None, false_reject_rate: float | None) -> bool:
    """Whether the mean of two rates is too high; False if one is unknown."""
    if miss_rate is None or false_reject_rate is None:
        return False
    return (miss_rate + false_reject_rate) / 2 > MAX_BALANCED_ERROR


def why_decisions_are_weak(record: Mapping[str, Any], normal_class: str) -> str:
    """Why the thresholds of a decision are not good enough, as a text; "" if they are.

    Args:
        record: Content of decision.json.
        normal_class: The class of good parts.
    """
    for split in SPLITS:
        classes = record[split]["classes"]
        defects = [count for name, count in classes.items() if name != normal_class]
        missed = _rate(defects, "accept")
        rejected = _rate([classes[normal_class]], "reject")
        if is_below_floor(missed, rejected):
            return (
                f"at these thresholds it accepts {share(missed)} % of the defective "
                f"images of {split} and rejects {share(rejected)} % of the good ones"
            )
    return ""


def _rate(counts, decision):
    total = sum(count[kind] for count in counts for kind in DECISIONS)
    return sum(count[decision] for count in counts) / total if total else None


def why_scores_are_weak(run: Run) -> str:
    """Why no threshold of a run is good enough, as a text; "" if one is.

    The threshold with the lowest mean error on validate is held against the floor on
    validate and on test.
    """
    normal_class = run.config["normal_class"]
    validate = run.split("validate")
    threshold = best_threshold(*_scores(validate, normal_class))
    if threshold is None:
        return ""
    for split in SPLITS:
        scores, is_defect = _scores(run.split(split), normal_class)
        missed, rejected = _rates(scores, is_defect, threshold)
        if is_below_floor(missed, rejected):
            return (
                "its defect scores do not separate good from defective parts: the "
                f"best single threshold on validate misses {share(missed)} % of the "
                f"defective images of {split} and rejects {share(rejected)} % of the "
                "good ones"
            )
    return ""


def best_threshold(scores: np.ndarray, is_defect: np.ndarray) -> float | None:
    """The score from which rejecting has the lowest mean of miss and false reject rate.

    Args:
        scores: Defect scores `(samples,)`.
        is_defect: Bool, `(samples,)`.

    Returns:
        One of the scores, or infinity; None unless there are both kinds.
    """
    if not is_defect.any() or is_defect.all():
        return None
    lines = np.append(np.unique(scores), np.inf)
    defects, goods = np.sort(scores[is_defect]), np.sort(scores[~is_defect])
    missed = np.searchsorted(defects, lines) / len(defects)
    rejected = 1 - np.searchsorted(goods, lines) / len(goods)
    return float(lines[np.argmin(missed + rejected)])


def _rates(scores, is_defect, threshold):
    """Miss rate and false reject rate; None without images of that kind."""
    rejects = scores >= threshold
    missed = float((~rejects[is_defect]).mean()) if is_defect.any() else None
    good = ~is_defect
    return missed, float(rejects[good].mean()) if good.any() else None


def _scores(table: pd.DataFrame, normal_class: str) -> tuple[np.ndarray, np.ndarray]:
    is_defect = (table["label"] != normal_class).to_numpy()
    return table["defect_score"].to_numpy(np.float64), is_defect
