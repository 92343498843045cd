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
        help="chosen by itself if left out",
    )
    parser.add_argument(
        "--features",
        choices=FEATURES,
        default=FEATURES[0],
        help="how points are described",
    )
    parser.add_argument(
        "--points", choices=POINTS, default=POINTS[0], help="that are described"
    )
    parser.add_argument(
        "--num-words", type=positive_int, default=NUM_WORDS, help="k of k-means"
    )
    parser.add_argument(
        "--weighting", choices=WEIGHTINGS, default=WEIGHTINGS[0], help="of histograms"
    )
    parser.add_argument(
        "--no-whiten",
        action="store_false",
        dest="whiten",
        help="leave the variances of the descriptors as they are",
    )


def _side(text):
    """argparse type: a side of the image in pixels."""
    side = positive_int(text)
    if side < MIN_SIDE:
        raise argparse.ArgumentTypeError(
            f"must be {MIN_SIDE} or more pixels. Received: {text!r}."
        )
    return side
