"""What a model saw, drawn on the image: heat, instances, and the outline of the truth.

NumPy, OpenCV and Pillow alone, so that the live runner draws with it too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from evaluation.picture_text import draw_text, text_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evaluation.predictor import Instances

SIZE = 0.45  # of text, as of cv2.putText
STRENGTH = 0.6  # how much of the image full heat covers
HALF = 0.5  # heat that is outlined; of anomaly maps, more than any good part showed
STRONG = (255, 235, 59), (0, 0, 0)
TRUTH = (0, 230, 118), (0, 0, 0)  # green on black shows on parts and on heat
FOUND = (255, 255, 255), (0, 0, 0)
FOUND_FILL = (255, 64, 129)
FILL = 0.35


def draw_overlay(
    image: np.ndarray,
    *,
    heat: np.ndarray | None = None,
    instances: Instances | None = None,
    truth: np.ndarray | None = None,
    words: Sequence[str] | None = None,
    missed: Instances | None = None,
) -> np.ndarray:
    """Draws on a copy of an image; with nothing to draw it is the image.

    Args:
        image: uint8 RGB `(height, width, 3)`.
        heat: `(height, width)` in `[0, 1]` of any size, from nothing to dark violet to
            yellow, with a yellow outline round more than HALF; such as
            `anomaly_maps.heat`, or where a class was seen.
        instances: In pixels of the image.
        truth: Bool mask of the image's size; its outline is drawn.
        words: Text at each instance; class and score if None.
        missed: True instances that were not found, drawn as boxes.

    Returns:
        uint8 RGB of the image's size.
    """
    drawn = np.array(image)
    if heat is not None:
        heat = _fitted(heat, image.shape[:2])
        drawn = _coloured(drawn, heat)
        _outline(drawn, heat > HALF, STRONG)
    if instances is not None:
        _draw_instances(drawn, instances, words)
    if truth is not None and truth.any():
        _outline(drawn, truth, TRUTH)
    if missed is not None:
        for box, label in zip(missed.boxes, missed.labels, strict=True):
            _draw_box(drawn, box, f"missed: {label}", TRUTH, is_below=True)
    return drawn


def _fitted(heat, size):
    heat = np.clip(np.nan_to_num(np.asarray(heat, np.float32)), 0, 1)
    if heat.shape == size:
        return heat
    return cv2.resize(heat, size[::-1], interpolation=cv2.INTER_LINEAR)


def _coloured(image, heat):
    levels = np.round(255 * heat).astype(np.uint8)
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1]
    cover = STRENGTH * heat[..., None]
    return np.round((1 - cover) * image + cover * colours).astype(np.uint8)


def _draw_instances(image, instances, words):
    if words is None:
        pairs = zip(instances.labels, instances.scores, strict=True)
        words = [f"{label} {score:.2f}" for label, score in pairs]
    for index, box in enumerate(instances.boxes):
        if instances.masks is not None:
            mask = instances.masks[index]
            mixed = (1 - FILL) * image[mask] + FILL * np.array(FOUND_FILL)
            image[mask] = np.round(mixed).astype(np.uint8)
        _draw_box(image, box, words[index], FOUND)


def _draw_box(image, box, words, colours, *, is_below=False):
    x, y, width, height = np.round(box).astype(int)
    for colour, thickness in zip(colours[::-1], (3, 1), strict=True):
        corners = (x, y), (x + width - 1, y + height - 1)
        cv2.rectangle(image, *corners, colour, thickness)
    _write(image, words, x, y + height + 12 if is_below else y - 4, colours)


def _write(image, words, x, y, colours):
    """Writes a line from a point on, moved so that it stays within the image."""
    x = max(1, min(x, image.shape[1] - text_width(words, SIZE) - 6))
    y = max(12, min(y, image.shape[0] - 4))
    strokes = list(zip(colours[::-1], (3, 1), strict=True))
    draw_text(image, words, (x, y), scale=SIZE, strokes=strokes)


def _outline(image, mask, colours):
    lines, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    for colour, thickness in zip(colours[::-1], (3, 1), strict=True):
        cv2.drawContours(image, lines, -1, colour, thickness)
