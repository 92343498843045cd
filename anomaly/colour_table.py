"""Colours of good parts: how far is each pixel from the nearest of them?

NumPy and OpenCV alone, as bundles use it too.
"""

from typing import NamedTuple

import cv2
import numpy as np

SHAPES = {"distances": ("lightness", "green_red", "blue_yellow")}
CELL = 4  # pixels of the canvas that become one value
LEVELS = (32, 64, 64)  # of L, a and b
STEPS = (100 / 32, 256 / 64, 256 / 64)  # one level of each, in CIELAB units
SHIFTS = np.array([3, 2, 2], np.uint8)  # from 256 levels to these
SMOOTHED = 1.0  # sigma, pixels: a colour is that of a small neighbourhood


class ColourTable(NamedTuple):
    """What was learnt of good colours.

    Attributes:
        distances: float32 of the shape LEVELS, by L, a and b: the distance to the
            nearest colour of good parts, in CIELAB units (2 is just visible); 0 for the
            colours of good parts.
    """

    distances: np.ndarray


def measure(pixels: np.ndarray, table: ColourTable) -> np.ndarray:
    """The mean distance to good colours in each cell of CELL x CELL pixels.

    Args:
        pixels: The canvas, uint8 RGB `(height, width, 3)`, sides multiples of CELL.
        table: Of good parts.

    Returns:
        float32 `(height / CELL, width / CELL)`.
    """
    far = table.distances[tuple(np.moveaxis(colours_of(pixels), -1, 0))]
    cells = (pixels.shape[1] // CELL, pixels.shape[0] // CELL)
    return cv2.resize(far, cells, interpolation=cv2.INTER_AREA)


def colours_of(pixels: np.ndarray) -> np.ndarray:
    """The place of each pixel in the table, uint8 `(height, width, 3)`."""
    smooth = cv2.GaussianBlur(pixels, (0, 0), SMOOTHED)
    lab = cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB)
    return np.right_shift(lab.astype(np.uint8), SHIFTS)


def check_table(table: ColourTable) -> str | None:
    """What does not fit together, as text; None where all does."""
    if table.distances.shape != LEVELS:
        return f"distances must be {' x '.join(map(str, LEVELS))}"
    return None if (table.distances >= 0).all() else "distances must not be below 0"
