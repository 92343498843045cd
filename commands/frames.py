r"""Turns recordings into images, so that a recording becomes a data set.

    goodparts frames line.mp4 --out frames --rate 5
    goodparts frames recordings/ --out frames --roi 220,0,150,400@640x480

Writes frames/line/line_000042.png and so on, without loss; the number is that of the
frame in its video. Frames that hardly differ from the last frame that was kept are left
out. The images of a video are written completely or not at all: after an interruption,
run the command again; complete videos are not processed again.

Sort the images into folders by class and run goodparts folders. Their names keep the
order in time for --grouping chronological, and --grouping pattern
--pattern '(.+)_\d+$' keeps each video together.
"""

import argparse
import math
from argparse import ArgumentParser, Namespace

from goodparts.loading import loading
from goodparts.secret_text import secret_text
from preprocessing.region import parse_roi


def add_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "videos",
        nargs="+",
        type=secret_text,
        metavar="VIDEO",
        help="videos or folders of videos; env:NAME or @FILE can stand for one of them",
    )
    add("--out", required=True, metavar="FOLDER", help="folder for the images")
    add("--rate", type=frame_rate, help="images per second; every frame if left out")
    add(
        "--roi",
        type=parse_roi,
        help="region of interest, x,y,width,height[@WIDTHxHEIGHT of the frame]",
    )
    add("--mask", help="mask image of the frame or of the region, white on the part")
    add("--keep-duplicates", action="store_true", help="keep near-duplicate frames too")


def frame_rate(text: str) -> float:
    """argparse type: a number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(
            f"must be a number of images per second above 0. Received: {text!r}."
        )
    return value


def run(arguments: Namespace) -> None:
    with loading():
        from preprocessing.frames import extract_frames, find_videos
    options = vars(arguments)
    for video in find_videos(options.pop("videos")):
        extract_frames(video, **options)
