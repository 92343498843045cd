"""From defect scores to a line between accept and reject."""

import numpy as np

from evaluation.intervals import upper_bound
from goodparts.command import InputError

MAX_FALSE_REJECT_RATE = 0.01
CONFIDENCE = 0.95  # of the bound on what the threshold rejects
MARGIN = 0.001  # of the span of the good scores, where no score lies above them
RULE = f"lowest threshold with a false reject rate of at most {MAX_FALSE_REJECT_RATE:g}"


def describe_threshold(defect_scores, is_defect, groups):
    """The content of threshold.json, of the samples of `validate`.

    Args:
        defect_scores, is_defect: See `choose_threshold`.
        groups: Group of each sample.

    Returns:
        A dict: `value`, `rule`, `from_good_parts_alone`, and the bound on what it
        rejects: `num_good_groups`, how many of these it rejects an image of, and
        `max_false_reject_rate`, of groups of good parts to come with CONFIDENCE.
    """
    value = choose_threshold(defect_scores, is_defect)
    goods = groups[~is_defect]
    num_groups = len(np.unique(goods))
    num_rejected = len(np.unique(goods[defect_scores[~is_defect] >= value]))
    return {
        "value": value,
        "rule": RULE,
        "from_good_parts_alone": not bool(is_defect.any()),
        "num_good_groups": num_groups,
        "num_good_groups_rejected": num_rejected,
        "max_false_reject_rate": float(
            upper_bound(num_rejected, num_groups, CONFIDENCE)
        ),
    }


def threshold_text(stored):
    """The words of threshold.json: how it was chosen, on what, and what that bounds."""
    text = f"{stored['rule']}, on {stored['split']}"
    if not stored.get("from_good_parts_alone"):
        return text
    return (
        f"{text}, from good parts alone. It rejects "
        f"{stored['num_good_groups_rejected']} of {stored['num_good_groups']} groups "
        f"there, so at most {100 * stored['max_false_reject_rate']:.1f} % of those to "
        f"come, with {CONFIDENCE:.0%} confidence. Validate has no defect, so the share "
        "it misses is unknown"
    )


def choose_threshold(
    defect_scores, is_defect, *, max_false_reject_rate=MAX_FALSE_REJECT_RATE
):
    """Picks the lowest threshold that rejects few enough good parts.

    A part is rejected when its score is at or above the threshold. It lies midway
    between the highest good score that must pass and the next score above, or where
    there is none a little above that score, so that no decision hangs on the last
    digit. Use it on `validate` only.

    Args:
        defect_scores: `(samples,)`, higher is more defective.
        is_defect: Bool, `(samples,)`.
        max_false_reject_rate: Share of good parts that may be rejected, in `[0, 1)`.

    Returns:
        The threshold, on the scale of the scores.

    Raises:
        InputError: If there is no good part.

    Example:

    >>> choose_threshold(np.array([0.1, 0.3, 0.9]), np.array([False, False, True]))
    0.6
    """
    defect_scores = np.asarray(defect_scores, np.float64)
    goods = np.sort(defect_scores[~np.asarray(is_defect, bool)])
    if goods.size == 0:
        raise InputError(
            "A threshold needs good parts in `validate`; there are none. "
            "Add good parts, or split again with another --seed."
        )
    num_rejected = int(max_false_reject_rate * goods.size + 1e-9)
    highest_passing = goods[goods.size - num_rejected - 1]
    above = defect_scores[defect_scores > highest_passing]
    just_above = np.nextafter(highest_passing, np.inf)
    if above.size == 0:
        return float(max(just_above, highest_passing + MARGIN * np.ptp(goods)))
    return float(max(just_above, (highest_passing + above.min()) / 2))
