"""Flips, rotations and brightness changes, the same on disk and in the training loop.

The image keeps its size, and the border that a rotation uncovers is filled by
mirroring, in image and mask: with a plain border, copies could be distinguished from
originals.
"""

import hashlib
import os
import random
import threading
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from goodparts.command import InputError

FLIPS = ("horizontal", "vertical", "none")
MAX_ROTATION = 180.0
MAX_BRIGHTNESS = 3.0
TRIES = 5  # draws until enough of the defects is in the picture
LEAST_VISIBLE = 0.25  # of the defects' pixels
_LOCAL = threading.local()


class Augmentation(NamedTuple):
    """The range of random changes to an image; make it with `geometry_and_light`."""

    flips: tuple[str, ...]
    rotation: float
    brightness: tuple[float, float]
    quarter_turns: bool = False  # of square images, 0 to 3 of them


def geometry_and_light(
    *,
    flips: Sequence[str] = FLIPS,
    rotation: float = 90.0,
    brightness: Sequence[float] = (0.5, 1.5),
) -> Augmentation:
    """Checks the options and builds the `Augmentation`.

    Args:
        flips: Some of FLIPS; each is drawn equally often.
        rotation: Largest angle in degrees, 0 to 180; angles are drawn uniformly from
            -rotation to +rotation, about the centre.
        brightness: Lowest and highest factor, above 0 and up to 3; the RGB values
            are multiplied by a factor drawn uniformly between them, and clipped.

    Raises:
        InputError: If a value is out of its range.
    """
    unknown = [flip for flip in flips if flip not in FLIPS]
    if unknown or not flips:
        raise InputError(
            f"--flips must be some of {', '.join(FLIPS)}. "
            f"Received: {', '.join(map(str, flips)) or 'nothing'}."
        )
    if not 0 <= rotation <= MAX_ROTATION:
        raise InputError(
            f"--rotation must be from 0 to {MAX_ROTATION:g} degrees. Received: "
            f"{rotation:g}."
        )
    if len(brightness) != 2 or not 0 < brightness[0] <= brightness[1] <= MAX_BRIGHTNESS:
        raise InputError(
            "--brightness must be the lowest and the highest factor, above 0 and at "
            f"most {MAX_BRIGHTNESS:g}, such as 0.5 1.5. Received: "
            f"{' '.join(map(str, brightness))}."
        )
    return Augmentation(
        tuple(flip for flip in FLIPS if flip in flips),
        float(rotation),
        (float(brightness[0]), float(brightness[1])),
    )


def augment(
    augmentation: Augmentation,
    image: np.ndarray,
    masks: Sequence[np.ndarray],
    seed: int,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Changes an image and moves its masks with it; may be called from many threads.

    Args:
        augmentation: From `geometry_and_light`.
        image: uint8 RGB `(height, width, 3)`.
        masks: Bool, `(height, width)`; may be none.
        seed: Whole number that determines the result.

    Returns:
        The new image and the list of new masks, of the same sizes and types.
    """
    transform = _of_this_thread(augmentation)
    # One generator for all steps. `Compose(seed=...)` would start each step with the
    # same numbers, and the angle would then decide the brightness.
    transform.set_random_state(np.random.default_rng(seed), random.Random(seed))
    if not masks:
        return transform(image=image)["image"], []
    moved = transform(image=image, masks=np.stack(masks).astype(np.uint8))
    return moved["image"], [mask.astype(bool) for mask in moved["masks"]]


def augment_visibly(
    augmentation: Augmentation, image: np.ndarray, masks: Sequence[np.ndarray], key: str
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Like `augment`, but draws again while the defects are moved out of the image.

    A copy without its defect would have the wrong label. After TRIES draws, only the
    brightness is changed.

    Args:
        augmentation, image, masks: See `augment`.
        key: Text that determines the result.
    """
    still = augmentation._replace(flips=("none",), rotation=0.0)
    for attempt in range(TRIES + 1):
        digest = hashlib.sha256(f"{key} {attempt}".encode()).digest()
        drawn = augmentation if attempt < TRIES else still
        seed = int.from_bytes(digest[:8], "big")
        new_image, new_masks = augment(drawn, image, masks, seed)
        if _num_pixels(new_masks) >= LEAST_VISIBLE * _num_pixels(masks):
            break
    return new_image, new_masks


def _num_pixels(masks):
    return sum(int(mask.sum()) for mask in masks)


def _of_this_thread(augmentation):
    """The transform of an augmentation for this thread, with its own generator."""
    transforms = _LOCAL.__dict__
    if augmentation not in transforms:
        transforms[augmentation] = _build(augmentation)
    return transforms[augmentation]


def _build(augmentation):
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it asks the network else
    import albumentations

    flips = {
        "horizontal": albumentations.HorizontalFlip(p=1),
        "vertical": albumentations.VerticalFlip(p=1),
        "none": albumentations.NoOp(p=1),
    }
    steps = [albumentations.OneOf([flips[name] for name in augmentation.flips], p=1)]
    if augmentation.quarter_turns:
        steps.append(albumentations.RandomRotate90(p=1))
    if augmentation.rotation:
        steps.append(
            albumentations.Rotate(
                (-augmentation.rotation, augmentation.rotation),
                border_mode=cv2.BORDER_REFLECT_101,
                p=1,
            )
        )
    # Of the brightness transforms this one multiplies; RandomBrightnessContrast adds.
    unchanged = {"contrast": (1, 1), "saturation": (1, 1), "hue": (0, 0)}
    steps.append(
        albumentations.ColorJitter(brightness=augmentation.brightness, **unchanged, p=1)
    )
    return albumentations.Compose(steps)
