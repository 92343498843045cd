"""A small network that tells features of good parts from features with noise.

NumPy alone, as bundles use it too.

Reference:
    Liu et al., SimpleNet, CVPR 2023.
"""

from typing import NamedTuple

import numpy as np

from anomaly.memory_bank import places

SHAPES = {
    "mean": ("channels",),
    "scale": ("channels",),
    "place": (),
    "hidden": ("values", "units"),
    "hidden_bias": ("units",),
    "output": ("units",),
    "output_bias": (),
}
SLOPE = 0.2  # of the leaky ReLU below 0


class Discriminator(NamedTuple):
    """What was learnt of good features.

    Attributes:
        mean, scale: float32 `(d,)`, subtracted from features, then divided by.
        place: float32 `()`, weight of the place in the canvas, in its widths; 0 where
            it does not count.
        hidden, hidden_bias: float32 `(d + 2, units)` and `(units,)`, the first layer.
        output, output_bias: float32 `(units,)` and `()`, the second.
    """

    mean: np.ndarray
    scale: np.ndarray
    place: np.ndarray
    hidden: np.ndarray
    hidden_bias: np.ndarray
    output: np.ndarray
    output_bias: np.ndarray


def measure(features: np.ndarray, learnt: Discriminator) -> np.ndarray:
    """How certainly each cell is not good.

    Args:
        features: float32 `(rows, columns, d)` of one canvas.
        learnt: Of good ones.

    Returns:
        float32 `(rows, columns)`: -log P(good), 0.69 where both are equally likely.
    """
    rows, columns = features.shape[:2]
    values = inputs_of(features, learnt.mean, learnt.scale, float(learnt.place))
    middle = values @ learnt.hidden + learnt.hidden_bias
    middle = np.where(middle > 0, middle, SLOPE * middle)
    odds = middle @ learnt.output + learnt.output_bias
    return np.logaddexp(0, odds).reshape(rows, columns).astype(np.float32)


def inputs_of(
    features: np.ndarray, mean: np.ndarray, scale: np.ndarray, place: float
) -> np.ndarray:
    """Normalised features and place of each cell, float32 `(rows * columns, d + 2)`."""
    rows, columns, num_channels = features.shape
    values = (features.reshape(-1, num_channels) - mean) / scale
    where = places(rows, columns) * place
    return np.concatenate([values, where], axis=1, dtype=np.float32)


def check_discriminator(learnt: Discriminator) -> str | None:
    """What does not fit together, as text; None where all does."""
    if len(learnt.hidden) != len(learnt.mean) + 2:
        return "hidden must have a row for each channel, and two for the place"
    return None if (learnt.scale > 0).all() else "scale must be above 0"
