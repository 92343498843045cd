"""Instances from COCO files, whose ids are checked before they are trusted."""

from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

from preprocessing.importing.annotation_files import (
    Annotation,
    read_json_file,
    read_size,
)
from preprocessing.importing.shapes import (
    BROKEN,
    box_shape,
    clean_label,
    mask_outlines,
    outline_shape,
    read_shapes,
)
from preprocessing.importing.unread_keys import unread_keys
from preprocessing.instances import decode_mask

_IMAGE_KEYS = frozenset(
    "id file_name width height license flickr_url coco_url date_captured".split()
)


class _Entry(NamedTuple):
    """An image of the file: its id as a key, name, size, conflict and unread labels."""

    key: str
    name: str
    size: tuple[int, int] | None
    conflict: str
    problems: list[str]


def read_coco(path: Path) -> list[Annotation]:
    """Reads a COCO JSON: polygons, run lengths (their holes filled) and boxes.

    Images with an ambiguous id get a conflict, and shapes with an ambiguous category
    become problems; nothing is guessed.

    Returns:
        One for each image, or none when the file is of another kind.
    """
    content = read_json_file(path)
    if not is_coco(content):
        return []
    images, items = content["images"], content["annotations"]
    if not isinstance(images, list) or not isinstance(items, list):
        raise ValueError(
            "is not a complete COCO file: images and annotations must be lists"
        )
    categories = _read_categories(content.get("categories"))
    entries, unnamed = _read_entries(images, categories)
    of_image = defaultdict(list)
    for item in items:
        of_image[_item_key(item, "image_id")].append(item)
    remarks = _remarks_on_ids(images, items)

    def convert(item):
        return _coco_shape(item, categories)

    found = []
    for entry in entries:
        its = of_image.get(entry.key, [])
        shapes = read_shapes(its, convert, "annotation")
        shapes.problems.extend(entry.problems)
        size = _size_of_runs(its, entry.size)
        found.append(Annotation(entry.name, size, *shapes, conflict=entry.conflict))
    known = {entry.key for entry in entries}
    for key in [key for key in of_image if key not in known] + unnamed:
        shapes = read_shapes(of_image.get(key, []), convert, "annotation")
        name = "without an id" if key is None else f"with id {key}"
        found.append(Annotation(name, None, *shapes, names_no_image=True))
    if remarks and found:
        first = found[0]
        found[0] = first._replace(remarks=[*first.remarks, *remarks])
    return found


def is_coco(content: object) -> bool:
    return isinstance(content, dict) and {"images", "annotations"} <= content.keys()


def id_key(value: object) -> str | None:
    """Normalises an id: 1, 1.0 and "1" are the same; None if it is not an id."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and value.strip().lstrip("-").isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str | float):
        return None
    return str(value).strip()


def _item_key(item, name):
    return id_key(item.get(name)) if isinstance(item, dict) else None


def _read_entries(images, categories):
    """The images of the file, and the keys of those that have no name."""
    names, sizes, unnamed, problems = defaultdict(list), {}, [], defaultdict(list)
    for item in images:
        key = _item_key(item, "id")
        name = item.get("file_name") if isinstance(item, dict) else None
        if key is None or not isinstance(name, str) or not name.strip():
            unnamed.append(key)
            continue
        if name not in names[key]:
            names[key].append(name)
        sizes[key, name] = read_size(item.get("height"), item.get("width"))
        problems[key, name] += unread_keys(_named(item, categories), _IMAGE_KEYS)
    entries = []
    for key, found in names.items():
        conflict = ""
        if len(found) > 1:
            conflict = f"image id {key} is used for {' and '.join(found[:3])}"
        entries += [
            _Entry(key, name, sizes[key, name], conflict, problems[key, name])
            for name in found
        ]
    return entries, [key for key in unnamed if key not in names]


def _named(item, categories):
    """The entry of an image, its ids of categories replaced by their names."""
    content = dict(item)
    for key in content.keys() & {"category_id", "category_ids"}:
        ids = content[key] if isinstance(content[key], list) else [content[key]]
        names = [categories.get(id_key(each), [each]) for each in ids]
        content[key] = [name for found in names for name in found]
    return content


def _read_categories(items):
    """Names of the categories by the key of their id; several for a duplicate id."""
    names = defaultdict(list)
    for item in items if isinstance(items, list) else []:
        key = _item_key(item, "id")
        name = item.get("name") if isinstance(item, dict) else None
        if key is not None and name not in names[key]:
            names[key].append(name)
    return names


def _remarks_on_ids(images, items):
    """Remarks on unusual ids in a file that do not affect its labels."""
    remarks = []
    types = {type(item.get("id")) for item in images if isinstance(item, dict)}
    types |= {type(item.get("image_id")) for item in items if isinstance(item, dict)}
    if len(types) > 1:
        names = " and ".join(sorted(kind.__name__ for kind in types))
        remarks.append(
            f"image ids have several types ({names}) and were matched by value"
        )
    ids = [_item_key(item, "id") for item in items]
    counts = Counter(key for key in ids if key is not None)
    twice = [key for key, count in counts.items() if count > 1]
    if twice:
        remarks.append(
            f"{len(twice)} annotation ids occur more than once, the first is "
            f"{twice[0]}; all annotations were read"
        )
    return remarks


def _size_of_runs(items, size):
    """The `(height, width)` of run lengths that are not of the given size, or that."""
    for item in items:
        outline = item.get("segmentation") if isinstance(item, dict) else None
        runs = outline.get("size") if isinstance(outline, dict) else None
        of_runs = (
            read_size(*runs) if isinstance(runs, list) and len(runs) == 2 else None
        )
        if of_runs and of_runs != size:
            return of_runs
    return size


def _coco_shape(item, categories):
    label = _category(item["category_id"], categories)
    outline = item.get("segmentation")
    corners, wrong_box = _corners(item, label)
    if isinstance(outline, dict):
        try:
            outlines = mask_outlines(decode_mask(outline))
        except BROKEN:
            if corners is None:
                raise
            outlines = []
        return outline_shape(label, outlines, corners=corners, pixel=1)
    if outline and isinstance(outline, list):
        if not isinstance(outline[0], list) and isinstance(outline[0], int | float):
            outline = [outline]  # one polygon without its list
        return outline_shape(label, outline, corners=corners)
    if corners is None:
        raise wrong_box
    return box_shape(label, corners)


def _category(value, categories):
    names = categories.get(id_key(value), [])
    if not names:
        raise ValueError(f"category_id {value} is not one of the categories")
    if len(names) > 1:
        raise ValueError(
            f"category id {value} is used for {' and '.join(map(str, names))}"
        )
    return clean_label(names[0])


def _corners(item, label):
    """Two corners of the box of an annotation, or None and the error."""
    try:
        x, y, width, height = map(float, item["bbox"])
        if not (width > 0 and height > 0):
            raise ValueError(f"{label!r} has no area")
        corners = [(x, y), (x + width, y + height)]
        box_shape(label, corners)
    except BROKEN as error:
        return None, error
    return corners, None
