"""Defects drawn onto images of good parts.

They tell whether a method finds large changes at all; how well it finds real defects
they do not tell.
"""

from collections.abc import Callable

import cv2
import numpy as np

Drawn = tuple[np.ndarray, np.ndarray]  # the changed image, and where it was changed
SIDES = (0.04, 0.15)  # of a defect, shares of the image's shorter side
LEAST_CHANGE = 8  # levels: a pixel that changed less is not part of the defect
TRIES = 10


def draw_defect(
    image: np.ndarray,
    kind: str,
    random: np.random.Generator,
    is_part: np.ndarray | None = None,
) -> Drawn:
    """Draws a defect onto a copy of an image.

    Args:
        image: uint8 RGB `(height, width, 3)`.
        kind: A key of KINDS.
        random: Decides place, size and shade.
        is_part: Bool `(height, width)`, where the middle of a defect may lie; None for
            everywhere.

    Returns:
        `(image, mask)`: uint8 of the same shape, and bool `(height, width)`, True where
        it differs visibly. The mask may be empty where nothing visible came of it.
    """
    for _ in range(TRIES):
        changed = KINDS[kind](image, _spot_in(image, is_part, random), random)
        apart = np.abs(changed.astype(np.int16) - image).max(axis=2)
        mask = apart >= LEAST_CHANGE
        if mask.any():
            break
    return changed, mask


def stain(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """An image with a stain in one colour, for an autoencoder to learn to remove.

    Reference:
        Collin and De Vleeschouwer, Improved anomaly detection by training an
        autoencoder with skip connections on images corrupted with stain-shaped noise,
        2021.
    """
    place = _spot_in(image, None, random)
    return _spot(image, place, random)


def _spot_in(image, is_part, random):
    """x, y of the middle and a side, in pixels."""
    height, width = image.shape[:2]
    side = max(3.0, random.uniform(*SIDES) * min(height, width))
    if is_part is None or not is_part.any():
        return random.integers(width), random.integers(height), side
    chosen = random.choice(np.flatnonzero(is_part))
    y, x = np.unravel_index(chosen, is_part.shape)
    return int(x), int(y), side


def _blob(shape, place, random):
    """An irregular outline round a place as float32 of 0 to 1 with a soft edge."""
    x, y, side = place
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    radii = side / 2 * random.uniform(0.6, 1.4, len(angles))
    stretch = random.uniform(0.5, 1.0)
    points = np.stack(
        [x + radii * np.cos(angles), y + stretch * radii * np.sin(angles)], axis=1
    )
    mask = np.zeros(shape[:2], np.float32)
    cv2.fillPoly(mask, [np.round(points).astype(np.int32)], 1.0, cv2.LINE_AA)
    return cv2.GaussianBlur(mask, (0, 0), 0.7)


def _mixed(image, other, share):
    mixed = image + share[..., None] * (np.asarray(other, np.float32) - image)
    return np.clip(np.round(mixed), 0, 255).astype(np.uint8)


def _scratch(image, place, random):
    x, y, side = place
    turn = random.uniform(0, np.pi)
    length = 2 * side
    steps = np.linspace(-length / 2, length / 2, 8)
    sway = np.cumsum(random.normal(0, side / 20, len(steps)))
    points = np.stack(
        [
            x + steps * np.cos(turn) - sway * np.sin(turn),
            y + steps * np.sin(turn) + sway * np.cos(turn),
        ],
        axis=1,
    )
    mask = np.zeros(image.shape[:2], np.float32)
    thickness = max(1, round(side / 12))
    line = [np.round(points).astype(np.int32)]
    cv2.polylines(mask, line, False, 1.0, thickness, cv2.LINE_AA)
    shade = image[y, x].astype(np.float32) + random.choice([-1, 1]) * random.uniform(
        40, 110
    )
    return _mixed(image, shade, 0.85 * mask)


def _cut_paste(image, place, random):
    """A piece of the image from elsewhere."""
    height, width = image.shape[:2]
    shift = random.integers(height), random.integers(width)
    elsewhere = np.roll(image, shift, axis=(0, 1))
    return _mixed(image, elsewhere, _blob(image.shape, place, random))


def _texture(image, place, random):
    """Rough ground in the colours that are there."""
    noise = random.normal(0, 45, (*image.shape[:2], 1)).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 0.8)[..., None] * 2
    return _mixed(image, image + noise, _blob(image.shape, place, random))


def _warp(image, place, random):
    """A bulge or a dent: what is there is moved."""
    x, y, side = place
    height, width = image.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    near = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (side / 1.5) ** 2)
    turn = random.uniform(0, 2 * np.pi)
    push = 0.5 * side * near
    return cv2.remap(
        image,
        (columns + push * np.cos(turn)).astype(np.float32),
        (rows + push * np.sin(turn)).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )


def _smooth(image, place, random):
    """What is there, without its detail."""
    blurred = cv2.GaussianBlur(image, (0, 0), max(1.5, place[2] / 4))
    return _mixed(image, blurred, _blob(image.shape, place, random))


def _spot(image, place, random):
    """A spot of one colour."""
    colour = random.uniform(0, 255, 3)
    share = random.uniform(0.4, 1.0)
    return _mixed(image, colour, share * _blob(image.shape, place, random))


def _missing_piece(image, place, random):
    """The colour of the image's border, as if the part ended there."""
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    ground = np.median(border, axis=0)
    return _mixed(image, ground, _blob(image.shape, place, random))


KINDS: dict[str, Callable[..., np.ndarray]] = {
    "scratch": _scratch,
    "cut-paste": _cut_paste,
    "texture": _texture,
    "warp": _warp,
    "smooth": _smooth,
    "spot": _spot,
    "missing piece": _missing_piece,
}
