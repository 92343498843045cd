"""Anchors: the boxes that proposals start from, one size on each level of the pyramid.

Their sizes and ratios are fitted to the boxes of `train`, since a default that starts
at 32 pixels misses small defects.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from segmentation.boxes import iou

STRIDES = (4, 8, 16, 32, 64)  # of the levels P2 to P6, in pixels of the canvas
SIZES = (8, 16, 32, 64, 128)  # where there is nothing to fit them to
RATIOS = (0.5, 1.0, 2.0)  # height divided by width
SMALLEST = (4, 6, 8, 12, 16, 24, 32)  # sizes on P2 that are tried
STEPS = (1.5, 2.0, 2.5)  # from one level to the next, that are tried
MORE_RATIOS = ((1 / 3, 1.0, 3.0), (0.2, 1.0, 5.0))  # that are tried beside RATIOS
MAX_FITTED = 2000  # boxes
MATCHED = 0.5  # IoU that `coverage` counts
ENOUGH = 0.7  # IoU above which a better anchor is worth nothing


class Anchors(NamedTuple):
    """What anchors there are.

    Attributes:
        sizes: Square root of the area on each of STRIDES, in pixels of the canvas.
        ratios: Height divided by width, the same on every level.
    """

    sizes: tuple[float, ...]
    ratios: tuple[float, ...]


def num_cells(canvas: tuple[int, int]) -> list[tuple[int, int]]:
    """Rows and columns of each level for a canvas of `(height, width)`."""
    height, width = canvas
    return [(-(-height // stride), -(-width // stride)) for stride in STRIDES]


def place_anchors(canvas: tuple[int, int], anchors: Anchors) -> np.ndarray:
    """The anchors of a canvas: by level, row, column and ratio.

    Args:
        canvas: `(height, width)` in pixels.
        anchors: Sizes and ratios.

    Returns:
        Boxes `(n, 4)`, float32; centred on their cells, and beyond the border where
        these are.
    """
    found = []
    for (rows, columns), stride, size in zip(
        num_cells(canvas), STRIDES, anchors.sizes, strict=True
    ):
        shapes = _shapes([size], anchors.ratios)  # (ratios, 2): width, height
        y, x = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
        centres = (np.stack([x, y], axis=-1).reshape(-1, 1, 2) + 0.5) * stride
        boxes = np.concatenate([centres - shapes / 2, centres + shapes / 2], axis=-1)
        found.append(boxes.reshape(-1, 4))
    return np.concatenate(found).astype(np.float32)


def _shapes(sizes, ratios):
    """Width and height of every size with every ratio, `(sizes * ratios, 2)`."""
    roots = np.sqrt(np.asarray(ratios, float))
    shapes = np.stack([1 / roots, roots], axis=-1)
    return (np.asarray(sizes, float)[:, None, None] * shapes).reshape(-1, 2)


def fit_anchors(sides: np.ndarray) -> Anchors:
    """The anchors that overlap the boxes of `train` best.

    Geometric series of sizes with a set of ratios are tried. The overlap of a box is
    that with the best anchor at the offset that is usual on its grid, a quarter of a
    stride; above ENOUGH it counts no more.

    Args:
        sides: Width and height of the boxes in pixels of the canvas, `(n, 2)`.
    """
    if len(sides) == 0:
        return Anchors(SIZES, RATIOS)
    chosen = np.linspace(0, len(sides) - 1, min(MAX_FITTED, len(sides))).astype(int)
    sides = np.asarray(sides, float)[chosen]
    tried = [
        Anchors(tuple(round(first * step**level, 1) for level in range(5)), ratios)
        for first, step, ratios in itertools.product(
            SMALLEST, STEPS, (RATIOS, *MORE_RATIOS)
        )
    ]
    worth = [np.minimum(_best_iou(sides, each), ENOUGH).mean() for each in tried]
    return tried[int(np.argmax(np.round(worth, 6)))]


def coverage(sides: np.ndarray, anchors: Anchors) -> float:
    """Fraction of boxes that overlap an anchor by MATCHED or more."""
    return float((_best_iou(np.asarray(sides, float), anchors) >= MATCHED).mean())


def _best_iou(sides, anchors):
    """The IoU of each box with the best anchor, a quarter of a stride away."""
    boxes = np.concatenate([-sides / 2, sides / 2], axis=1)
    best = np.zeros(len(sides))
    for stride, size in zip(STRIDES, anchors.sizes, strict=True):
        shapes = _shapes([size], anchors.ratios)
        away = stride / 4
        there = np.concatenate([away - shapes / 2, away + shapes / 2], axis=1)
        best = np.maximum(best, iou(boxes[:, None], there[None]).max(axis=1))
    return best


def anchors_text(anchors: Anchors, sides: np.ndarray) -> str:
    """One line on the anchors and how well they fit the boxes of `train`.

    Args:
        anchors: The anchors in use.
        sides: See `fit_anchors`.
    """
    sizes = ", ".join(f"{size:g}" for size in anchors.sizes)
    ratios = ", ".join(_ratio_text(ratio) for ratio in anchors.ratios)
    low, middle, high = np.percentile(np.sqrt(sides.prod(axis=1)), [5, 50, 95])
    return (
        f"anchors of {sizes} px with height to width of {ratios}: "
        f"{coverage(sides, anchors):.0%} of the boxes of train overlap one by "
        f"{MATCHED:g} or more (sizes of boxes at 5, 50 and 95 %: {low:.0f}, "
        f"{middle:.0f} and {high:.0f} px)"
    )


def _ratio_text(ratio: float) -> str:
    return f"{ratio:g}:1" if ratio >= 1 else f"1:{1 / ratio:g}"


def as_json(anchors: Anchors) -> dict[str, Sequence[float]]:
    return {"sizes": list(anchors.sizes), "ratios": list(anchors.ratios)}


def from_json(record: dict[str, Sequence[float]]) -> Anchors:
    return Anchors(tuple(record["sizes"]), tuple(record["ratios"]))
