"""Chooses the threshold between accept and reject from defect scores."""

from typing import Any

import numpy as np

from evaluation.intervals import upper_bound
from goodparts.command import InputError

MAX_FALSE_REJECT_RATE = 0.01
FIT_STRENGTH = 10.0  # of the logistic regression: nearly unpenalised
CONFIDENCE = 0.95  # of the bound on what the threshold rejects
MARGIN = 0.001  # of the span of the good scores, where no score lies above them
MIN_GOOD_GROUPS = 100  # of which MAX_FALSE_REJECT_RATE is a whole one
RULE = f"lowest threshold with a false reject rate of at most {MAX_FALSE_REJECT_RATE:g}"
MAX_COST = 0.05  # of that rate, in the mean of defects missed and good parts rejected
BALANCED = "the score at which good and defective parts are equally likely, because "
FEW = (
    f"fewer than {MIN_GOOD_GROUPS} groups of good parts cannot support a false reject "
    f"rate of {MAX_FALSE_REJECT_RATE:g}"
)
COSTLY = f"a false reject rate of {MAX_FALSE_REJECT_RATE:g} would miss too many defects"


def describe_threshold(
    defect_scores: np.ndarray, is_defect: np.ndarray, groups: np.ndarray
) -> dict[str, Any]:
    """The content of threshold.json, from the samples of `validate`.

    Without defects the rule is that of `choose_threshold`. With fewer than
    MIN_GOOD_GROUPS groups of good parts this rule would depend on the single worst good
    part, and if good parts score high it would miss most defects. In the first case,
    and if the mean error is more than MAX_COST above that of `balanced_threshold`, the
    balanced threshold is used.

    Args:
        defect_scores, is_defect: See `choose_threshold`.
        groups: Group of each sample.

    Returns:
        A dict: `value`, `rule`, `from_good_parts_alone`, and the bound on what it
        rejects: `num_good_groups`, the number of these with a rejected image, and
        `max_false_reject_rate` for future groups of good parts, with CONFIDENCE.
    """
    goods = groups[~is_defect]
    num_groups = len(np.unique(goods))
    value, rule = choose_threshold(defect_scores, is_defect), RULE
    balanced = None
    if is_defect.any():
        balanced = balanced_threshold(defect_scores, is_defect)
    if balanced is not None:
        by_rate, by_balance = (
            _error(line, defect_scores, is_defect) for line in (value, balanced)
        )
        if num_groups < MIN_GOOD_GROUPS:
            value, rule = balanced, BALANCED + FEW
        elif by_rate - by_balance > MAX_COST:
            value, rule = balanced, BALANCED + COSTLY
    num_rejected = len(np.unique(goods[defect_scores[~is_defect] >= value]))
    return {
        "value": value,
        "rule": rule,
        "from_good_parts_alone": not bool(is_defect.any()),
        "num_good_groups": num_groups,
        "num_good_groups_rejected": num_rejected,
        "max_false_reject_rate": float(
            upper_bound(num_rejected, num_groups, CONFIDENCE)
        ),
    }


def _error(line, defect_scores, is_defect):
    """The mean of the miss rate and the false reject rate."""
    rejected = defect_scores >= line
    return ((~rejected[is_defect]).mean() + rejected[~is_defect].mean()) / 2


def threshold_text(stored: dict[str, Any]) -> str:
    """threshold.json as text: how it was chosen, on which split, and its guarantee."""
    text = f"{stored['rule']}, on {stored['split']}"
    if not stored.get("from_good_parts_alone"):
        return text
    return (
        f"{text}, from good parts only. It rejects "
        f"{stored['num_good_groups_rejected']} of {stored['num_good_groups']} groups "
        f"there, and therefore at most {100 * stored['max_false_reject_rate']:.1f} % "
        f"of future groups, with {CONFIDENCE:.0%} confidence. validate has no "
        "defective parts, so the miss rate is unknown"
    )


def balanced_threshold(
    defect_scores: np.ndarray, is_defect: np.ndarray
) -> float | None:
    """The score at which good and defective parts are equally likely.

    It comes from a logistic regression on the score with equal class weights: only two
    numbers are fitted, so that a few dozen parts are enough and one outlier has little
    influence. Use it on `validate` only.

    Args:
        defect_scores: `(samples,)`, higher is more defective.
        is_defect: Bool, `(samples,)`, of both kinds.

    Returns:
        The threshold, on the scale of the scores; None if defective parts do not score
        higher.

    Reference:
        Platt, Probabilistic Outputs for Support Vector Machines, 1999.
    """
    from sklearn.linear_model import LogisticRegression

    scores = np.asarray(defect_scores, np.float64)
    mean, scale = scores.mean(), scores.std()
    if scale == 0 or scores[is_defect].mean() <= scores[~is_defect].mean():
        return None
    model = LogisticRegression(C=FIT_STRENGTH, class_weight="balanced")
    model.fit(((scores - mean) / scale)[:, None], is_defect)
    return float(mean - scale * model.intercept_[0] / model.coef_[0, 0])


def choose_threshold(
    defect_scores: np.ndarray,
    is_defect: np.ndarray,
    *,
    max_false_reject_rate: float = MAX_FALSE_REJECT_RATE,
) -> float:
    """Chooses the lowest threshold within a false reject rate.

    A part is rejected when its score is at or above the threshold. It is midway between
    the highest good score that must pass and the next score above it, or slightly above
    that score if there is none, so that no decision depends on the last digit. Use it
    on `validate` only.

    Args:
        defect_scores: `(samples,)`, higher is more defective.
        is_defect: Bool, `(samples,)`.
        max_false_reject_rate: Share of good parts that may be rejected, in `[0, 1)`.

    Returns:
        The threshold, on the scale of the scores.

    Raises:
        InputError: If there are no good parts.

    Example:

    >>> choose_threshold(np.array([0.1, 0.3, 0.9]), np.array([False, False, True]))
    0.6
    """
    defect_scores = np.asarray(defect_scores, np.float64)
    goods = np.sort(defect_scores[~np.asarray(is_defect, bool)])
    if goods.size == 0:
        raise InputError(
            "validate has no good parts, which are needed to choose a threshold. Add "
            "good parts, or split again with another --seed."
        )
    num_rejected = int(max_false_reject_rate * goods.size + 1e-9)
    highest_passing = goods[goods.size - num_rejected - 1]
    above = defect_scores[defect_scores > highest_passing]
    just_above = np.nextafter(highest_passing, np.inf)
    if above.size == 0:
        return float(max(just_above, highest_passing + MARGIN * np.ptp(goods)))
    return float(max(just_above, (highest_passing + above.min()) / 2))
