"""One annotated shape as an instance, from its outlines or its box."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike

from preprocessing.instances import Instance

BROKEN = (
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    IndexError,
    OverflowError,
    RecursionError,
    MemoryError,
)


class Shapes(NamedTuple):
    """The result of reading a list of shapes.

    Attributes:
        instances: In the order of the shapes.
        problems: One text per shape that cannot be used.
        remarks: One text per shape of which a part was used.
    """

    instances: list[Instance]
    problems: list[str]
    remarks: list[str]


def read_shapes(
    items: object, convert: Callable[[Any], tuple[Instance, str]], name: str
) -> Shapes:
    """Converts shapes one by one, so that a bad one does not discard the others.

    Args:
        items: A list; anything else is a problem.
        convert: From a shape to `(instance, remark)`; it raises one of BROKEN.
        name: The word for a shape in messages.
    """
    shapes = Shapes([], [], [])
    if not isinstance(items, list):
        shapes.problems.append(f"expected a list of {name}s, received {_brief(items)}")
        return shapes
    for number, item in enumerate(items, 1):
        try:
            instance, remark = convert(item)
        except BROKEN as error:
            shapes.problems.append(f"{name} {number} was left out: {reason_of(error)}")
            continue
        shapes.instances.append(instance)
        if remark:
            shapes.remarks.append(f"{name} {number}: {remark}")
    return shapes


def box_shape(label: object, corners: ArrayLike) -> tuple[Instance, str]:
    """The instance of a box with any two opposite corners, and no remark."""
    label = clean_label(label)
    low, high = _limits(label, np.asarray(corners, float).reshape(-1, 2))
    return {"label": label, "bbox": _box(low, high), "polygons": []}, ""


def outline_shape(
    label: object,
    outlines: Iterable[ArrayLike],
    *,
    corners: ArrayLike | None = None,
    pixel: int = 0,
) -> tuple[Instance, str]:
    """The instance of its outlines of `(x, y)` points, and a remark.

    Outlines that cannot be used are left out; if none is left, the box is used.

    Args:
        label: Class name.
        outlines: The points of each.
        corners: Two corners of a box, or None.
        pixel: 1 where the points are the pixels of the rim, which belong to the box.
    """
    label = clean_label(label)
    good, broken = [], []
    for points in outlines:
        try:
            good.append(_checked_outline(label, points, pixel))
        except BROKEN as error:
            broken.append(reason_of(error))
    if not good:
        if corners is None:
            raise ValueError(broken[0] if broken else f"{label!r} has no outline")
        instance, _ = box_shape(label, corners)
        reason = broken[0] if broken else "there is none"
        return instance, f"its box is used instead of its outline ({reason})"
    low, high = _limits(label, np.concatenate(good), pixel)
    polygons = [points.ravel().tolist() for points in good]
    remark = f"one of several outlines was left out: {broken[0]}" if broken else ""
    return {"label": label, "bbox": _box(low, high), "polygons": polygons}, remark


def scaled(instance: Instance, size: tuple[int, int]) -> Instance:
    """Converts an instance from fractions of the image size to pixels."""
    height, width = size
    x, y, box_width, box_height = instance["bbox"]
    return {
        **instance,
        "bbox": [x * width, y * height, box_width * width, box_height * height],
        "polygons": [
            (np.reshape(polygon, (-1, 2)) * (width, height)).ravel().tolist()
            for polygon in instance["polygons"]
        ],
    }


def mask_outlines(mask: np.ndarray) -> list[np.ndarray]:
    """The outer outlines of a mask `(height, width)`, each of 3 points or more."""
    outlines, _ = cv2.findContours(
        np.ascontiguousarray(mask, np.uint8),
        cv2.RETR_EXTERNAL,
        cv2.CHAIN_APPROX_SIMPLE,
    )
    if not outlines:
        raise ValueError("its mask is empty")
    # A spot of one or two pixels becomes a polygon of three points like any other.
    return [
        np.pad(outline[:, 0], ((0, max(0, 3 - len(outline))), (0, 0)), mode="edge")
        for outline in outlines
    ]


def clean_label(label: object) -> str:
    """Converts a label to a folder name; raises ValueError if it is not valid."""
    if isinstance(label, int) and not isinstance(label, bool):
        label = str(label)
    text = label.strip() if isinstance(label, str) else ""
    text = text.replace("/", "_").replace("\\", "_").replace("\0", "")
    if not text or text.startswith("."):
        raise ValueError(f"{_brief(label)} is not a valid label")
    return text


def reason_of(error: Exception) -> str:
    return f"it lacks {error}" if isinstance(error, KeyError) else str(error)


def _checked_outline(label, points, pixel):
    points = np.asarray(points, float)
    if points.ndim == 1 and len(points) % 2:
        raise ValueError(f"the polygon of {label!r} has an odd number of coordinates")
    points = points.reshape(-1, 2)
    if len(points) < 3:
        raise ValueError(f"the polygon of {label!r} has fewer than 3 points")
    _limits(label, points, pixel)
    return points


def _limits(label, points, pixel=0):
    if not len(points) or not np.isfinite(points).all():
        raise ValueError(f"{label!r} has no area")
    low, high = points.min(axis=0), points.max(axis=0) + pixel
    if not (high > low).all():
        raise ValueError(f"{label!r} has no area")
    if max(abs(low).max(), abs(high).max()) > 2**30:
        raise ValueError(f"{label!r} has coordinates that are too large for an image")
    return low, high


def _box(low, high):
    return [*low.tolist(), *(high - low).tolist()]


def _brief(value):
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
