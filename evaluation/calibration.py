"""Calibration: of the predictions with a probability of 90 %, 90 % should be correct.

Reference:
    Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from evaluation.predictions import class_probabilities

if TYPE_CHECKING:
    import pandas as pd

NUM_BINS = 15


def confidences(
    table: pd.DataFrame, classes: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """The confidence of each prediction, and whether it is correct.

    Args:
        table: Predictions table of a classifier.
        classes: Class names.

    Returns:
        The largest probability of each row `(samples,)`, and bool `(samples,)`.
    """
    sureness = class_probabilities(table, classes).max(axis=1)
    return sureness, (table["predicted"] == table["label"]).to_numpy()


def calibration_error(
    confidence: np.ndarray, is_right: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Expected calibration error: |accuracy - confidence|, averaged over bins by size.

    Bins are 15 of equal width over confidence; a bin includes its upper edge. With few
    images the error is overestimated, because accuracy and confidence differ by chance
    alone.

    Args:
        confidence: `(samples,)`, in `[0, 1]`.
        is_right: Bool, `(samples,)`.
        weights: `(..., samples)`.

    Returns:
        `(...)`, in `[0, 1]`; NaN without weight.

    Reference:
        Guo et al. 2017, equation 3.
    """
    in_bin = _bins(confidence)[:, None] == np.arange(NUM_BINS)
    gaps = weights @ (in_bin * (is_right - confidence)[:, None])
    total = np.asarray(weights.sum(-1), np.float64)
    empty = np.full(total.shape, np.nan)
    return np.divide(np.abs(gaps).sum(-1), total, out=empty, where=total > 0)


def reliability(
    confidence: np.ndarray, is_right: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The content of a reliability diagram, for each bin.

    Returns:
        `(counts, accuracy, confidence)`, each `(bins,)`; NaN for an empty bin.
    """
    bins = _bins(confidence)
    counts = np.bincount(bins, minlength=NUM_BINS)
    means = [
        np.divide(
            np.bincount(bins, weights=values, minlength=NUM_BINS),
            counts,
            out=np.full(NUM_BINS, np.nan),
            where=counts > 0,
        )
        for values in (is_right, confidence)
    ]
    return counts, *means


def _bins(confidence):
    inner_edges = np.linspace(0, 1, NUM_BINS + 1)[1:-1]
    return np.searchsorted(inner_edges, confidence, side="left")
