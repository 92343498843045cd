"""The flags of `goodparts train --model bovw`."""

import argparse

from bovw.descriptors import FEATURES, POINTS
from bovw.vocabulary import NUM_WORDS, WEIGHTINGS
from goodparts.command import positive_int

MIN_SIDE = 32  # as wide as the largest patch that is described


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--image-size",
        type=_side,
        nargs=2,
        metavar=("HEIGHT", "WIDTH"),
        help="size of the images in pixels; chosen automatically if omitted",
    )
    parser.add_argument(
        "--features",
        choices=FEATURES,
        default=FEATURES[0],
        help="descriptor of the points",
    )
    parser.add_argument(
        "--points", choices=POINTS, default=POINTS[0], help="which points are described"
    )
    parser.add_argument(
        "--num-words", type=positive_int, default=NUM_WORDS, help="k of k-means"
    )
    parser.add_argument(
        "--weighting",
        choices=WEIGHTINGS,
        default=WEIGHTINGS[0],
        help="weighting of the histograms",
    )
    parser.add_argument(
        "--no-whiten",
        action="store_false",
        dest="whiten",
        help="do not whiten the descriptors",
    )


def _side(text):
    """argparse type: a side of the image in pixels."""
    side = positive_int(text)
    if side < MIN_SIDE:
        raise argparse.ArgumentTypeError(
            f"must be at least {MIN_SIDE} pixels. Received: {text!r}."
        )
    return side
