"""The flags of `goodparts train` for one-class detectors."""

import argparse
from collections.abc import Callable
from functools import partial

from anomaly.autoencoders import AUTOENCODERS
from backbones import BACKBONES
from goodparts.command import positive_int

BANK_SIZE, BATCH_SIZE, PATCH_SIZE = 8000, 8, 64
POSES = ("auto", "none")
AUTOENCODER_LOSSES = ("ssim", "ms_ssim", "l2", "mse", "combined")
RESIDUALS = ("ssim", "l2")
COLOURS = ("rgb", "grey")
RATE = 1e-3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that all detectors have."""
    parser.add_argument(
        "--image-size",
        type=positive_int,
        nargs=2,
        metavar=("HEIGHT", "WIDTH"),
        help="chosen from the images if left out",
    )
    parser.add_argument(
        "--pose",
        choices=POSES,
        default=POSES[0],
        help="auto turns each part into one pose where its outline can be found",
    )


def _add_backbone(parser):
    parser.add_argument(
        "--backbone",
        choices=tuple(BACKBONES),
        default="mobilenetv2",
        help="network whose mid-level features are compared",
    )
    parser.add_argument("--weights", default="imagenet", help="imagenet, none, a file")
    parser.add_argument("--alpha", type=float, help="width of mobilenetv2, e.g. 0.35")


def _add_bank(parser):
    _add_backbone(parser)
    parser.add_argument(
        "--bank-size",
        type=positive_int,
        default=BANK_SIZE,
        help="good patches that are kept for comparison",
    )


def _add_noise(parser):
    _add_backbone(parser)
    parser.add_argument(
        "--known-defects",
        action="store_true",
        help="learn from the defective parts of train too",
    )


def _add_autoencoder(parser, *, has_patches=False):
    add = parser.add_argument
    add("--epochs", type=positive_int, help="at most; chosen automatically if omitted")
    add(
        "--batch-size", type=positive_int, default=BATCH_SIZE, help="images in one step"
    )
    add(
        "--loss",
        choices=AUTOENCODER_LOSSES,
        default=AUTOENCODER_LOSSES[0],
        help="what training makes small",
    )
    add(
        "--residual",
        choices=RESIDUALS,
        default=RESIDUALS[0],
        help="how an image and its reconstruction are compared",
    )
    add("--colours", choices=COLOURS, default=COLOURS[0], help="what is rebuilt")
    add("--learning-rate", type=_rate, default=RATE, help="the highest")
    add("--find-lr", action="store_true", help="find the learning rate by a search")
    if has_patches:
        add(
            "--patch-size", type=positive_int, default=PATCH_SIZE, help="side in pixels"
        )


def _rate(text):
    """argparse type: a number above 0, at most 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(
            f"must be above 0 and at most 1, such as 0.001. Received: {text!r}."
        )
    return value


OF_MODEL: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "memory_bank": _add_bank,
    "gaussian": _add_backbone,
    "feature_noise": _add_noise,
    **dict.fromkeys(AUTOENCODERS, _add_autoencoder),
    "patch_autoencoder": partial(_add_autoencoder, has_patches=True),
}
