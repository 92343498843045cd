"""Instances from two COCO files: the truth, and results that were made elsewhere.

Every entry is checked before anything is computed; nothing is guessed or left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from evaluation.coco_polygons import polygon_mask
from evaluation.instance_pairs import Pairing, pair
from evaluation.predictor import Instances
from goodparts.command import InputError, progress, reason
from goodparts.fields import (
    MAX_SIDE,
    check_list,
    check_number,
    check_object,
    check_text,
    check_whole,
    refuse,
)
from goodparts.files import PathLike, read_json
from preprocessing.instances import Instance, decode_mask, draw_instances

MOST = 10_000_000  # entries of a file
OUTSIDE = 1.0  # pixels that a box may reach out of its image, for rounding
XYWH = "COCO's boxes are [x, y, width, height] in pixels"

Entries = dict[Any, list[dict[str, Any]]]


class Truth(NamedTuple):
    """A checked COCO file.

    Attributes:
        sizes: `(height, width)` of each image by its id.
        names: Name of each category by its id.
        annotations: Annotations by image id.
        is_own: Whether Goodparts wrote it: its polygons go through the centres of
            pixels, COCO's along their corners.
    """

    sizes: dict[Any, tuple[int, int]]
    names: dict[Any, str]
    annotations: Entries
    is_own: bool


def read_truth(path: PathLike) -> Truth:
    """Reads images, categories and annotations.

    Raises:
        InputError: For the first fault; the text names the file and the entry.
    """
    content = _read(path, "a COCO file with images, categories and annotations")
    try:
        check_object(content, "it", "images", "categories", "annotations")
        sizes = {}
        for number, each in _entries(content, "images"):
            where = f"images[{number}]"
            check_object(each, where, "id", "width", "height")
            for name in ("width", "height"):
                check_whole(each[name], f"{where}.{name}", 1, MAX_SIDE)
            sizes[_new_id(each, sizes, where)] = each["height"], each["width"]
        names: dict[Any, str] = {}
        for number, each in _entries(content, "categories"):
            where = f"categories[{number}]"
            check_object(each, where, "id", "name")
            check_text(each["name"], f"{where}.name")
            names[_new_id(each, names, where)] = each["name"]
        twice = [name for name, count in Counter(names.values()).items() if count > 1]
        if twice:
            raise InputError(f"categories has the name {twice[0]!r} twice.")
        annotations: Entries = {}
        for number, each in _entries(content, "annotations", 0):
            where = f"annotations[{number}]"
            _check_entry(each, where, sizes, names)
            if each.get("iscrowd"):
                raise InputError(
                    f"{where} is a crowd annotation (iscrowd), which marks a region "
                    "and not one instance. Remove it, or annotate its instances."
                )
            annotations.setdefault(each["image_id"], []).append(each)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    is_own = all("sample_id" in each for each in content["images"])
    return Truth(sizes, names, annotations, is_own)


def read_results(path: PathLike, truth: Truth) -> Entries:
    """Reads a list of COCO results, by image id.

    Args:
        path: JSON file.
        truth: The file with their images and categories.

    Raises:
        InputError: For the first fault; the text names the file and the entry.
    """
    content = _read(path, "a list of COCO results")
    found: Entries = {}
    try:
        check_list(content, "it", 0, MOST)
        for number, each in enumerate(content):
            where = f"result [{number}]"
            _check_entry(each, where, truth.sizes, truth.names)
            if "score" not in each:
                raise InputError(f"{where} lacks score.")
            check_number(each["score"], f"{where}.score", 0, 1)
            found.setdefault(each["image_id"], []).append(each)
        boxes = [each["bbox"] for each in content if each.get("bbox") is not None]
        if boxes and np.max(boxes) <= 1:
            raise InputError(
                "all boxes have values of at most 1, so they seem to be fractions of "
                f"the image. {XYWH}."
            )
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return found


def pair_results(
    truth: Truth, results: Entries, paths: tuple[PathLike, PathLike]
) -> list[Pairing]:
    """Pairs found and true instances image by image; every image is its own group.

    Args:
        truth: Of `read_truth`.
        results: Of `read_results`.
        paths: The files of both, for messages.

    Returns:
        One `Pairing` for each image, by rising id, as COCO's tools order them.
    """
    ids = sorted(truth.sizes, key=lambda each: (isinstance(each, str), each))
    pairings = []
    for group, image in enumerate(progress(ids, "comparing", len(ids))):
        sides = []
        for path, entries in zip(paths, (results, truth.annotations), strict=True):
            try:
                sides.append(_instances(entries.get(image, []), truth, image))
            except InputError as error:
                raise InputError(f"{path}: {error}") from error
        pairings.append(pair(str(image), group, *sides))
    return pairings


def _read(path, expected):
    try:
        return read_json(path)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path} cannot be read as {expected} ({reason(error)})."
        ) from error


def _entries(content, name, least=1):
    check_list(content[name], name, least, MOST)
    return enumerate(content[name])


def _new_id(entry, known, where):
    """The id of an entry, a whole number or text, that no other entry has."""
    value = entry["id"]
    _check_id(value, f"{where}.id")
    if value in known:
        raise InputError(f"{where} has the id {value!r} of an earlier entry.")
    return value


def _check_id(value, where):
    if isinstance(value, bool) or not isinstance(value, int | str):
        refuse(where, "a whole number or text", value)


def _check_entry(entry, where, sizes, names):
    """Checks an annotation or a result, all but the pixels of its mask."""
    check_object(entry, where, "image_id", "category_id")
    for key, known, what in (
        ("image_id", sizes, "an image"),
        ("category_id", names, "a category"),
    ):
        _check_id(entry[key], f"{where}.{key}")
        if entry[key] not in known:
            raise InputError(
                f"{where} has the {key} {entry[key]!r}, which is not the id of {what} "
                "in the file with the truth. Use the same ids in both files."
            )
    size, outline = sizes[entry["image_id"]], entry.get("segmentation")
    if entry.get("bbox") is None and not outline:
        raise InputError(f"{where} has neither bbox nor segmentation.")
    if entry.get("bbox") is not None:
        _check_box(entry["bbox"], size, f"{where}.bbox")
    if isinstance(outline, list):
        for polygon in outline:
            _check_polygon(polygon, f"{where}.segmentation")
    elif outline is not None:
        _check_runs(outline, size, f"{where}.segmentation")


def _check_box(box, size, where):
    check_list(box, where, 4, 4)
    for value in box:
        check_number(value, where)
    (x, y, width, height), (rows, columns) = box, size
    if min(width, height) < 0:
        raise InputError(f"{where} {box} has a negative width or height. {XYWH}.")
    if (
        min(x, y) >= -OUTSIDE
        and x + width <= columns + OUTSIDE
        and y + height <= rows + OUTSIDE
    ):
        return
    hint = "Clip it to the image"
    if width <= columns + OUTSIDE and height <= rows + OUTSIDE and min(x, y) >= 0:
        hint = f"It may be [x1, y1, x2, y2], but {XYWH}"
    raise InputError(
        f"{where} {box} leaves its image of {columns} x {rows} pixels. {hint}."
    )


def _check_polygon(polygon, where):
    check_list(polygon, where, 0, MOST)
    for value in polygon:
        check_number(value, where, -MAX_SIDE, 2 * MAX_SIDE)
    if len(polygon) < 6 or len(polygon) % 2:
        raise InputError(
            f"{where} has a polygon of {len(polygon)} numbers; at least 3 points with "
            "an x and a y each are needed."
        )


def _check_runs(runs, size, where):
    check_object(runs, where, "size", "counts")
    if runs["size"] != list(size):
        raise InputError(
            f"{where} is a mask of size {runs['size']}, but the image has the size "
            f"{list(size)} (height, width)."
        )


def _instances(entries: list[dict[str, Any]], truth: Truth, image: Any) -> Instances:
    """`Instances` of the entries of an image; with masks if all of them have one."""
    size = truth.sizes[image]
    masks = None
    if entries and all(each.get("segmentation") for each in entries):
        masks = np.stack([_mask(each, size, is_own=truth.is_own) for each in entries])
    boxes = [
        each["bbox"] if each.get("bbox") is not None else _box(each, truth)
        for each in entries
    ]
    return Instances(
        np.array(boxes, np.float64).reshape(-1, 4),
        np.array([each.get("score", 1.0) for each in entries], np.float64),
        [truth.names[each["category_id"]] for each in entries],
        masks,
    )


def _mask(entry: Mapping[str, Any], size: tuple[int, int], *, is_own: bool):
    outline = entry["segmentation"]
    if isinstance(outline, list):
        if is_own:
            return draw_instances([Instance(label="", bbox=[], polygons=outline)], size)
        parts = [polygon_mask(np.reshape(each, (-1, 2)), size) for each in outline]
        return np.any(parts, axis=0)
    try:
        return decode_mask(outline)
    except (ValueError, TypeError, IndexError, OverflowError, MemoryError) as error:
        raise InputError(
            f"the run lengths of a mask of image {entry['image_id']!r} are not valid "
            f"({reason(error)})."
        ) from error


def _box(entry, truth):
    """The box round the mask of an entry without one."""
    size = truth.sizes[entry["image_id"]]
    mask = _mask(entry, size, is_own=truth.is_own)
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return [0.0, 0.0, 0.0, 0.0]
    x, y = columns[0], rows[0]
    return [x, y, columns[-1] + 1 - x, rows[-1] + 1 - y]
