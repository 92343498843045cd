"""Instances from the annotation files of labelme, COCO and Pascal VOC.

Every reader takes one file and returns a list of `Annotation`, one per image that
the file speaks of: none when the file is of another kind. It raises ValueError when
the file cannot be parsed; a single shape that cannot be used is only a problem.

An instance is `{"label": name, "bbox": [x, y, width, height], "polygons": [...]}` in
pixels, each polygon `[x0, y0, x1, y1, ...]`; no polygons when only a box is known.
"""

import json
import math
from typing import NamedTuple
from xml.etree import ElementTree

import cv2
import numpy as np

from preprocessing.instances import decode_mask


class Annotation(NamedTuple):
    """What a file says of one image.

    Attributes:
        image: Name of the image file, as the annotation gives it.
        size: `(height, width)` the image had when it was annotated, or None.
        instances: See the module.
        problems: One text per shape that cannot be used.
    """

    image: str
    size: tuple | None
    instances: list
    problems: list


def read_labelme(path):
    """Reads a labelme JSON: polygons, circles, and rectangles (as boxes)."""
    content = _read_json(path)
    if not _is_labelme(content):
        return []
    size = _size(content.get("imageHeight"), content.get("imageWidth"))
    shapes = _collect(content["shapes"], _labelme_instance, "shape")
    return [Annotation(str(content.get("imagePath") or ""), size, *shapes)]


def read_coco(path):
    """Reads a COCO JSON: polygons, run lengths (their holes filled) and boxes."""
    content = _read_json(path)
    if not _is_coco(content):
        return []
    try:
        names = {item["id"]: item["name"] for item in content.get("categories", [])}
        images = {item["id"]: item for item in content["images"]}
        shapes = {number: [] for number in images}
        for item in content["annotations"]:
            shapes.setdefault(item["image_id"], []).append(item)
        unknown = {number: f"with id {number}" for number in shapes}
        files = unknown | {
            number: str(item["file_name"]) for number, item in images.items()
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"is no complete COCO file: {_reason(error)}") from error
    annotations = []
    for number, items in shapes.items():
        image = images.get(number, {})
        size = _size(image.get("height"), image.get("width"))
        found = _collect(items, lambda item: _coco_instance(item, names), "annotation")
        annotations.append(Annotation(files[number], size, *found))
    return annotations


def read_voc(path):
    """Reads a Pascal VOC XML: boxes, their corners taken as they stand."""
    root = _read_xml(path)
    if root.tag != "annotation":
        return []
    size = _size(root.findtext("size/height"), root.findtext("size/width"))
    objects = _collect(root.findall("object"), _voc_instance, "object")
    return [Annotation((root.findtext("filename") or "").strip(), size, *objects)]


def annotation_layout(path):
    """`labelme`, `coco` or `voc`; None when the file is something else."""
    try:
        if path.suffix.lower() == ".xml":
            return "voc" if _read_xml(path).tag == "annotation" else None
        content = _read_json(path)
    except (ValueError, OSError):
        return None
    if _is_labelme(content):
        return "labelme"
    return "coco" if _is_coco(content) else None


def _labelme_instance(shape):
    points = [(float(x), float(y)) for x, y in shape["points"]]
    kind = shape.get("shape_type") or "polygon"
    if kind == "polygon":
        return _instance(shape["label"], [points])
    if kind == "rectangle":
        return _instance(shape["label"], [points], box_only=True)
    if kind == "circle":
        (x, y), edge = points
        radius = math.dist((x, y), edge)
        angles = [2 * math.pi * step / 64 for step in range(64)]
        circle = [
            (x + radius * math.cos(angle), y + radius * math.sin(angle))
            for angle in angles
        ]
        return _instance(shape["label"], [circle])
    raise ValueError(f"a {kind} has no area; draw a polygon, rectangle or circle")


def _coco_instance(item, names):
    if item["category_id"] not in names:
        raise ValueError(f"category_id {item['category_id']} is none of the categories")
    label = names[item["category_id"]]
    outline = item.get("segmentation")
    if isinstance(outline, dict):
        return _instance(label, _run_length_polygons(outline), pixel=1)
    if outline:
        return _instance(label, [np.reshape(part, (-1, 2)) for part in outline])
    x, y, width, height = map(float, item["bbox"])
    box = [(x, y), (x + width, y + height)]
    return _instance(label, [box], box_only=True)


def _voc_instance(item):
    box = item.find("bndbox")
    if box is None:
        raise ValueError("it has no bndbox")
    left, top, right, bottom = (
        float(box.findtext(name) or "nan") for name in ("xmin", "ymin", "xmax", "ymax")
    )
    corners = [(left, top), (right, bottom)]
    return _instance(item.findtext("name"), [corners], box_only=True)


def _instance(label, outlines, *, box_only=False, pixel=0):
    """An instance from its outlines of `(x, y)` points.

    `pixel` is 1 where the points are the pixels of the rim, which belong to the box.
    """
    outlines = [np.asarray(points, float) for points in outlines]
    label = label.strip() if isinstance(label, str) else ""
    label = label.replace("/", "_").replace("\\", "_")  # it becomes a folder's name
    if not label or label.startswith("."):
        raise ValueError(f"{label!r} cannot be a label")
    if not box_only and min(map(len, outlines)) < 3:
        raise ValueError(f"the polygon of {label!r} has less than 3 points")
    points = np.concatenate(outlines)
    low, high = points.min(axis=0), points.max(axis=0) + pixel
    if not np.isfinite(points).all() or not (high > low).all():
        raise ValueError(f"{label!r} has no area")
    polygons = [] if box_only else [points.ravel().tolist() for points in outlines]
    bbox = [*low.tolist(), *(high - low).tolist()]
    return {"label": label, "bbox": bbox, "polygons": polygons}


def _run_length_polygons(encoded):
    """The outlines of a COCO run-length mask, whose pixels go down the columns."""
    mask = decode_mask(encoded).astype(np.uint8)
    outlines, _ = cv2.findContours(
        np.ascontiguousarray(mask), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    if not outlines:
        raise ValueError("its mask is empty")
    # A spot of one or two pixels becomes a polygon of three points like any other.
    return [
        np.pad(outline[:, 0], ((0, max(0, 3 - len(outline))), (0, 0)), mode="edge")
        for outline in outlines
    ]


def _collect(items, convert, name):
    instances, problems = [], []
    if not isinstance(items, list):
        return instances, [f"a list of {name}s is expected"]
    for number, item in enumerate(items, 1):
        try:
            instances.append(convert(item))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problems.append(f"{name} {number} is left out: {_reason(error)}")
    return instances, problems


def _reason(error):
    return f"it lacks {error}" if isinstance(error, KeyError) else str(error)


def _size(height, width):
    try:
        size = int(height), int(width)
    except (TypeError, ValueError, OverflowError):
        return None
    return size if min(size) > 0 else None


def _is_labelme(content):
    return isinstance(content, dict) and "shapes" in content


def _is_coco(content):
    return isinstance(content, dict) and {"images", "annotations"} <= content.keys()


def _read_json(path):
    return json.loads(path.read_bytes())


def _read_xml(path):
    try:
        return ElementTree.fromstring(path.read_bytes())
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from error
