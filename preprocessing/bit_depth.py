"""Images of cameras with 10, 12 or 14 bits, which are stored in 16-bit files."""

import io

import cv2
import numpy as np
from PIL import Image, ImageOps

BIT_DEPTHS = (8, 10, 12, 14, 16)
HOT_BITS = 4  # more than the depth of the other pixels
HOT_SHARE = 1e-4  # of the values of an image, at most
MIN_HOT = 3  # values, one pixel of three colours: allowed in images of any size
_SCALED = ("PPM", "JPEG2000")  # the file says its depth, and Pillow scales by it


def depth_of(value: int) -> int:
    """The bit depth of a camera by the largest value in its images."""
    return next(depth for depth in BIT_DEPTHS if value < 1 << depth)


def depth_of_image(values: np.ndarray) -> int:
    """The bit depth of an image, hot pixels aside.

    A few values that need HOT_BITS more bits than all others are sensor defects.

    Args:
        values: Integers of any shape, see `deep_values`.
    """
    depth = depth_of(values.max(initial=0))
    for lower in BIT_DEPTHS:
        if lower + HOT_BITS <= depth and not is_too_deep(values, lower):
            return lower
    return depth


def is_too_deep(values: np.ndarray, bit_depth: int) -> bool:
    """Whether more values than a few hot pixels exceed the bit depth."""
    allowed = max(MIN_HOT, int(HOT_SHARE * values.size))
    return int((values >> bit_depth > 0).sum()) > allowed


def is_deep(image: Image.Image) -> bool:
    """Whether an image that Pillow opened has more than 8 bits of unknown meaning."""
    if image.format in _SCALED:
        return False
    return image.mode.startswith("I") or _has_deep_colours(image)


def deep_values(content: bytes) -> np.ndarray | None:
    """The raw values of an image file with more than 8 bits; None for others.

    Args:
        content: Bytes of the file.

    Returns:
        Integers `(height, width)`, or RGB `(height, width, 3)`.

    Raises:
        ValueError: If they are below 0 or above 65535.
    """
    with Image.open(io.BytesIO(content)) as image:
        if not is_deep(image):
            return None
        if not _has_deep_colours(image):
            values = np.asarray(ImageOps.exif_transpose(image)).astype(np.int64)
        else:
            values = _deep_colours(image, content)
    if values.min(initial=0) < 0 or values.max(initial=0) > 0xFFFF:
        raise ValueError("values outside 0 to 65535")
    return values


def _has_deep_colours(image):
    """Whether it has 16 bits per channel, of which Pillow only returns the upper 8."""
    if image.mode.startswith("I"):
        return False
    if image.format == "TIFF":
        return max(image.tag_v2.get(258, (8,))) > 8
    if image.format == "PNG":
        return any("16" in str(tile[3]) for tile in image.tile)
    return False


def _deep_colours(image, content):
    if image.getexif().get(0x0112, 1) != 1:
        raise ValueError(
            "images with 16 bits per colour and an EXIF rotation are not supported; "
            "rotate the image and save it again"
        )
    values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16:
        raise ValueError(
            "images with 16 bits per colour are not supported in this file format"
        )
    values = values.astype(np.int64)
    return values if values.ndim == 2 else values[:, :, 2::-1]
