"""What the pixels of a mask file mean: class indices, levels of grey, or colours."""

import numpy as np
from PIL import Image

MAX_COLOURS = 32  # of a mask; a photograph has more
MAX_LEVELS = 16  # of class indices or classes in grey
LOSSY = frozenset({"JPEG", "MPO", "WEBP", "AVIF", "JPEG2000"})
VOID = (224, 224, 192)  # the colour of Pascal VOC for pixels that do not count


def mark_defects(
    image: Image.Image, file_format: str | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Finds the defect in a mask.

    Palette images are read by index, unless their colours are levels of grey. Few
    levels of a lossless file are classes, 0 the background; else values above 127 are
    defect, or above 0 where there are none. Of colours, black is the background.

    Args:
        image: As Pillow opened it.
        file_format: Format of the file, as Pillow names it.

    Returns:
        Bool mask `(height, width)`, and the classes of the pixels as integers, None
        where they are not classes.

    Raises:
        ValueError: If it is a photograph by its many colours.
    """
    if image.mode == "1":
        return np.asarray(image), None
    if image.mode == "P":
        return _by_index(image)
    if image.mode in ("RGBA", "LA", "PA"):
        drawn = image.convert("RGBA")
        alpha = np.asarray(drawn)[:, :, 3]
        num_colours = len(_levels(_packed(np.asarray(drawn)[:, :, :3])))
        if num_colours == 1 and (alpha < 255).any():
            return alpha > 127, None  # drawn on a transparent layer
        image = drawn.convert("RGB")
    pixels = np.asarray(image)
    if pixels.ndim == 2:
        return _by_level(pixels, file_format)
    pixels = np.asarray(image.convert("RGB"))
    if (pixels[:, :, :1] == pixels).all():
        return _by_level(pixels[:, :, 0], file_format)
    colours = _levels(_packed(pixels))
    if file_format not in LOSSY and len(colours) <= MAX_LEVELS:
        marked = pixels.max(axis=2) > 0
        others = np.logical_and(marked, (pixels != VOID).any(axis=2))
        return (others if others.any() else marked), None
    grey = pixels.max(axis=2)
    _check_mask(grey, len(colours))
    return _bright(grey), None


def _by_index(image):
    indices = np.asarray(image)
    palette = np.zeros((256, 3), np.uint8)
    colours = np.reshape(image.convert("P").getpalette("RGB"), (-1, 3))[:256]
    palette[: len(colours)] = colours
    used = _levels(indices)
    seen = palette[used]
    num_colours = len(np.unique(seen, axis=0))
    if (seen == seen[:, :1]).all() and num_colours == len(used):
        return _by_level(palette[indices, 0], "PNG")
    _check_mask(palette[indices].max(axis=2), num_colours)
    black = used[~seen.any(axis=1)]
    background = black[0] if len(black) == 1 else 0
    classes = np.where(indices == background, 0, indices)
    return indices != background, classes


def _by_level(pixels, file_format):
    levels = _levels(pixels)
    if len(levels) > MAX_LEVELS or file_format in LOSSY or _is_noisy(levels):
        _check_mask(pixels, len(levels))
        return _bright(pixels), None
    return pixels != 0, pixels


def _is_noisy(levels):
    """Whether black and white were once compressed: levels close to either."""
    low, high = (levels > 0) & (levels <= 16), (levels >= 239) & (levels < 255)
    return levels[-1] <= 255 and low.any() and high.any()


def _bright(grey):
    middle = 127 if grey.max(initial=0) <= 255 else grey.max() // 2
    return grey > middle if grey.max(initial=0) > 127 else grey > 0


def _check_mask(grey, num_colours):
    """Nearly all black or white, soft edges aside; or of a few colours."""
    if num_colours <= MAX_COLOURS:
        return
    top = float(grey.max())
    rim = 16 * max(top / 255, 1)
    if ((grey <= rim) | (grey >= top - rim)).mean() <= 0.9:
        raise ValueError("it is a photograph, not a mask")


def _packed(pixels):
    wide = pixels.astype(np.uint32)
    return wide[:, :, 0] << 16 | wide[:, :, 1] << 8 | wide[:, :, 2]


def _levels(pixels):
    if pixels.dtype == np.uint8:
        return np.flatnonzero(np.bincount(pixels.ravel(), minlength=1))
    return np.unique(pixels)
