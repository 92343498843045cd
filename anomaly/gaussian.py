"""A Gaussian of good features at each place of the canvas.

NumPy alone, as bundles use it too.

Reference:
    Defard et al., PaDiM, 2021.
"""

from typing import NamedTuple

import numpy as np

SHAPES = {
    "mean": ("rows", "columns", "channels"),
    "whitening": ("rows", "columns", "channels", "channels"),
}


class Gaussian(NamedTuple):
    """What was learnt of good features.

    Attributes:
        mean: float32 `(rows, columns, d)`.
        whitening: float32 `(rows, columns, d, d)`, lower triangular: a deviation times
            it has variance 1 in every direction.
    """

    mean: np.ndarray
    whitening: np.ndarray


def measure(features: np.ndarray, gaussian: Gaussian) -> np.ndarray:
    """The Mahalanobis distance of each cell to the good ones at its place.

    Args:
        features: float32 `(rows, columns, d)` of one canvas.
        gaussian: Of good ones.

    Returns:
        float32 `(rows, columns)`, divided by the root of d: about 1 for good cells.
    """
    deviations = (features - gaussian.mean)[..., None]
    white = (gaussian.whitening @ deviations)[..., 0]
    return np.sqrt((white**2).mean(axis=-1))


def check_gaussian(gaussian: Gaussian) -> str | None:
    """What does not fit together, as text; None where all does."""
    fits = gaussian.whitening.shape == (*gaussian.mean.shape, gaussian.mean.shape[2])
    return None if fits else "mean and whitening must be of one grid"
