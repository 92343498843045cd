"""Thresholds between accept, inspect and reject: by guarantee, cost or capacity.

All functions use `validate` only. In the code, these two thresholds are called lines.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from decisions.guarantees import CONFIDENCE, allowed_errors, check_promises
from decisions.rule import between

if TYPE_CHECKING:
    import pandas as pd


def lines_by_promise(
    table: pd.DataFrame,
    *,
    normal_class: str,
    max_miss: float | None = None,
    max_false_reject: float | None = None,
    confidence: float | str = CONFIDENCE,
    defect_classes: Iterable[str] | None = None,
) -> tuple[float, float]:
    """Thresholds that keep one or two guarantees, with the fewest parts between them.

    A group of defective images is missed if any of them is accepted, so its lowest
    score counts; a group of good images is rejected if any of them is, so its highest
    score counts. If both guarantees can be kept without inspection, both thresholds are
    equal; the same holds with only one guarantee.

    Args:
        table: Predictions of `validate`.
        normal_class: The class of good parts.
        max_miss: Share of defective groups that may be missed, in `(0, 1)`.
        max_false_reject: Share of good groups that may be rejected, in `(0, 1)`.
        confidence: In `(0, 1)`, or "average".
        defect_classes: Names of classes for each of which `max_miss` is guaranteed;
            None guarantees it for all defective parts together, in the proportions of
            `validate`.

    Returns:
        `(accept_below, reject_from)`; -inf if no part may be accepted, inf if none may
        be rejected.

    Raises:
        InputError: If there are too few groups for a guarantee.
    """
    is_good = (table["label"] == normal_class).to_numpy()
    kinds = {"defective parts": ~is_good}
    if defect_classes is not None:
        kinds = {name: (table["label"] == name).to_numpy() for name in defect_classes}
    lowest = {
        what: np.sort(_by_group(table[rows]).min()) for what, rows in kinds.items()
    }
    highest = np.sort(_by_group(table[is_good]).max())[::-1]
    promises = {}
    if max_miss is not None:
        sizes = {what: scores.size for what, scores in lowest.items()}
        promises["--max-miss"] = max_miss, sizes
    if max_false_reject is not None:
        promises["--max-false-reject"] = max_false_reject, {"good parts": highest.size}
    check_promises(promises, confidence)

    def limit(worst_first, max_rate):
        return worst_first[allowed_errors(worst_first.size, max_rate, confidence)]

    lines = []
    if max_miss is not None:
        highest_line = min(limit(scores, max_miss) for scores in lowest.values())
        lines.append(_accept_line(table["defect_score"], is_good, highest_line))
    if max_false_reject is not None:
        lowest_line = limit(highest, max_false_reject)
        lines.append(_reject_line(table["defect_score"], is_good, lowest_line))
    if lines[0] > lines[-1]:  # any line from one to the other keeps both promises
        lines = [(lines[0] + lines[1]) / 2]
    return lines[0], lines[-1]


def _by_group(table):
    return table.groupby("group")["defect_score"]


def _accept_line(scores, is_good, limit):
    """The accept threshold: below `limit`, no higher than the good parts require."""
    goods = scores[is_good & (scores < limit)]
    if goods.empty:
        return -np.inf
    return between(goods.max(), scores[scores > goods.max()].min())


def _reject_line(scores, is_good, limit):
    """The reject threshold: above `limit`, no lower than the defects require."""
    defects = scores[~is_good & (scores > limit)]
    if defects.empty:
        return np.inf
    return between(scores[scores < defects.min()].max(), defects.min())


def lines_by_capacity(
    table: pd.DataFrame, *, normal_class: str, max_inspected: float
) -> tuple[float, float]:
    """Thresholds with the fewest errors for a limited number of inspections.

    Of several with the same number of errors on `validate`, those with the fewest
    inspections.

    Args:
        table: Predictions of `validate`.
        normal_class: The class of good parts.
        max_inspected: Maximum number of images between the thresholds.
    """
    is_good = (table["label"] == normal_class).to_numpy()
    errors = np.stack([~is_good, is_good, np.zeros(len(table))], axis=1)
    scores = table["defect_score"].to_numpy(np.float64)
    return cheapest_lines(scores, errors, max_inspected)


def cheapest_lines(
    scores: np.ndarray, costs: np.ndarray, max_inspected: float = np.inf
) -> tuple[float, float]:
    """The two thresholds with the lowest total cost; if equal, with the least
    inspection.

    Args:
        scores: Defect scores `(samples,)`.
        costs: `(samples, 3)`, of accepting, rejecting and inspecting each.
        max_inspected: Maximum number of samples between the thresholds.

    Returns:
        `(accept_below, reject_from)`, infinite if all samples are on one side.
    """
    order = np.lexsort((*costs.T, scores))  # the same sums for rows in any order
    ends = np.concatenate([[-np.inf], scores[order], [np.inf]])
    cuts = np.flatnonzero(ends[1:] > ends[:-1])  # a line after so many samples
    sums = np.vstack([np.zeros(3), np.cumsum(costs[order], axis=0)])[cuts]
    accepting, rejecting, inspecting = sums.T
    below, above = accepting - inspecting, inspecting - rejecting
    lower = _cheapest_before(below, cuts, max_inspected)
    inspected = cuts - cuts[lower]
    upper = np.lexsort((inspected, below[lower] + above))[0]
    accept_below, reject_from = (
        between(ends[cut], ends[cut + 1]) for cut in (cuts[lower[upper]], cuts[upper])
    )
    return accept_below, reject_from


def _cheapest_before(below, cuts, max_inspected):
    """For each upper cut, the index of the best lower one; the last of equal ones."""
    best, window = [], deque()  # rising in cost: the next best once the first is far
    for index, cut in enumerate(cuts):
        while window and below[window[-1]] >= below[index]:
            window.pop()
        window.append(index)
        while cut - cuts[window[0]] > max_inspected:
            window.popleft()
        best.append(window[0])
    return np.array(best)
