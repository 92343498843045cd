"""Series: files whose numbers run close together, far from those of the next run."""

import re
from collections.abc import Iterable, Sequence

import numpy as np

FAR_APART = 20  # times: the mean gap between runs against the mean gap within
MIN_NUMBERS = 12
MIN_RUNS = 3  # of a class; fewer are rather days or batches than parts


def last_numbers(names: Iterable[str]) -> list[int]:
    """The last number in each name, -1 without one."""
    found = [re.findall(r"\d+", name) for name in names]
    return [int(numbers[-1]) if numbers else -1 for numbers in found]


def find_runs(labels: Sequence[str], names: Sequence[str]) -> np.ndarray | None:
    """Numbers the runs of file numbers within each class, where there are any.

    Args:
        labels, names: Label and file name of each image, `(images,)`.

    Returns:
        Integer array `(images,)`, an image per run where the numbers say nothing; or
        None when no gaps are small against others.

    Example:
        >>> names = ["a_10", "b_12", "a_900", "c_903", "a_5000", "b_5002"] * 2
        >>> find_runs(["good"] * 6 + ["bad"] * 6, names)
        array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5])
    """
    numbers = last_numbers(names)
    labels = np.asarray(labels)
    order = np.array(sorted(range(len(names)), key=lambda i: (labels[i], numbers[i])))
    numbers = [numbers[position] for position in order]
    steps = list(zip(numbers[:-1], numbers[1:], strict=True))
    gaps = np.array([max(1.0, float(after - before)) for before, after in steps])
    same_class = labels[order[:-1]] == labels[order[1:]]
    numbered = np.array([before >= 0 for before, _ in steps], bool)
    inside = same_class & numbered
    limit = _limit(gaps[inside]) if inside.any() else None
    if limit is None:
        return None
    runs = np.zeros(len(order), int)
    runs[1:] = np.cumsum(~inside | (gaps > limit))
    if min(len(set(runs[labels[order] == name])) for name in set(labels)) < MIN_RUNS:
        return None
    result = np.empty(len(order), int)
    result[order] = runs
    _, first, result = np.unique(result, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[result]


def _limit(gaps):
    """The largest gap within a run: Otsu's cut of the logarithms of the gaps."""
    if len(gaps) < MIN_NUMBERS:
        return None
    logs = np.sort(np.log(gaps))
    count = np.arange(1, len(logs))
    below = np.cumsum(logs)[:-1] / count
    above = (logs.sum() - np.cumsum(logs)[:-1]) / (len(logs) - count)
    between = count * (len(logs) - count) * (above - below) ** 2
    cut = int(between.argmax())
    if above[cut] - below[cut] < np.log(FAR_APART):
        return None
    return float(np.exp(logs[cut]) * (1 + 1e-9))
