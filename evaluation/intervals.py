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
