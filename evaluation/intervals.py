"""95 % intervals by resampling whole groups, as parts are what was drawn."""

import numpy as np

NUM_RESAMPLES = 1000


def resample_groups(num_groups, *, num_resamples=NUM_RESAMPLES, seed=0):
    """How often each group is drawn in each bootstrap resample.

    Returns:
        Integer array `(num_resamples, num_groups)`, each row sums to `num_groups`.

    Reference:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 8:
        resample the independent units, here groups, not images.
    """
    random = np.random.default_rng(seed)
    even = np.full(num_groups, 1 / num_groups)
    return random.multinomial(num_groups, even, size=num_resamples)


def interval(value, resampled, num_groups):
    """A value with its 95 % percentile interval.

    Where all resamples agree (no mistake seen, no success, or one group only) the
    bootstrap says nothing; the bounds are then the exact binomial ones of
    `num_groups` groups.

    Args:
        value: The metric on the sample itself, in `[0, 1]`.
        resampled: The metric on each resample, `(num_resamples,)`; NaN is left out.
        num_groups: Independent groups that the value rests on.

    Returns:
        `{"value", "low", "high"}`, floats, None where there is no value.

    Reference:
        Clopper and Pearson, Biometrika 1934: for n of n, low = 0.025 ** (1 / n).
    """
    if np.isnan(value) or num_groups == 0:
        return {"value": None, "low": None, "high": None}
    low, high = np.nanpercentile(resampled, [2.5, 97.5])
    if low == high:
        unseen = 0.025 ** (1 / num_groups)
        low, high = min(low, unseen), max(high, 1 - unseen)
    return {
        "value": float(value),
        "low": float(min(low, value)),
        "high": float(max(high, value)),
    }
