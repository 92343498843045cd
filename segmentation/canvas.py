"""Images of any size on a canvas of one size: scaled as a whole, never stretched."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from preprocessing.images import resize

FILL = 114  # grey value beside the image, about the mean of photographs


class Placed(NamedTuple):
    """An image on its canvas, in the upper left corner.

    Attributes:
        pixels: uint8 RGB `(height, width, 3)` of the canvas.
        size: `(height, width)` of the image on it.
        scale: Pixels of the canvas in a pixel of the image, down and across; the two
            differ only by rounding to whole pixels.
    """

    pixels: np.ndarray
    size: tuple[int, int]
    scale: tuple[float, float]


def size_on_canvas(size: tuple[int, int], canvas: tuple[int, int]) -> tuple[int, int]:
    """`(height, width)` of an image of `size` on a canvas, with its own ratio."""
    scale = min(canvas[0] / size[0], canvas[1] / size[1])
    height, width = (max(1, round(side * scale)) for side in size)
    return min(height, canvas[0]), min(width, canvas[1])


def place_image(image: np.ndarray, canvas: tuple[int, int]) -> Placed:
    """Puts an image, uint8 RGB, on a canvas of `(height, width)`."""
    height, width = image.shape[:2]
    size = size_on_canvas((height, width), canvas)
    scale = size[0] / height, size[1] / width
    return Placed(on_canvas(resize(image, size), canvas), size, scale)


def on_canvas(image: np.ndarray, canvas: tuple[int, int]) -> np.ndarray:
    """An image that is not larger than the canvas, filled up to it with FILL."""
    if image.shape[:2] == tuple(canvas):
        return image
    pixels = np.full((*canvas, 3), FILL, np.uint8)
    pixels[: image.shape[0], : image.shape[1]] = image
    return pixels


def to_image(boxes: np.ndarray, placed: Placed) -> np.ndarray:
    """Boxes `(n, 4)` on the canvas, in pixels of the image."""
    down, across = placed.scale
    return boxes / np.array([across, down, across, down])
