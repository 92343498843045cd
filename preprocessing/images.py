"""The one image reader: every picture enters the program here, as uint8 RGB."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from goodparts.command import InputError
from goodparts.files import write_bytes
from goodparts.machine import num_cpus

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
)
MAX_MASK_COLOURS = 32
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


def image_threads():
    """A pool with a thread for each processor; OpenCV starts no others from then on."""
    cv2.setNumThreads(1)
    return ThreadPoolExecutor(num_cpus())


def is_image(path):
    """Whether the name is an image's; hidden files are none."""
    path = Path(path)
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def read_image(path):
    """Reads any image file as uint8 RGB of shape `(height, width, 3)`.

    Turns the image as its EXIF orientation says. Grey, palette, CMYK and images
    with alpha become RGB (alpha is dropped); of 16 bits the upper 8 are kept.

    Raises:
        InputError: If the file is missing, empty, truncated or no image. The
            text names the file.
    """
    return decode_image(_read_bytes(path), path)


def decode_image(content, name):
    """Decodes the bytes of an image file; see `read_image`. `name` is for errors."""
    if not content:
        raise InputError(f"{name} is empty (0 bytes). Copy it again or remove it.")
    try:
        with Image.open(io.BytesIO(content)) as image:
            return _to_rgb(ImageOps.exif_transpose(image))
    except UNREADABLE as error:
        reason = str(error).split(" <_io")[0].replace("cannot identify", "not an")
        raise InputError(
            f"{name} cannot be read as an image ({reason}). Copy it again or remove it."
        ) from error


def read_mask(path):
    """Reads a defect mask as bool of shape `(height, width)`, True on the defect.

    Values above 127 are defect; in a mask that has none (class indices 0, 1, 2),
    every value above 0.

    Raises:
        InputError: If it cannot be read, or is a photograph by its many colours.
    """
    pixels = read_image(path)
    if not _is_mask(pixels):
        raise InputError(
            f"{path} is a photograph, not a mask. If it is a part of its own, give it "
            "a name of its own; an image and its mask share one."
        )
    grey = pixels.max(axis=2)
    return grey > 127 if grey.max(initial=0) > 127 else grey > 0


def image_size(path):
    """`(height, width)` as `read_image` would return it, without decoding."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            turned = image.getexif().get(0x0112, 1) >= 5
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read as an image ({error}).") from error
    return (width, height) if turned else (height, width)


def resize(image, size):
    """Resizes to `(height, width)`: by area when shrinking, else bilinear.

    The one resizing of training and inference, so that both see the same pixels.
    """
    height, width = size
    if image.shape[:2] == (height, width):
        return image
    shrinks = height * width < image.shape[0] * image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, (width, height), interpolation=method)


def resize_batch(images, size):
    """Resizes each of `(batch, height, width, 3)`, see `resize`."""
    if images.shape[1:3] == tuple(size):
        return images
    return np.stack([resize(image, size) for image in images])


def write_image(path, image):
    """Writes RGB `(height, width, 3)` or grey `(height, width)` uint8, or a bool mask.

    The suffix gives the format; JPEG at quality 95.
    """
    if image.dtype == bool:
        image = image.astype(np.uint8) * 255
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    suffix = Path(path).suffix.lower()
    options = [cv2.IMWRITE_JPEG_QUALITY, 95] if suffix in (".jpg", ".jpeg") else []
    _, content = cv2.imencode(suffix, image, options)
    write_bytes(path, content.tobytes())


def _is_mask(pixels):
    """Nearly all black or white, soft edges aside; or of a few colours."""
    grey = pixels.max(axis=2).astype(int)
    if ((grey <= 16) | (grey >= grey.max() - 16)).mean() > 0.9:
        return True
    return len(np.unique(pixels.reshape(-1, 3), axis=0)) <= MAX_MASK_COLOURS


def _read_bytes(path):
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError(f"There is no file {path}. Check the path.") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; an image file is expected.") from None


def _to_rgb(image):
    if image.mode in ("I;16", "I;16L", "I;16B", "I;16N"):
        grey = (np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)
    elif image.mode == "I":
        grey = np.clip(np.asarray(image) >> 8, 0, 255).astype(np.uint8)
    elif image.mode == "F":
        raise ValueError("floating-point image, 8 or 16 bit is expected")
    else:
        return np.asarray(image.convert("RGB"))
    return np.repeat(grey[:, :, None], 3, axis=2)
