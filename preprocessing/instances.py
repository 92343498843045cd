"""Defect instances of an image: outline and box, from masks and in instances.json."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

import cv2
import numpy as np

from goodparts.command import InputError, command_line
from goodparts.files import PathLike, read_json, write_text
from preprocessing.images import read_mask

if TYPE_CHECKING:
    import pandas as pd


class Instance(TypedDict):
    """A single defect.

    Attributes:
        label: Class name.
        bbox: x, y, width and height in pixels from the upper left corner.
        polygons: Each `[x0, y0, x1, y1, ...]` through the centres of the outline's
            pixels; empty where only a box is known.
    """

    label: str
    bbox: list[float]
    polygons: list[list[float]]


def mask_instances(mask: np.ndarray, label: str) -> list[Instance]:
    """The connected parts of a bool mask `(height, width)`, from top to bottom.

    Pixels that touch at a corner are connected. Holes are filled, so that what lies
    in the hole of a part belongs to it. The boxes are exact: `mask[y:y+h, x:x+w]`
    holds the part and no smaller box does.
    """
    outlines, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    instances: list[Instance] = []
    for outline in outlines:
        points = outline.reshape(-1, 2)
        low, high = points.min(axis=0), points.max(axis=0)
        instances.append(
            {
                "label": label,
                "bbox": [int(value) for value in (*low, *(high - low + 1))],
                "polygons": [_at_least_three(points).ravel().tolist()],
            }
        )
    return sorted(instances, key=lambda each: (each["bbox"][1], each["bbox"]))


def instance_mask(instance: Instance, size: tuple[int, int]) -> np.ndarray:
    """The instance as a bool mask of `size` (height, width): its polygons, or its box.

    For an instance from `mask_instances` it is exactly that part, with its holes
    filled.
    """
    if instance["polygons"]:
        return draw_instances([instance], size)
    mask = np.zeros(size, bool)
    x, y, width, height = (round(value) for value in instance["bbox"])
    mask[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)] = True
    return mask


def read_truth_mask(
    folder: PathLike, mask_path: str, size: tuple[int, int]
) -> np.ndarray:
    """Reads the defect mask of an image of `size` (height, width); see `read_mask`.

    Raises:
        InputError: If image and mask differ in size.
    """
    mask = read_mask(Path(folder) / mask_path)
    if mask.shape != tuple(size):
        raise InputError(
            f"{Path(folder) / mask_path} is {mask.shape[1]}x{mask.shape[0]} pixels, "
            f"but its image is {size[1]}x{size[0]}. Give a mask of the same size as "
            "the image."
        )
    return mask


def write_instances(
    path: PathLike, samples: Iterable[Mapping[str, Any]], classes: Iterable[str]
) -> None:
    """Writes instances.json in COCO's format: one line, the same for the same samples.

    Args:
        path: `dataset/<name>/instances.json`.
        samples: Dicts of an image's `sample_id`, `path` as in the manifest, `size` as
            (height, width) and list of `instances`.
        classes: Class names, numbered from 1 in this order; labels of instances that
            are no class follow in alphabetical order.
    """
    samples = list(samples)
    labels = {each["label"] for sample in samples for each in sample["instances"]}
    names = [*classes, *sorted(labels - set(classes))]
    categories = {name: number for number, name in enumerate(names, 1)}
    images, annotations = [], []
    for number, sample in enumerate(samples, 1):
        height, width = sample["size"]
        images.append(
            {
                "id": number,
                "file_name": sample["path"],
                "sample_id": sample["sample_id"],
                "width": width,
                "height": height,
            }
        )
        for each in sample["instances"]:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": categories[each["label"]],
                    "bbox": list(each["bbox"]),
                    "area": int(instance_mask(each, (height, width)).sum()),
                    "iscrowd": 0,
                    "segmentation": [list(polygon) for polygon in each["polygons"]],
                }
            )
    coco = {
        "images": images,
        "categories": [{"id": id_, "name": name} for name, id_ in categories.items()],
        "annotations": annotations,
    }
    write_text(path, json.dumps(coco, ensure_ascii=False) + "\n")


class Ids(NamedTuple):
    """The numbers of an instances.json: of images by sample_id, of classes by name."""

    images: dict[str, int]
    categories: dict[str, int]


def read_ids(path: PathLike, rows: pd.DataFrame) -> Ids:
    """The `Ids` of a data set's instances.json, so that results use the same ids.

    Args:
        path: `dataset/<name>/instances.json`; where it is missing the images are
            numbered in the order of the rows, and the classes by the alphabet.
        rows: Manifest rows.
    """
    if not Path(path).exists():
        names = sorted(set(rows["label"]))
        return Ids(
            {sample: number for number, sample in enumerate(rows["sample_id"], 1)},
            {name: number for number, name in enumerate(names, 1)},
        )
    try:
        coco = read_json(path)
        return Ids(
            {each["sample_id"]: each["id"] for each in coco["images"]},
            {each["name"]: each["id"] for each in coco["categories"]},
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} was changed after it was written ({error!r}). Make the data set "
            f"again with {command_line('folders')}."
        ) from error


def read_instances(path: PathLike) -> dict[str, list[Instance]]:
    """Reads instances.json as {sample_id: list of instances}, in the file's order.

    Images without a defect have an empty list; without the file there are none.

    Raises:
        InputError: If the file is not what `write_instances` writes.
    """
    if not Path(path).exists():
        return {}
    try:
        coco = read_json(path)
        names = {each["id"]: each["name"] for each in coco["categories"]}
        found: dict[int, list[Instance]] = defaultdict(list)
        for each in coco["annotations"]:
            found[each["image_id"]].append(
                {
                    "label": names[each["category_id"]],
                    "bbox": _box(each["bbox"]),
                    "polygons": each["segmentation"],
                }
            )
        return {each["sample_id"]: found[each["id"]] for each in coco["images"]}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} was changed after it was written ({error!r}). Make the data set "
            f"again with {command_line('folders')}."
        ) from error


def _box(values):
    if len(values) != 4 or not np.isfinite(values).all() or min(values[2:]) < 0:
        raise ValueError(f"the box {values}")
    return values


def _at_least_three(points):
    """COCO's readers take no polygon of less than three points."""
    missing = max(3 - len(points), 0)
    return np.concatenate([points, np.repeat(points[-1:], missing, axis=0)])


def clip_instances(
    instances: Iterable[Instance], size: tuple[int, int]
) -> tuple[list[Instance], list[str]]:
    """Clips the boxes to an image of `(height, width)`.

    Returns:
        The instances that lie in the image, and a list of problems of the others.
    """
    height, width = size
    inside: list[Instance] = []
    problems = []
    for instance in instances:
        x, y, box_width, box_height = instance["bbox"]
        left, top = max(x, 0.0), max(y, 0.0)
        right, bottom = min(x + box_width, width), min(y + box_height, height)
        if right > left and bottom > top:
            box = [left, top, right - left, bottom - top]
            inside.append({**instance, "bbox": box})
        else:
            problems.append(f"{instance['label']!r} is outside the image")
    return inside, problems


def instance_area(instance: Instance) -> float:
    """Pixels in the polygons of an instance, or in its box when it has none."""
    if not instance["polygons"]:
        return instance["bbox"][2] * instance["bbox"][3]
    outlines = (np.reshape(polygon, (-1, 2)) for polygon in instance["polygons"])
    return sum(cv2.contourArea(outline.astype(np.float32)) for outline in outlines)


def draw_instances(instances: Iterable[Instance], size: tuple[int, int]) -> np.ndarray:
    """The union of the instances' polygons, their edges included.

    Boxes without polygons are not drawn: what in them is defective is not known.

    Args:
        instances: Instances of the image.
        size: `(height, width)` of the mask.

    Returns:
        Bool mask of shape `(height, width)`.
    """
    mask = np.zeros(size, np.uint8)
    for instance in instances:
        for polygon in instance["polygons"]:
            outline = np.round(np.reshape(polygon, (-1, 2))).astype(np.int32)
            cv2.fillPoly(mask, [outline], 1)
    return mask.astype(bool)


def encode_mask(mask: np.ndarray) -> dict[str, Any]:
    """A bool mask `(height, width)` in COCO's run-length form.

    Returns:
        `{"size": [height, width], "counts": text}`, as COCO's tools read it.

    Example:

    >>> encode_mask(np.array([[False, True], [False, True]]))
    {'size': [2, 2], 'counts': '22'}
    """
    pixels = np.concatenate([[False], np.asarray(mask, bool).ravel(order="F"), [False]])
    edges = np.flatnonzero(pixels[1:] != pixels[:-1])
    if pixels[-2]:  # ends in the mask: the last edge is the end
        edges = edges[:-1]
    counts = np.diff(np.concatenate([[0], edges, [pixels.size - 2]]))
    return {"size": list(mask.shape), "counts": _pack_counts(counts.tolist())}


def decode_mask(encoded: Mapping[str, Any]) -> np.ndarray:
    """The bool mask `(height, width)` of COCO's run-length form, packed or a list.

    Raises:
        ValueError: If its runs do not fill the image.
    """
    height, width = encoded["size"]
    counts = encoded["counts"]
    counts = _unpack_counts(counts) if isinstance(counts, str) else counts
    if sum(counts) != height * width or min(counts) < 0:
        raise ValueError(f"its run lengths do not add up to {height} x {width} pixels")
    runs = np.arange(len(counts)) % 2 == 1
    return np.repeat(runs, counts).reshape(width, height).T


def _unpack_counts(text):
    """The run lengths in a COCO string: 5 bits a character, differences from the third.

    Reference:
        rleFrString in maskApi.c of https://github.com/cocodataset/cocoapi
    """
    counts, value, shift = [], 0, 0
    for character in text:
        bits = ord(character) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            value -= (1 << shift) if bits & 0x10 else 0
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value, shift = 0, 0
    return counts


def _pack_counts(counts):
    """The inverse of `_unpack_counts`."""
    text = []
    for number, count in enumerate(counts):
        value = count - counts[number - 2] if number > 2 else count
        is_whole = False
        while not is_whole:
            bits, value = value & 0x1F, value >> 5
            is_whole = value == (-1 if bits & 0x10 else 0)
            text.append(chr((bits if is_whole else bits | 0x20) + 48))
    return "".join(text)
