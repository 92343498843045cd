"""Guarantees for future parts from the number of errors on calibration groups.

The threshold between two decisions is placed at the (k + 1)-th worst of n calibration
groups, with k fixed before the scores are known. The rate of future groups beyond that
threshold is then bounded for any distribution of the scores, as long as the groups come
from the same distribution as those of the calibration:

    on average over calibrations       at most (k + 1) / (n + 1)
    with confidence c in this one      at most the c quantile of Beta(k + 1, n - k)

The first is split conformal prediction, the second the exact binomial bound on k
errors of n.

Reference:
    Angelopoulos et al., Conformal Risk Control, ICLR 2024.
    Vovk, Conditional validity of inductive conformal predictors, ACML 2012.
    Clopper and Pearson, Biometrika 1934.
"""

import math
from collections.abc import Mapping

import numpy as np

from evaluation.intervals import AVERAGE, upper_bound
from goodparts.command import InputError

CONFIDENCE = 0.95
ROUNDING = 1e-9  # a rate given in decimals may miss its fraction by so much


def allowed_errors(num_groups: int, max_rate: float, confidence: float | str) -> int:
    """How many of the calibration groups may lie beyond the threshold.

    Returns:
        The largest number whose bound is at most `max_rate`; -1 if there are too few
        groups for this guarantee, even without an error.
    """
    bounds = upper_bound(np.arange(num_groups), num_groups, confidence)
    return int((bounds <= max_rate + ROUNDING).sum()) - 1


def groups_needed(max_rate: float, confidence: float | str) -> int:
    """The smallest number of groups that supports a guarantee if none is beyond it.

    Example:

    >>> groups_needed(0.01, "average"), groups_needed(0.01, 0.95)
    (99, 299)
    """
    if isinstance(confidence, str):
        return math.ceil(1 / max_rate - ROUNDING) - 1
    return math.ceil(math.log1p(-confidence) / math.log1p(-max_rate) - ROUNDING)


def strongest_rate(num_groups: int, confidence: float | str) -> float:
    """The lowest rate that so many groups can guarantee, rounded up to two digits."""
    rate = float(upper_bound(0, num_groups, confidence))
    digits = 1 - math.floor(math.log10(rate))
    return round(math.ceil(rate * 10**digits - ROUNDING) / 10**digits, digits)


def check_promises(
    promises: Mapping[str, tuple[float, Mapping[str, int]]], confidence: float | str
) -> None:
    """Refuses guarantees for which there are too few groups, and offers the strongest.

    Args:
        promises: Flag -> `(max_rate, {what: num_groups})`, with each kind of parts for
            which it is guaranteed.
        confidence: In `(0, 1)`, or "average".

    Raises:
        InputError: If there are too few groups of any kind.
    """
    also = "" if confidence == AVERAGE else " ({} for a guarantee on average)"
    short = [
        f"{flag} {max_rate:g} needs {groups_needed(max_rate, confidence)} groups of "
        f"{what} in validate{also.format(groups_needed(max_rate, AVERAGE))}, but "
        f"there are {num_groups}"
        for flag, (max_rate, kinds) in promises.items()
        for what, num_groups in kinds.items()
        if allowed_errors(num_groups, max_rate, confidence) < 0
    ]
    if not short:
        return
    text = f"{in_words(confidence).capitalize()}, {'; '.join(short)}."
    if min(min(kinds.values()) for _, kinds in promises.values()) == 0:
        raise InputError(f"{text} Add such parts and split again.")
    offers = [_offer(promises, kind) for kind in dict.fromkeys([confidence, AVERAGE])]
    offered = " or ".join(f"{offer}" for offer in offers if offer)
    if not offered:
        raise InputError(
            f"{text} They support no guarantee. Add such parts and split again."
        )
    raise InputError(f"{text} The strongest guarantee that they support: {offered}.")


def _offer(promises, confidence):
    """The flags of the strongest guarantees, each no stronger than requested.

    Empty if one of them would be no guarantee at all.
    """
    words = []
    for flag, (max_rate, kinds) in promises.items():
        strongest = strongest_rate(min(kinds.values()), confidence)
        if strongest >= 1:
            return ""
        words.append(f"{flag} {max(max_rate, strongest):g}")
    is_per_class = any(len(kinds) > 1 for _, kinds in promises.values())
    each = " --per-class" if is_per_class else ""
    return " ".join(words) + each + confidence_flag(confidence)


def confidence_flag(confidence: float | str) -> str:
    """The flag for this confidence; empty for the default."""
    return "" if confidence == CONFIDENCE else f" --confidence {confidence}"


def in_words(confidence: float | str) -> str:
    """`on average` or `with 95 % confidence`."""
    if confidence == AVERAGE:
        return "on average"
    return f"with {100 * confidence:g} % confidence"
