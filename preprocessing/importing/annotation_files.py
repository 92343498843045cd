"""Reads annotation files of labelme and Pascal VOC; see coco_files.py for COCO.

Every reader takes one file and returns a list of `Annotation`, one per image in the
file; it is empty if the file has another format. It raises ValueError when the file
cannot be parsed; a single shape that cannot be used is only a problem.
"""

import base64
import io
import json
import math
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from preprocessing.importing.shapes import (
    BROKEN,
    box_shape,
    clean_label,
    mask_outlines,
    outline_shape,
    read_shapes,
)
from preprocessing.importing.unread_keys import unread_keys
from preprocessing.instances import Instance
from preprocessing.normal_names import is_normal_name

_LABELME_KEYS = frozenset(
    "version flags shapes imagePath imageData imageHeight imageWidth text "
    "description".split()
)
_VOC_KEYS = frozenset("folder filename path source size segmented owner object".split())
_TRUE, _FALSE = (True, 1, "true", "True"), (False, 0, None, "", "false", "False")


class Annotation(NamedTuple):
    """The annotation of one image in a file.

    Attributes:
        image: Name of the image file, as the annotation gives it.
        size: `(height, width)` of the image when it was annotated, or None.
        instances: Instances of the image.
        problems: One text per shape or flag that cannot be used: the image may have
            a defect that is not among the instances.
        remarks: Further remarks.
        flags: The labels that the whole image is given.
        conflict: Why it is unknown which image or label is meant; or empty.
        names_no_image: Whether the file has shapes of an image it does not name.
        is_relative: Whether coordinates are shares of width and height.
        denied: The labels that the whole image does not have.
    """

    image: str
    size: tuple[int, int] | None
    instances: list[Instance]
    problems: list[str]
    remarks: list[str]
    flags: tuple[str, ...] = ()
    conflict: str = ""
    names_no_image: bool = False
    is_relative: bool = False
    denied: tuple[str, ...] = ()

    @property
    def says_something(self) -> bool:
        """Whether it may mark a defect."""
        return bool(self.instances or self.problems or self.flags or self.conflict)


def read_labelme(path: Path) -> list[Annotation]:
    """Reads a labelme JSON: polygons, circles, rectangles (as boxes), masks, flags."""
    content = read_json_file(path)
    if not is_labelme(content):
        return []
    size = read_size(content.get("imageHeight"), content.get("imageWidth"))
    shapes = read_shapes(content.get("shapes", []), _labelme_shape, "shape")
    flags, denied, problems = _labelme_flags(content.get("flags"))
    problems += unread_keys(content, _LABELME_KEYS)
    name = content.get("imagePath")
    name = name if isinstance(name, str) else ""
    return [
        Annotation(
            name,
            size,
            shapes.instances,
            shapes.problems + problems,
            shapes.remarks,
            flags,
            denied=denied,
        )
    ]


def read_voc(path: Path) -> list[Annotation]:
    """Reads a Pascal VOC XML: boxes, their corners taken as they stand."""
    root = read_xml_file(path)
    if root.tag != "annotation":
        return []
    size = read_size(root.findtext("size/height"), root.findtext("size/width"))
    shapes = read_shapes(root.findall("object"), _voc_shape, "object")
    if len(list(root.iter("bndbox"))) > len(root.findall("object/bndbox")):
        shapes.problems.append("a bndbox is not inside an object")
    content = {
        each.tag: dict.fromkeys(e.tag for e in each) or each.text for each in root
    }
    shapes.problems.extend(unread_keys(content, _VOC_KEYS))
    return [Annotation((root.findtext("filename") or "").strip(), size, *shapes)]


def _labelme_flags(flags):
    """The names of the true and of the false flags, and what cannot be understood."""
    if flags in (None, {}, []):
        return (), (), []
    if not isinstance(flags, dict):
        return (), (), ["its flags are not a mapping from names to true or false"]
    found, denied, problems = [], [], []
    for name, value in flags.items():
        try:
            if not isinstance(value, list | dict) and value in _TRUE:
                found.append(clean_label(name))
            elif isinstance(value, list | dict) or value not in _FALSE:
                problems.append(f"flag {name!r} is neither true nor false: {value!r}")
            else:
                denied.append(name.strip())
        except ValueError as error:
            problems.append(f"flag {name!r}: {error}")
    return tuple(sorted(found)), tuple(sorted(denied)), problems


def _labelme_shape(shape):
    if is_normal_name(str(shape["label"])):
        flags, _, problems = _labelme_flags(shape.get("flags"))
        others = [flag for flag in flags if not is_normal_name(flag)]
        if others or problems:
            raise ValueError(
                f"{shape['label']!r} has the flag {(others + problems)[0]}"
            )
    kind = shape.get("shape_type") or "polygon"
    if kind == "mask":
        return _labelme_mask(shape)
    points = [(float(x), float(y)) for x, y in shape["points"]]
    if kind in ("polygon", "rotation", "oriented_rectangle"):
        return outline_shape(shape["label"], [points])
    if kind == "rectangle":
        return box_shape(shape["label"], points)
    if kind == "circle":
        (x, y), edge = points
        radius = math.dist((x, y), edge)
        angles = [2 * math.pi * step / 64 for step in range(64)]
        circle = [
            (x + radius * math.cos(angle), y + radius * math.sin(angle))
            for angle in angles
        ]
        return outline_shape(shape["label"], [circle])
    raise ValueError(
        f"a shape of the type {kind} has no area; draw a polygon, rectangle or circle"
    )


def _labelme_mask(shape):
    """A mask drawn by labelme: a PNG of the box between its two points."""
    corners = [(float(x), float(y)) for x, y in shape["points"]]
    left, top = np.min(corners, axis=0)
    try:
        content = io.BytesIO(base64.b64decode(shape["mask"], validate=True))
        with Image.open(content) as image:
            mask = np.asarray(image.convert("L")) > 0
        outlines = [points + (left, top) for points in mask_outlines(mask)]
    except (*BROKEN, OSError, SyntaxError):
        outlines = []
    return outline_shape(shape["label"], outlines, corners=corners, pixel=1)


def _voc_shape(item):
    box = item.find("bndbox")
    if box is None:
        raise ValueError("it has no bndbox")
    left, top, right, bottom = (
        float(box.findtext(name) or "nan") for name in ("xmin", "ymin", "xmax", "ymax")
    )
    label = clean_label(item.findtext("name"))
    if not (right > left and bottom > top):
        raise ValueError(f"{label!r} has no area")
    return box_shape(label, [(left, top), (right, bottom)])


def read_size(height: Any, width: Any) -> tuple[int, int] | None:
    """`(height, width)` of the numbers in a file, or None."""
    try:
        size = int(height), int(width)
    except (TypeError, ValueError, OverflowError):
        return None
    return size if min(size) > 0 else None


def is_labelme(content: object) -> bool:
    if not isinstance(content, dict):
        return False
    return "shapes" in content or {"imagePath", "flags"} <= content.keys()


def read_json_file(path: Path) -> Any:
    """Reads a JSON file; raises ValueError if it is invalid or has a duplicate key."""
    try:
        return json.loads(path.read_bytes(), object_pairs_hook=_unique_keys)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _unique_keys(pairs):
    content = dict(pairs)
    if len(content) < len(pairs):
        for key, value in pairs:
            if value != content[key]:
                raise ValueError(f"{key!r} occurs twice with different values")
    return content


def read_xml_file(path: Path) -> ElementTree.Element:
    """The root of an XML file, its tags without namespaces and in lower case.

    Raises:
        ValueError: If it is not valid XML.
    """
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except (ElementTree.ParseError, LookupError) as error:
        raise ValueError(str(error)) from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2].lower()
    return root
