"""What a detector looks at: the part in one pose, or the whole image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

from anomaly.foreground import border_of, find_foreground
from anomaly.pose import MIN_ELONGATION, Outline, find_outline, turned
from preprocessing.images import resize

STRIDE = 16  # sides of a canvas are multiples, of one for features
MARGIN, MARGIN_ACROSS = 1.1, 1.25  # canvas by part: its ends are percentiles
MAX_BORDER = 0.02  # of the border that may be foreground, in the median image
MAX_BORDER_OF_ONE = 0.1  # the same of one image
MAX_OTHERS = 0.2  # area of other things, as a share of the part: another part?
SPAN = (0.75, 1.33)  # of the median length and breadth, what a part may have
GROWN = 5  # pixels of the reduced image that the part is taken wider
MIN_COVERED = 0.25  # of a cell that must be part, for it to count
MAP_SIDE = 256  # longest side of a map, pixels
MAP_BLUR = 2.0  # pixels of that


class View(NamedTuple):
    """How images become canvases.

    Attributes:
        size: `(height, width)` of the canvas.
        length, breadth: Medians over the good parts, pixels; 0 where the whole image
            is looked at.
        has_axis: Whether parts are turned.
    """

    size: tuple[int, int]
    length: float = 0.0
    breadth: float = 0.0
    has_axis: bool = False

    @property
    def is_posed(self) -> bool:
        """Whether parts are brought into one pose."""
        return self.length > 0


class Canvas(NamedTuple):
    """An image as the network sees it.

    Attributes:
        pixels: uint8 RGB of the view's size.
        to_canvas: `(2, 3)`, the affine map from the image.
        is_part: Bool of the view's size; None where everything counts.
    """

    pixels: np.ndarray
    to_canvas: np.ndarray
    is_part: np.ndarray | None


def learn_view(
    images: Iterable[np.ndarray], pixels: float, *, stride: int = STRIDE
) -> View | None:
    """Finds out from good images whether their parts can be brought into one pose.

    Args:
        images: uint8 RGB `(height, width, 3)`, of one size each.
        pixels: Wanted area of the canvas.
        stride: What its sides are multiples of.

    Returns:
        None where they cannot: the part touches the border, as textures do, or differs
        from image to image.
    """
    outlines, borders = [], []
    for image in images:
        outline, border = _look_for(image)
        borders.append(border)
        if outline is not None:
            outlines.append(outline)
    if not outlines or np.median(borders) > MAX_BORDER:
        return None
    length = float(np.median([outline.length for outline in outlines]))
    breadth = float(np.median([outline.breadth for outline in outlines]))
    has_axis = length >= MIN_ELONGATION * breadth
    if not has_axis:
        length = breadth = max(length, breadth)
    fits = [_fits(outline, length, breadth, has_axis) for outline in outlines]
    if np.mean(fits) * len(outlines) < 0.9 * len(borders):
        return None
    margin = MARGIN_ACROSS if has_axis else MARGIN
    ratio = max(margin * breadth, length / 4) / (MARGIN * length)
    width = np.sqrt(pixels / ratio)
    height = width * ratio
    sides = [max(2, round(side / stride)) * stride for side in (height, width)]
    return View((sides[0], sides[1]), length, breadth, has_axis)


def look(view: View, image: np.ndarray) -> Canvas | None:
    """The canvas of an image.

    Args:
        view: Of the detector.
        image: uint8 RGB `(height, width, 3)`.

    Returns:
        None where the image has no part as the view knows it: it cannot be judged.
    """
    height, width = image.shape[:2]
    if not view.is_posed:
        zoom = view.size[0] / height, view.size[1] / width
        scaling = np.array([[zoom[1], 0.0, 0.0], [0.0, zoom[0], 0.0]])
        return Canvas(resize(image, view.size), scaling, None)
    mask, others = find_foreground(image)
    scale = width / mask.shape[1]
    outline = find_outline(mask, scale)
    if outline is None or others > MAX_OTHERS:
        return None
    if mask[border_of(mask.shape)].mean() > MAX_BORDER_OF_ONE:
        return None
    if not _fits(outline, view.length, view.breadth, view.has_axis):
        return None
    zoom_of_part = view.size[1] / (MARGIN * view.length)
    to_canvas = turned(outline, zoom_of_part, view.size, has_axis=view.has_axis)
    grown = cv2.dilate(mask.astype(np.uint8), np.ones((2 * GROWN + 1,) * 2, np.uint8))
    is_part = _warp(grown, _scaled(to_canvas, before=scale), view.size)
    pixels = _warp(image, to_canvas, view.size, border=cv2.BORDER_REPLICATE)
    return Canvas(pixels, to_canvas, is_part > 0)


def map_of_image(
    grid: np.ndarray, canvas: Canvas, image_size: Sequence[int]
) -> np.ndarray:
    """The anomaly map of the image, from the distances of the cells of its canvas.

    Args:
        grid: `(rows, columns)`, of the whole canvas.
        canvas: It.
        image_size: `(height, width)`.

    Returns:
        float32 with the aspect ratio of the image and a longest side of MAP_SIDE.
    """
    size = map_size(image_size)
    fine = cv2.resize(
        grid.astype(np.float32),
        canvas.pixels.shape[1::-1],
        interpolation=cv2.INTER_LINEAR,
    )
    from_map = _scaled(canvas.to_canvas, before=image_size[1] / size[1])
    warped = _warp(fine, from_map, size, inverse=True)
    return cv2.GaussianBlur(warped, (0, 0), MAP_BLUR)


def map_size(image_size: Sequence[int]) -> tuple[int, int]:
    """`(height, width)` of the map of an image `(height, width)`."""
    height, width = image_size
    zoom = MAP_SIDE / max(height, width)
    return max(1, round(height * zoom)), max(1, round(width * zoom))


def part_of_cells(canvas: Canvas, grid_size: Sequence[int]) -> np.ndarray:
    """Bool `(rows, columns)`: the cells of a canvas that show the part."""
    rows, columns = grid_size
    if canvas.is_part is None:
        return np.ones((rows, columns), bool)
    is_part = canvas.is_part.astype(np.float32)
    return _share_of_cells(is_part, grid_size) >= MIN_COVERED


def _share_of_cells(mask, grid_size):
    size = tuple(grid_size[::-1])
    return cv2.resize(mask, size, interpolation=cv2.INTER_AREA)


def cells_of_mask(
    mask: np.ndarray, canvas: Canvas, grid_size: Sequence[int]
) -> np.ndarray:
    """Bool `(rows, columns)`: the cells of a canvas that a mask of its image covers.

    Of a small mask, the cell that it covers most counts in any case.

    Args:
        mask: Bool `(height, width)` of the image.
        canvas: It.
        grid_size: `(rows, columns)`.
    """
    size = canvas.pixels.shape[:2]
    warped = _warp(mask.astype(np.float32), canvas.to_canvas, size)
    share = _share_of_cells(warped, grid_size)
    return (share >= MIN_COVERED) | ((share > 0) & (share == share.max()))


def view_as_json(view: View) -> dict[str, Any]:
    """A view for a config or a bundle."""
    return view._asdict() | {"size": list(view.size)}


def view_of_json(record: Mapping[str, Any]) -> View:
    """The view that `view_as_json` wrote."""
    height, width = record["size"]
    return View(
        (height, width), record["length"], record["breadth"], record["has_axis"]
    )


def _look_for(image) -> tuple[Outline | None, float]:
    mask, others = find_foreground(image)
    outline = find_outline(mask, image.shape[1] / mask.shape[1])
    if others > MAX_OTHERS:
        outline = None
    return outline, float(mask[border_of(mask.shape)].mean())


def _fits(outline, length, breadth, has_axis):
    """Whether a part is as long and broad as the good ones."""
    found = [outline.length, outline.breadth]
    if not has_axis:
        found = [max(found), max(found)]
    return all(
        SPAN[0] * usual <= value <= SPAN[1] * usual
        for value, usual in zip(found, (length, breadth), strict=True)
    )


def _scaled(affine, *, before):
    """The map of a reduced image: its pixels are `before` as large."""
    return affine * np.array([[before, before, 1.0]])


def _warp(image, affine, size, *, inverse=False, border=cv2.BORDER_CONSTANT):
    """Warps by an affine map of coordinates whose origin is a corner.

    OpenCV's has its origin in the middle of the first pixel.
    """
    shift = affine[:, :2].sum(axis=1) / 2 - 0.5
    matrix = affine + np.column_stack([np.zeros((2, 2)), shift])
    flags = cv2.INTER_LINEAR | (cv2.WARP_INVERSE_MAP if inverse else 0)
    return cv2.warpAffine(
        image, matrix, (size[1], size[0]), flags=flags, borderMode=border
    )
