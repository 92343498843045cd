"""RoIAlign, and masks into and out of boxes, by bilinear sampling.

The sampling is separable, so that it is written as two products with matrices: weights
of rows and weights of columns. They hold the half pixel that the original RoIAlign left
out ("aligned" in other libraries): the centre of the first cell lies at 0.5.

Reference:
    He et al., Mask R-CNN, ICCV 2017, section 3.
"""

from __future__ import annotations

from typing import Any

import numpy as np

SAMPLES = 2  # in each direction of a bin
FIRST_LEVEL, LAST_LEVEL = 2, 5  # P2 to P5
USUAL_LEVEL, USUAL_SIZE = 4, 224  # a box of this size, in pixels, is read from P4


def bin_weights(low: Any, high: Any, num_bins: int, cells: int, xp: Any = np) -> Any:
    """How much each cell of a line counts in each bin of an interval.

    A bin is the mean of SAMPLES points in it, each interpolated between the centres of
    two cells. Points up to a cell beyond the line have the value of its end; farther
    out they are 0.

    Args:
        low, high: Ends of the interval in cells, `(...,)`.
        num_bins: Bins of the interval.
        cells: Cells of the line.

    Returns:
        `(..., num_bins, cells)`.
    """
    steps = (np.arange(num_bins * SAMPLES) + 0.5) / (num_bins * SAMPLES)
    steps = steps.astype(np.float32)
    points = low[..., None] + xp.multiply((high - low)[..., None], steps) - 0.5
    is_near = (points >= -1.0) & (points <= float(cells))
    points = xp.minimum(xp.maximum(points, 0.0), cells - 1.0)
    centres = np.arange(cells, dtype=np.float32)
    away = xp.abs(xp.subtract(points[..., None], centres))
    weights = xp.maximum(1.0 - away, 0.0)
    weights = xp.where(is_near[..., None], weights, 0.0)
    leading = [-1 if each is None else each for each in low.shape]  # None: of a batch
    return xp.mean(xp.reshape(weights, (*leading, num_bins, SAMPLES, cells)), axis=-2)


def level_of(boxes: Any, xp: Any = np) -> Any:
    """The level that each box `(..., 4)` is read from, FIRST_LEVEL to LAST_LEVEL."""
    sides = xp.maximum(boxes[..., 2:] - boxes[..., :2], 1e-6)
    sizes = xp.sqrt(sides[..., 0] * sides[..., 1])
    levels = xp.floor(USUAL_LEVEL + xp.log2(sizes / USUAL_SIZE + 1e-8))
    return xp.minimum(xp.maximum(levels, FIRST_LEVEL), LAST_LEVEL)


def align(features: np.ndarray, box: np.ndarray, num_bins: int) -> np.ndarray:
    """RoIAlign of one box on one map.

    Args:
        features: `(rows, columns, channels)`.
        box: In cells of the map.
        num_bins: In each direction.

    Returns:
        `(num_bins, num_bins, channels)`.
    """
    rows = bin_weights(box[1], box[3], num_bins, features.shape[0])
    columns = bin_weights(box[0], box[2], num_bins, features.shape[1])
    return _weighted(features, rows, columns)


def _weighted(features, rows, columns):
    """The bins of weights of rows and of columns, each `(bins, cells)`."""
    (top, bottom), (left, right) = _used(rows), _used(columns)
    part = features[top:bottom, left:right]
    across = np.tensordot(rows[:, top:bottom], part, 1)  # (bins, columns, channels)
    return columns[:, left:right] @ across


def _used(weights):
    """The cells that any bin reads, as start and stop."""
    places = np.flatnonzero(weights.any(axis=0))
    return (int(places[0]), int(places[-1]) + 1) if len(places) else (0, 1)


def align_boxes(
    maps: list[np.ndarray], boxes: np.ndarray, strides: tuple[int, ...], num_bins: int
) -> np.ndarray:
    """RoIAlign of boxes, each from the level that fits its size.

    Args:
        maps: P2 to P5, each `(rows, columns, channels)`.
        boxes: `(n, 4)` in pixels of the canvas.
        strides: Of the maps.
        num_bins: In each direction.

    Returns:
        `(n, num_bins, num_bins, channels)`.
    """
    places = level_of(boxes).astype(int) - FIRST_LEVEL
    found = np.zeros((len(boxes), num_bins, num_bins, maps[0].shape[2]), np.float32)
    for place, features in enumerate(maps):
        mine = np.flatnonzero(places == place)
        left, top, right, bottom = boxes[mine].T.astype(np.float32) / strides[place]
        rows = bin_weights(top, bottom, num_bins, features.shape[0])
        columns = bin_weights(left, right, num_bins, features.shape[1])
        for index, down, across in zip(mine, rows, columns, strict=True):
            found[index] = _weighted(features, down, across)
    return found


def paste_mask(mask: np.ndarray, box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A small mask, put into its box in the image.

    It is sampled at the centres of the pixels; beyond its border it is 0.

    Args:
        mask: Probabilities `(rows, columns)` over the box.
        box: In pixels of the image.
        size: `(height, width)` of the image.

    Returns:
        Bool `(height, width)`: where the probability is 0.5 or more.
    """
    pasted = np.zeros(size, bool)
    left, top = np.maximum(np.floor(box[:2]), 0).astype(int)
    right, bottom = np.minimum(np.ceil(box[2:]), size[::-1]).astype(int)
    if right <= left or bottom <= top:
        return pasted
    rows = _pixel_weights(top, bottom, box[1], box[3], mask.shape[0])
    columns = _pixel_weights(left, right, box[0], box[2], mask.shape[1])
    pasted[top:bottom, left:right] = rows @ mask @ columns.T >= 0.5
    return pasted


def _pixel_weights(first, last, low, high, cells):
    """How much each cell of a line from low to high counts at each pixel."""
    centres = np.arange(first, last) + 0.5
    points = (centres - low) / max(high - low, 1e-6) * cells - 0.5
    return np.maximum(1 - np.abs(points[:, None] - np.arange(cells)), 0)
