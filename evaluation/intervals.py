"""95 % intervals by resampling whole groups, as parts are what was drawn."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

NUM_RESAMPLES = 1000
MANY_GROUPS, NUM_OF_MANY = 5000, 200  # where intervals are narrow and resamples slow
AVERAGE = "average"  # stands where a confidence would
NORMAL_95 = 1.959964  # 95 % of a normal distribution lie within so many deviations


def resample_groups(
    num_groups: int, *, num_resamples: int | None = None, seed: int | Sequence[int] = 0
) -> np.ndarray:
    """How often each group is drawn in each bootstrap resample.

    Args:
        num_groups: Independent groups that there are.
        num_resamples: If None, 1000; 200 of more than 5000 groups.
        seed: Seed of the draws.

    Returns:
        Integer array `(num_resamples, num_groups)`, each row sums to `num_groups`.

    Reference:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 8:
        resample the independent units, here groups, not images.
    """
    if num_resamples is None:
        num_resamples = NUM_OF_MANY if num_groups > MANY_GROUPS else NUM_RESAMPLES
    random = np.random.default_rng(seed)
    even = np.full(num_groups, 1 / num_groups)
    drawn = np.empty((num_resamples, num_groups), np.int32)
    for row in drawn:  # one by one: the generator makes 64-bit numbers
        row[:] = random.multinomial(num_groups, even)
    return drawn


def paired_interval(
    values: np.ndarray, *, num_rivals: int = 1
) -> dict[str, float | None]:
    """A difference of two runs with its 95 % interval.

    Args:
        values: Differences `(1 + resamples,)`: on the sample, then on each resample.
        num_rivals: Runs that are compared with one; the interval is widened so that
            all of them together hold with 95 % (Bonferroni).

    Returns:
        `{"value", "low", "high"}`, None where there is no value.
    """
    if np.isnan(values[0]):
        return {"value": None, "low": None, "high": None}
    tail = 2.5 / num_rivals
    low, high = np.nanpercentile(values[1:], [tail, 100 - tail])
    return {"value": float(values[0]), "low": float(low), "high": float(high)}


def interval(
    value: float, resampled: np.ndarray, num_groups: npt.ArrayLike
) -> dict[str, float | None]:
    """A value with its 95 % percentile interval, never surer than without a mistake.

    Where no mistake was seen all resamples agree, and the bootstrap says nothing. The
    lower bound is then that of a share: n of n right. It holds with a mistake too, so
    that making one never narrows the interval; likewise from above where all is wrong.
    For shares of groups that bound is the exact binomial one; for AUROC, macro-F1 and
    shares of images in unequal groups it stands in, as they have none.

    Args:
        value: The metric on the sample itself, in `[0, 1]`.
        resampled: The metric on each resample, `(num_resamples,)`; NaN is left out.
        num_groups: Independent groups that the value rests on; of a mean over
            classes, those of each class, and the bound is the mean of theirs.

    Returns:
        `{"value", "low", "high"}`, floats, None where there is no value.

    Reference:
        Clopper and Pearson, Biometrika 1934: for n of n, low = 0.025 ** (1 / n).
    """
    num_groups = np.atleast_1d(num_groups)
    if np.isnan(value) or (num_groups == 0).any():
        return {"value": None, "low": None, "high": None}
    low, high = np.nanpercentile(resampled, [2.5, 97.5])
    unseen = np.mean(0.025 ** (1 / num_groups))
    return {
        "value": float(value),
        "low": float(min(low, value, unseen)),
        "high": float(max(high, value, 1 - unseen)),
    }


def open_interval(
    value: float, resampled: np.ndarray, *, is_reflected: bool = False
) -> dict[str, float | None]:
    """A value with its 95 % interval where no bound of a share stands in for luck.

    Args:
        value: The metric on the sample itself, 0 or more.
        resampled: The metric on each resample, `(num_resamples,)`.
        is_reflected: Whether resampling makes the metric larger, as it does a
            calibration error: how far the resamples lie above the value is then how
            far the value lies above the truth. Simulated, the truth lies within in
            nine of ten samples where it is 5 % or more, in eight where it is 0, and
            without reflection then in none.

    Returns:
        `{"value", "low", "high"}`, floats, None where there is no value.

    Reference:
        Davison and Hinkley, Bootstrap Methods and their Application, 1997, section
        5.2: the percentile interval and, reflected, the basic one.
    """
    if np.isnan(value):
        return {"value": None, "low": None, "high": None}
    low, high = np.nanpercentile(resampled, [2.5, 97.5])
    if is_reflected:
        low, high = 2 * value - high, 2 * value - low
    return {
        "value": float(value),
        "low": float(max(0.0, min(low, value))),
        "high": float(max(high, value)),
    }


def share_interval(
    num_hits: npt.ArrayLike, num_all: npt.ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval of independent shares, where there is no group to resample.

    Args:
        num_hits, num_all: `(shares,)`, of each how many of how many, of 1 or more.

    Returns:
        `(low, high)`, each `(shares,)`.

    Reference:
        Wilson, Journal of the American Statistical Association, 1927.
    """
    hits, count = np.asarray(num_hits, np.float64), np.asarray(num_all, np.float64)
    square = NORMAL_95**2
    middle = (hits + square / 2) / (count + square)
    spread = hits * (count - hits) / count + square / 4
    half = NORMAL_95 * np.sqrt(spread) / (count + square)
    share = hits / count  # lies within, but for rounding
    return np.minimum(middle - half, share), np.maximum(middle + half, share)


def upper_bound(
    num_errors: npt.ArrayLike, num_groups: int, confidence: float | str
) -> np.ndarray:
    """The highest error rate to expect after so many errors.

    Args:
        num_errors: Groups beyond the line, an array or one number.
        num_groups: Groups there are; without any the bound is 1.
        confidence: In `(0, 1)`, or "average".

    Returns:
        Rates in `[0, 1]`, of the shape of `num_errors`.

    Example:

    >>> float(upper_bound(0, 99, "average")), round(float(upper_bound(0, 299, 0.95)), 4)
    (0.01, 0.01)
    """
    from scipy.special import betaincinv

    num_errors = np.asarray(num_errors)
    if confidence == AVERAGE:
        return (num_errors + 1) / (num_groups + 1)
    num_right = np.maximum(num_groups - num_errors, 1)
    bound = betaincinv(num_errors + 1, num_right, confidence)
    return np.where(num_errors < num_groups, bound, 1.0)
