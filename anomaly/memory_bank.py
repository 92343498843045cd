"""A memory of good patches: how far is each patch from the nearest good one?

NumPy and OpenCV alone, as bundles use it too.

Reference:
    Roth et al., Towards Total Recall in Industrial Anomaly Detection, 2022.
"""

from typing import NamedTuple

import numpy as np

SHAPES = {
    "patches": ("patches", "values"),
    "mean": ("channels",),
    "scale": ("channels",),
    "place": (),
}


class MemoryBank(NamedTuple):
    """What was learnt of good patches.

    Attributes:
        patches: float32 `(n, d + 2)`, normalised features and place of good patches.
        mean: float32 `(d,)`, subtracted from features.
        scale: float32 `(d,)`, then divided by; one value for each layer, so that all
            layers count alike.
        place: float32 `()`, weight of the place in the canvas, in its widths; 0 where
            it does not count.
    """

    patches: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    place: np.ndarray


def measure(features: np.ndarray, bank: MemoryBank) -> np.ndarray:
    """The distance of each cell to the nearest good patch.

    Args:
        features: float32 `(rows, columns, d)` of one canvas.
        bank: Of good patches.

    Returns:
        float32 `(rows, columns)`.
    """
    return nearest(features, bank)[0]


def nearest(features: np.ndarray, bank: MemoryBank) -> tuple[np.ndarray, np.ndarray]:
    """The distance of each cell to the nearest good patch, and which patch it is.

    Args:
        features, bank: See `measure`.

    Returns:
        float32 and int, `(rows, columns)`.
    """
    rows, columns, num_channels = features.shape
    values = (features.reshape(-1, num_channels) - bank.mean) / bank.scale
    place = places(rows, columns) * bank.place
    patches = np.concatenate([values, place], axis=1, dtype=np.float32)
    own = np.einsum("ij,ij->i", patches, patches)
    theirs = np.einsum("ij,ij->i", bank.patches, bank.patches)
    apart = theirs - 2 * patches @ bank.patches.T
    which = apart.argmin(axis=1)
    squares = own + np.take_along_axis(apart, which[:, None], axis=1)[:, 0]
    distances = np.sqrt(np.maximum(squares, 0))
    return distances.reshape(rows, columns), which.reshape(rows, columns)


def places(rows: int, columns: int) -> np.ndarray:
    """y and x of the cells of a grid, in its widths, `(rows * columns, 2)`."""
    y, x = np.mgrid[:rows, :columns] / columns
    return np.stack([y, x], axis=-1).reshape(-1, 2)


def check_bank(bank: MemoryBank) -> str | None:
    """What does not fit together, as text; None where all does."""
    if bank.patches.shape[1] != len(bank.mean) + 2:
        return "patches must be as long as mean, and two values for the place"
    return None if (bank.scale > 0).all() else "scale must be above 0"
