"""The flags of `goodparts train` for Mask R-CNN."""

import argparse
from collections.abc import Sequence

from goodparts.command import InputError, positive_int

LEVELS = {  # layers of strides 4, 8, 16 and 32 of the backbones that have them
    "mobilenetv2": (
        "block_2_add",
        "block_5_add",
        "block_12_add",
        "block_16_project_BN",
    ),
    "resnet50": (
        "conv2_block3_out",
        "conv3_block4_out",
        "conv4_block6_out",
        "conv5_block3_out",
    ),
    "efficientnetv2s": ("block2d_add", "block3d_add", "block5i_add", "block6o_add"),
}
BATCH_SIZE, CHANNELS = 4, 64
HEAD_RATE, FEATURES_RATE = 5e-4, 1e-4
SIDES = 32  # what the sides of a canvas are multiples of
LARGEST_SIDE = 4096  # pixels of a canvas


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--backbone",
        choices=tuple(LEVELS),
        default="mobilenetv2",
        help="network below the pyramid",
    )
    add("--weights", default="imagenet", help="imagenet, none or a weights file")
    add("--alpha", type=float, help="width multiplier of mobilenetv2, such as 0.35")
    add(
        "--image-size",
        type=positive_int,
        nargs=2,
        metavar=("HEIGHT", "WIDTH"),
        help="size of the canvas that images are fitted into without stretching, "
        f"multiples of {SIDES}; chosen from the images if omitted",
    )
    add(
        "--anchors",
        type=_pixels,
        nargs=5,
        metavar="SIZE",
        help="sizes of the anchors in pixels of the canvas; fitted to the boxes of "
        "train if omitted",
    )
    add(
        "--channels",
        type=positive_int,
        default=CHANNELS,
        help="channels of the pyramid and of the mask head",
    )
    add(
        "--epochs",
        type=positive_int,
        help="maximum number of epochs; chosen automatically if omitted",
    )
    add(
        "--batch-size", type=positive_int, default=BATCH_SIZE, help="images in one step"
    )
    add(
        "--head-rate",
        type=_rate,
        default=HEAD_RATE,
        metavar="RATE",
        help="highest learning rate of pyramid and heads",
    )
    add(
        "--features-rate",
        type=_rate,
        default=FEATURES_RATE,
        metavar="RATE",
        help="highest learning rate of the pretrained features",
    )


def is_canvas(size: Sequence[int]) -> bool:
    """Whether a canvas of `(height, width)` suits the pyramid."""
    return all(side % SIDES == 0 and 2 * SIDES <= side <= LARGEST_SIDE for side in size)


def check_canvas(size: Sequence[int]) -> None:
    """Raises InputError unless `is_canvas`."""
    if is_canvas(size):
        return
    nearest = [min(max(2, round(side / SIDES)) * SIDES, LARGEST_SIDE) for side in size]
    raise InputError(
        f"--image-size must be multiples of {SIDES} from {2 * SIDES} to "
        f"{LARGEST_SIDE}. Received: {size[0]} {size[1]}. Give {nearest[0]} "
        f"{nearest[1]}."
    )


def check_sizes(sizes: Sequence[float]) -> None:
    """Raises InputError unless the sizes of anchors increase, one for each level."""
    if len(sizes) != 5 or sorted(set(sizes)) != list(sizes) or sizes[0] < 1:
        raise InputError(
            "--anchors must be five sizes in pixels that increase, from 1 on, such as "
            f"8 16 32 64 128. Received: {' '.join(f'{size:g}' for size in sizes)}."
        )


def _rate(text):
    return _number(text, 1e-9, 1.0)


def _pixels(text):
    return _number(text, 1, LARGEST_SIDE)


def _number(text, least, most):
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(
            f"must be a number from {least:g} to {most:g}. Received: {text!r}."
        )
    return value
