"""The part before its background, without labels."""

from typing import NamedTuple

import cv2
import numpy as np

BORDER = 2  # pixels of the reduced image that count as its border
ROUNDS = 2
NUM_LEVELS = 256


class Foreground(NamedTuple):
    """What differs in colour from the border of an image.

    Attributes:
        mask: Bool `(height // 2, width // 2)`, the largest connected thing, its holes
            filled; all False where nothing differs.
        others: Area of the other things, as a share of the largest.
    """

    mask: np.ndarray
    others: float


def find_foreground(image: np.ndarray) -> Foreground:
    """Finds the part in an image, uint8 RGB `(height, width, 3)`."""
    height, width = image.shape[:2]
    half = (max(width // 2, 1), max(height // 2, 1))
    small = cv2.resize(image, half, interpolation=cv2.INTER_AREA)
    smooth = cv2.GaussianBlur(small, (0, 0), 1)
    lab = cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB).astype(np.float32)
    is_border = border_of(lab.shape[:2])
    is_part = np.zeros(lab.shape[:2], bool)
    background = lab[is_border]
    for _ in range(ROUNDS):
        distance = np.linalg.norm(lab - np.median(background, axis=0), axis=2)
        levels = np.clip(distance, 0, NUM_LEVELS - 1).astype(np.uint8)
        _, is_part = cv2.threshold(levels, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
        background = lab[is_part == 0]
    return _largest(is_part)


def border_of(shape: tuple[int, int]) -> np.ndarray:
    """Bool of a `(height, width)`, True along its four sides."""
    is_border = np.ones(shape, bool)
    is_border[BORDER:-BORDER, BORDER:-BORDER] = False
    return is_border


def _largest(is_part):
    outlines, _ = cv2.findContours(
        is_part.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    found = np.zeros(is_part.shape, np.uint8)
    if not outlines:
        return Foreground(found.astype(bool), 0.0)
    areas = np.array([cv2.contourArea(outline) for outline in outlines])
    largest = int(areas.argmax())
    cv2.drawContours(found, outlines, largest, 1, cv2.FILLED)
    others = (areas.sum() - areas[largest]) / max(areas[largest], 1.0)
    return Foreground(found.astype(bool), float(others))
