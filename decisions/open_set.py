"""Parts unlike every class, which were not in the training data.

A classifier predicts a class for any image. If the most probable class is less probable
than it is for nearly all known parts, the part is unlike all of them and is inspected
by hand. A classifier can be confident about parts that were not in the training data,
so this finds only few of them: with a class of magnetic tiles left out of training, one
in forty if 1 % of the known parts may be inspected, one in ten if 5 % may
(`benchmarks/open_set.py`).

Reference:
    Hendrycks and Gimpel, A Baseline for Detecting Misclassified and Out-of-Distribution
    Examples in Neural Networks, ICLR 2017; the lowest accepted probability is that of
    split conformal prediction.
"""

import numpy as np
import numpy.typing as npt

from decisions.guarantees import AVERAGE, allowed_errors

MAX_UNLIKE = 0.01
MARGIN = 0.001  # of the floor, so that no decision hangs on the last digit


def probability_floor(
    probabilities: np.ndarray, groups: npt.ArrayLike, max_unlike: float = MAX_UNLIKE
) -> float:
    """The probability that the most probable class of a part has to reach.

    On average at most `max_unlike` of the groups of known parts have an image below it.
    If `validate` has too few groups for that, none of them has, and on average at most
    one of n + 1 future groups.

    Args:
        probabilities: Probabilities on `validate`, `(samples, classes)`.
        groups: `(samples,)`.
        max_unlike: Share of the groups, in `(0, 1)`.
    """
    names, index = np.unique(np.asarray(groups, str), return_inverse=True)
    lowest = np.ones(names.size)
    np.minimum.at(lowest, index, probabilities.max(axis=1))
    allowed = max(0, allowed_errors(names.size, max_unlike, AVERAGE))
    lowest = np.sort(lowest)
    below = lowest[allowed - 1] if allowed else 0.0
    return float(max(lowest[allowed] - MARGIN, (below + lowest[allowed]) / 2))
