"""95 % confidence intervals by resampling groups, which are the independent units."""

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
    """Draws bootstrap resamples: how often each group is in each of them.

    Args:
        num_groups: Independent groups that there are.
        num_resamples: If None, 1000; 200 for more than 5000 groups.
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
    """A value with its 95 % percentile interval, never narrower than without a mistake.

    Without any mistake all resamples are equal, so the bootstrap gives no interval. The
    lower bound is then that of a proportion with n of n correct. It is also applied if
    there are mistakes, so that a mistake never narrows the interval; likewise for the
    upper bound if everything is wrong. For proportions of groups this bound is the
    exact binomial one; for AUROC, macro-F1 and proportions of images in groups of
    different size it is an approximation, because they have no exact bound.

    Args:
        value: The metric on the sample itself, in `[0, 1]`.
        resampled: The metric on each resample, `(num_resamples,)`; NaN is left out.
        num_groups: Number of independent groups on which the value is based; for a mean
            over classes, the number for each class, and the bound is the mean of
            theirs.

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
    """A value with its 95 % interval, without the bound of a proportion.

    Args:
        value: The metric on the sample itself, 0 or more.
        resampled: The metric on each resample, `(num_resamples,)`.
        is_reflected: Whether resampling increases the metric, as for a calibration
            error: the resamples are then as far above the value as the value is above
            the true one. In simulations the interval contains the true value in nine of
            ten samples if it is 5 % or more, and in eight if it is 0; without
            reflection, then in none.

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
    """95 % interval of independent proportions, without groups to resample.

    Args:
        num_hits, num_all: `(shares,)`, the number of hits and the total number, at
            least 1, of each.

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
    """The upper bound of the error rate after so many errors.

    Args:
        num_errors: Number of wrong groups, an array or one number.
        num_groups: Total number of groups; without any the bound is 1.
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
