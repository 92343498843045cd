"""The size of the images that a classifier is trained on."""

from collections.abc import Sequence

import numpy as np

from backbones import BACKBONES
from goodparts.command import InputError
from preprocessing.datasets import choose_image_size
from preprocessing.manifest import Dataset

SMALLEST_SIDE, LARGEST_SIDE = 32, 900
SMALL_CNN_PIXELS = 160 * 160


def choose_size(
    model: str, dataset: Dataset, image_size: Sequence[int] | None
) -> tuple[int, int]:
    """`(height, width)` as given, else with about the default number of pixels of the
    backbone.

    Raises:
        InputError: If a side is too small or too large.
    """
    smallest, least, most = SMALLEST_SIDE, SMALL_CNN_PIXELS, SMALL_CNN_PIXELS
    if model in BACKBONES:
        smallest = BACKBONES[model].smallest_side
        least, most = 224 * 224, int(np.prod(BACKBONES[model].image_size))
    if image_size is None:
        height, width = choose_image_size(dataset, least, at_most=most)
        return max(height, smallest), max(width, smallest)
    if min(image_size) < smallest or max(image_size) > LARGEST_SIDE:
        raise InputError(
            f"--image-size of {model} must be from {smallest} {smallest} to "
            f"{LARGEST_SIDE} {LARGEST_SIDE}. "
            f"Received: {image_size[0]} {image_size[1]}."
        )
    height, width = image_size
    return height, width
