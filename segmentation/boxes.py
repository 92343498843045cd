"""Boxes: overlap, coding against anchors, and non-maximum suppression.

A box is `x1, y1, x2, y2` in pixels, with continuous corners: its width is `x2 - x1`,
and the upper left pixel is the box `0, 0, 1, 1`. Functions with a parameter `xp` take
NumPy arrays, or with `xp=keras.ops` tensors, so that training and inference share
them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

RPN_WEIGHTS = (1.0, 1.0, 1.0, 1.0)  # of the coding of proposals against anchors
ROI_WEIGHTS = (10.0, 10.0, 5.0, 5.0)  # of the coding of detections against proposals
MAX_LOG_SIZE = math.log(1000 / 16)  # largest growth that is decoded, as a logarithm
LEAST_SIDE = 1e-3  # pixels; keeps logarithms finite


def iou(boxes: Any, others: Any, xp: Any = np) -> Any:
    """Intersection over union of boxes `(..., 4)`; the leading axes are broadcast.

    Example:

    >>> float(iou(np.array([0.0, 0, 2, 2]), np.array([1.0, 0, 3, 2])))
    0.3333333333333333
    """
    low = xp.maximum(boxes[..., :2], others[..., :2])
    high = xp.minimum(boxes[..., 2:], others[..., 2:])
    sides = xp.maximum(high - low, 0.0)
    both = sides[..., 0] * sides[..., 1]
    either = _area(boxes) + _area(others) - both
    return both / xp.maximum(either, 1e-9)


def _area(boxes):
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def encode(
    boxes: Any, anchors: Any, weights: tuple[float, ...] = RPN_WEIGHTS, xp: Any = np
) -> Any:
    """Codes boxes as shifts and growths of anchors: `dx, dy, dw, dh`.

    Args:
        boxes, anchors: `(..., 4)`.
        weights: Factor of each of the four numbers.

    Reference:
        Girshick et al., Rich feature hierarchies, CVPR 2014, appendix C.
    """
    centres, sides = _centres_and_sides(boxes, xp)
    from_centres, from_sides = _centres_and_sides(anchors, xp)
    shifts = (centres - from_centres) / from_sides
    growths = xp.log(sides / from_sides)
    codes = xp.concatenate([shifts, growths], axis=-1)
    return xp.multiply(codes, np.array(weights, np.float32))


def decode(
    deltas: Any, anchors: Any, weights: tuple[float, ...] = RPN_WEIGHTS, xp: Any = np
) -> Any:
    """The inverse of `encode`; growths above MAX_LOG_SIZE are cut off."""
    deltas = xp.divide(deltas, np.array(weights, np.float32))
    from_centres, from_sides = _centres_and_sides(anchors, xp)
    centres = from_centres + deltas[..., :2] * from_sides
    sides = from_sides * xp.exp(xp.minimum(deltas[..., 2:], MAX_LOG_SIZE))
    return xp.concatenate([centres - sides / 2, centres + sides / 2], axis=-1)


def _centres_and_sides(boxes, xp):
    sides = xp.maximum(boxes[..., 2:] - boxes[..., :2], LEAST_SIDE)
    return (boxes[..., :2] + boxes[..., 2:]) / 2, sides


def clip_boxes(boxes: Any, size: tuple[int, int], xp: Any = np) -> Any:
    """Cuts boxes `(..., 4)` off at the border of an image of `(height, width)`."""
    height, width = size
    limits = np.array([width, height, width, height], np.float32)
    return xp.minimum(xp.maximum(boxes, 0.0), limits)


def keep_highest(boxes: np.ndarray, scores: np.ndarray, most: float) -> np.ndarray:
    """Non-maximum suppression: the positions that are kept, highest score first.

    Args:
        boxes: `(n, 4)`.
        scores: `(n,)`.
        most: A box that overlaps a kept one of a higher score by more is dropped.
    """
    order = np.argsort(-scores, kind="stable")
    boxes = boxes[order]
    overlaps = iou(boxes[:, None], boxes[None]) > most
    is_kept = np.ones(len(order), bool)
    for place in range(len(order)):
        if is_kept[place]:
            is_kept[place + 1 :] &= ~overlaps[place, place + 1 :]
    return order[is_kept]
