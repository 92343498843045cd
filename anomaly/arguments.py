"""The flags of `goodparts train` for one-class detectors."""

import argparse

from backbones import BACKBONES
from goodparts.command import positive_int

BANK_SIZE = 8000
POSES = ("auto", "none")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--backbone",
        choices=tuple(BACKBONES),
        default="mobilenetv2",
        help="network whose mid-level features are compared",
    )
    add("--weights", default="imagenet", help="imagenet, none, a file")
    add("--alpha", type=float, help="width of mobilenetv2, e.g. 0.35")
    add(
        "--image-size",
        type=positive_int,
        nargs=2,
        metavar=("HEIGHT", "WIDTH"),
        help="chosen from the images if left out",
    )
    add(
        "--pose",
        choices=POSES,
        default=POSES[0],
        help="auto turns each part into one pose where its outline can be found",
    )
    add(
        "--bank-size",
        type=positive_int,
        default=BANK_SIZE,
        help="good patches that are kept for comparison",
    )
