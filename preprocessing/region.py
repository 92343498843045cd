"""The region of a frame with the part: a box, and a mask that hides the rest.

Given once for one resolution, a region fits every other of the same aspect ratio.
"""

import argparse
import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from goodparts.command import InputError
from goodparts.files import PathLike
from preprocessing.images import UNREADABLE, read_image

LOSSLESS = ("PNG", "BMP", "TIFF", "PPM")  # as the image library names formats
ASPECT_TOLERANCE = 0.01  # of the ratio of width to height


class Roi(NamedTuple):
    """`box` (x, y, width, height), pixels of a frame of `frame_size` (height, width).

    A frame size of None means the size of the first frame.
    """

    box: tuple[int, int, int, int]
    frame_size: tuple[int, int] | None


class Region(NamedTuple):
    """The region of a frame that is inspected. Regions are compared by identity.

    Attributes:
        box: (x, y, width, height), pixels; None for the whole frame.
        mask: Bool (height, width) of the box, True on the part; None for all of it.
        frame_size: (height, width) that box and mask were drawn for.
    """

    box: tuple[int, int, int, int] | None
    mask: np.ndarray | None
    frame_size: tuple[int, int]

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


def parse_roi(text: str) -> Roi:
    """argparse type: "x,y,w,h", or "x,y,w,h@WIDTHxHEIGHT", as a `Roi`."""
    found = re.fullmatch(r"(\d+),(\d+),(\d+),(\d+)(?:@(\d+)x(\d+))?", text.strip())
    numbers = [int(number) for number in found.groups() if number] if found else [0]
    if not found or 0 in numbers[2:]:
        raise argparse.ArgumentTypeError(
            "must be x,y,width,height in whole pixels, such as 220,0,150,400, or "
            "with the frame size for which it was drawn, such as "
            f"220,0,150,400@640x480. Received: {text!r}."
        )
    x, y, width, height, *drawn_for = numbers
    frame_size = (drawn_for[1], drawn_for[0]) if drawn_for else None
    return Roi((x, y, width, height), frame_size)


def make_region(
    roi: Roi | None, mask_path: PathLike | None, first_frame_size: tuple[int, int]
) -> Region:
    """Makes the region of a source, when its first frame is there.

    Args:
        roi: None for the whole frame.
        mask_path: Image of the whole frame or of the box, told apart by its size, or
            else by its aspect ratio; white (above 127) on the part. None for no mask.
        first_frame_size: (height, width), pixels.

    Raises:
        InputError: If the box lies outside of the frame, the frame has another aspect
            ratio, or the mask cannot be read, is lossy, all black, or fits neither.
    """
    frame_size, box = first_frame_size, None
    if roi is not None:
        box, frame_size = roi.box, roi.frame_size or frame_size
        _check_inside(box, frame_size)
    mask = None
    if mask_path is not None:
        mask = _read_region_mask(mask_path, box, frame_size)
    region = Region(box, mask, frame_size)
    fit_region(region, first_frame_size)
    return region


def cut(frame: np.ndarray, region: Region) -> np.ndarray:
    """Cuts out the region of a frame; masked-out pixels become black.

    Args:
        frame: uint8 RGB, `(height, width, 3)`.
        region: See `make_region`.

    Returns:
        A view of the frame where there is no mask, else a new array.

    Raises:
        InputError: If the frame has another aspect ratio than the region.
    """
    box, mask, _ = fit_region(region, frame.shape[:2])
    if box is not None:
        x, y, width, height = box
        frame = frame[y : y + height, x : x + width]
    return frame if mask is None else cv2.copyTo(frame, mask.view(np.uint8))


@lru_cache(maxsize=16)
def fit_region(region: Region, size: tuple[int, int]) -> Region:
    """The region for frames of another (height, width), box and mask scaled.

    The box is rounded to whole pixels, stays in the frame and has 1 pixel at least.

    Raises:
        InputError: If the aspect ratio differs by more than 1 %.
    """
    if size == region.frame_size:
        return region
    (height, width), (drawn_height, drawn_width) = size, region.frame_size
    if not _same_aspect(size, region.frame_size):
        raise InputError(
            f"The frame is {width}x{height} pixels, but the region was drawn for "
            f"{drawn_width}x{drawn_height}. The aspect ratios differ, so the region "
            "would cover something else. Restore the picture format of the camera, "
            "or give --roi and --mask for this one."
        )
    box = region.box
    if box is not None:
        left, box_width = _scale_span(box[0], box[2], width, drawn_width)
        top, box_height = _scale_span(box[1], box[3], height, drawn_height)
        box = (left, top, box_width, box_height)
    mask = region.mask
    if mask is not None:
        mask = _resize_mask(mask, size if box is None else (box[3], box[2]))
    return Region(box, mask, size)


def _scale_span(start, length, size, drawn_size):
    """Start and length of a span of pixels where `drawn_size` pixels became `size`."""
    scaled_start = min(round(start * size / drawn_size), size - 1)
    scaled_stop = round((start + length) * size / drawn_size)
    return scaled_start, max(1, scaled_stop - scaled_start)


def _check_inside(box, frame_size):
    (x, y, width, height), (frame_height, frame_width) = box, frame_size
    if x + width > frame_width or y + height > frame_height:
        raise InputError(
            f"--roi {x},{y},{width},{height} reaches to x {x + width}, y "
            f"{y + height}, but the frame is {frame_width}x{frame_height} pixels "
            "(width x height). Give a box inside the frame, or add the frame size "
            f"for which it was drawn: {x},{y},{width},{height}@WIDTHxHEIGHT."
        )


def _read_region_mask(path, box, frame_size):
    """The mask of the box (of the frame without one) as bool, at its resolution."""
    _check_lossless(path)
    mask = read_image(path).max(axis=2) > 127
    if _drawn_on(mask.shape, path, box=box, frame_size=frame_size) == "frame":
        mask = _resize_mask(mask, frame_size)
        if box is not None:
            x, y, width, height = box
            mask = np.ascontiguousarray(mask[y : y + height, x : x + width])
    else:
        mask = _resize_mask(mask, (box[3], box[2]))
    if not mask.any():
        raise InputError(
            f"The mask {path} is black in the whole region, so nothing would be "
            "inspected. Paint the part white."
        )
    return mask


def _check_lossless(path):
    if not Path(path).is_file():
        raise InputError(f"There is no mask file {path}. Check the path.")
    try:
        with Image.open(path) as image:
            kind = image.format
    except UNREADABLE:
        return  # the image reader says what is wrong
    if kind not in LOSSLESS:
        raise InputError(
            f"The mask {path} is a {kind} image, which can blur the edges of a mask. "
            "Save it as PNG, BMP, TIFF or PGM."
        )


def _drawn_on(mask_size, path, *, box, frame_size):
    """Whether a mask was drawn on the whole "frame" or on the "box"."""
    sizes = {"frame": frame_size}
    if box is not None:
        sizes["box"] = (box[3], box[2])
    exact = [name for name, size in sizes.items() if size == mask_size]
    alike = [name for name, size in sizes.items() if _same_aspect(size, mask_size)]
    fits = exact[:1] or alike
    if len(fits) != 1:
        expected = " or ".join(
            f"{width}x{height} (size of the {name})"
            for name, (height, width) in sizes.items()
        )
        raise InputError(
            f"The mask {path} is {mask_size[1]}x{mask_size[0]} pixels and "
            f"{'could be for either' if fits else 'has another aspect ratio'}. Draw "
            f"it at {expected}."
        )
    return fits[0]


def _same_aspect(size, other):
    ratio = (size[1] / size[0]) / (other[1] / other[0])
    return abs(ratio - 1) <= ASPECT_TOLERANCE


def _resize_mask(mask, size):
    """Nearest pixel, so that a mask stays black and white."""
    if mask.shape == size:
        return mask
    height, width = size
    pixels = cv2.resize(
        mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST_EXACT
    )
    return pixels.astype(bool)
