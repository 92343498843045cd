"""From defect scores to a line between accept and reject."""

import numpy as np

from goodparts.command import InputError

MAX_FALSE_REJECT_RATE = 0.01


def choose_threshold(
    defect_scores, is_defect, *, max_false_reject_rate=MAX_FALSE_REJECT_RATE
):
    """Picks the lowest threshold that rejects few enough good parts.

    A part is rejected when its score is at or above the threshold. It lies midway
    between the highest good score that must pass and the next score above. Use it
    on `validate` only.

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
        return float(just_above)
    return float(max(just_above, (highest_passing + above.min()) / 2))
