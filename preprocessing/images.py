"""The image reader: all images are read here, as uint8 RGB."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from goodparts.command import InputError, reason
from goodparts.files import PathLike, write_bytes
from goodparts.machine import num_cpus
from preprocessing.bit_depth import deep_values, depth_of_image, is_too_deep
from preprocessing.folder_walk import is_special
from preprocessing.mask_pixels import mark_defects

IMAGE_SUFFIXES = frozenset(
    ".png .apng .jpg .jpeg .jpe .jfif .jif .jp2 .j2k .j2c .jpc .jpf .jpx .bmp .dib "
    ".tif .tiff .webp .avif .avifs .gif .ppm .pgm .pbm .pnm .tga .pcx .ras .sgi "
    ".qoi".split()
)
UNREADABLE = Exception  # of a damaged file a decoder may raise anything


def image_threads() -> ThreadPoolExecutor:
    """A pool with a thread for each processor; OpenCV starts no others from then on."""
    cv2.setNumThreads(1)
    return ThreadPoolExecutor(num_cpus())


def is_image(path: PathLike) -> bool:
    """Whether a file is an image by its name; hidden files are not."""
    path = Path(path)
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def read_image(path: PathLike, bit_depth: int | None = None) -> np.ndarray:
    """Reads any image file as uint8 RGB of shape `(height, width, 3)`.

    Applies the EXIF orientation. Grey, palette, CMYK and images with alpha become RGB
    (alpha is dropped). Of several frames the first is read.

    Args:
        path: Path of the file.
        bit_depth: Bit depth of the camera, for image files with more than 8 bits; the
            upper 8 bits are kept, and values of a few hot pixels above it are clipped.
            Not needed for other images.

    Raises:
        InputError: If the file is missing, empty, truncated or not an image, or has
            more than 8 bits and no bit depth is given. The text names the file.
    """
    return decode_image(_read_bytes(path), path, bit_depth)


def decode_image(
    content: bytes, name: PathLike, bit_depth: int | None = None
) -> np.ndarray:
    """Decodes the bytes of an image file; see `read_image`. `name` is for errors."""
    if not content:
        raise InputError(f"{name} is empty (0 bytes). Copy it again or remove it.")
    try:
        values = deep_values(content)
        if values is None:
            with Image.open(io.BytesIO(content)) as image:
                return _to_rgb(ImageOps.exif_transpose(image))
    except UNREADABLE as error:
        raise _unreadable(name, error) from error
    if bit_depth is None:
        raise InputError(
            f"{name} has more than 8 bits, and the bit depth of its camera is not "
            "known. Convert it to 8 bits as the training images were, or give "
            "--bit-depth if the command has this option (the value is in "
            "dataset.json of the training images)."
        )
    if is_too_deep(values, bit_depth):
        raise InputError(
            f"{name} has values up to {values.max()}, which is more than {bit_depth} "
            "bits allow. Is it from another camera than the others?"
        )
    return _as_rgb(np.minimum(values, (1 << bit_depth) - 1) >> (bit_depth - 8))


def read_mask(path: PathLike) -> np.ndarray:
    """Reads a defect mask as bool of shape `(height, width)`, True on the defect.

    See `mask_pixels.py` for what the values of a file mean.

    Raises:
        InputError: If it cannot be read, or has so many colours that it must be a
            photograph.
    """
    return read_mask_values(path)[0]


def read_mask_values(path: PathLike) -> tuple[np.ndarray, np.ndarray | None]:
    """Reads a mask, and the classes of its pixels; None where they are not classes."""
    content = _read_bytes(path)
    if not content:
        raise InputError(f"{path} is empty (0 bytes). Copy it again or remove it.")
    try:
        with Image.open(io.BytesIO(content)) as image:
            found, file_format = ImageOps.exif_transpose(image), image.format
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    try:
        return mark_defects(found, file_format)
    except ValueError as error:
        raise InputError(
            f"{path}: {error}. If it shows a separate part, rename it: an image and "
            "its mask have the same name."
        ) from error


def looks_like_mask(path: PathLike) -> bool:
    """Whether an image file is black, or black and up to three levels or white."""
    pixels = _read_by_itself(path)
    grey = pixels.max(axis=2)
    levels = np.flatnonzero(np.bincount(grey.ravel()))
    if levels[0] > 16 or not (pixels.max(axis=2) == pixels.min(axis=2)).mean() > 0.9:
        return False
    ends = ((grey <= 16) | (grey >= 239)).mean()
    return len(levels) <= 4 or bool(ends > 0.98)


def _read_by_itself(path):
    """Reads an image, of more than 8 bits by the depth of its own values."""
    content = _read_bytes(path)
    try:
        values = deep_values(content) if content else None
    except UNREADABLE:
        values = None
    depth = None if values is None else depth_of_image(values)
    return decode_image(content, path, depth)


def image_size(path: PathLike) -> tuple[int, int]:
    """`(height, width)` as `read_image` would return it, without decoding."""
    return image_frame(path)[0]


def image_frame(path: PathLike) -> tuple[tuple[int, int], int]:
    """`(height, width)` as `read_image` would return it, and the EXIF orientation."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            orientation = image.getexif().get(0x0112, 1)
    except UNREADABLE as error:
        raise InputError(
            f"{path} cannot be read as an image ({reason(error)})."
        ) from error
    if orientation not in range(1, 9):
        orientation = 1
    return ((width, height) if orientation >= 5 else (height, width)), orientation


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes to `(height, width)`: by area when shrinking, else bilinear.

    Training and inference both resize with this function, so that they get the same
    pixels.
    """
    height, width = size
    if image.shape[:2] == (height, width):
        return image
    shrinks = height * width < image.shape[0] * image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, (width, height), interpolation=method)


def resize_batch(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes each of `(batch, height, width, 3)`, see `resize`."""
    if images.shape[1:3] == tuple(size):
        return images
    return np.stack([resize(image, size) for image in images])


def write_image(path: PathLike, image: np.ndarray) -> None:
    """Writes RGB `(height, width, 3)` or grey `(height, width)` uint8, or a bool mask.

    The suffix gives the format; JPEG at quality 95.
    """
    write_bytes(path, encode_image(image, Path(path).suffix.lower()))


def encode_image(image: np.ndarray, suffix: str) -> bytes:
    """The bytes of an image file; see `write_image`."""
    if image.dtype == bool:
        image = image.astype(np.uint8) * 255
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    options = [cv2.IMWRITE_JPEG_QUALITY, 95] if suffix in (".jpg", ".jpeg") else []
    _, content = cv2.imencode(suffix, image, options)
    return content.tobytes()


def _unreadable(name, error):
    fault = str(error).split(" <_io")[0].replace("cannot identify", "not an")
    return InputError(
        f"{name} cannot be read as an image ({fault}). Copy it again or remove it."
    )


def _read_bytes(path):
    if is_special(path):
        raise InputError(
            f"{path} is a pipe, socket or device; an image file is expected."
        )
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError(f"There is no file {path}. Check the path.") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; an image file is expected.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({reason(error)}).") from None


def _to_rgb(image):
    if image.mode.startswith("I"):  # more than 8 bits, scaled by Pillow to 16
        return _as_rgb(np.asarray(image).astype(np.uint32) >> 8)
    if image.mode == "F":
        raise ValueError("floating-point image; 8 or 16 bits are expected")
    return np.asarray(image.convert("RGB"))


def _as_rgb(values):
    values = values.astype(np.uint8)
    return values if values.ndim == 3 else np.repeat(values[:, :, None], 3, axis=2)
