"""Small sources in every layout, for the tests of importing."""

import json

import numpy as np

from preprocessing.images import write_image

SIZE = (64, 64)
SQUARE = [[10, 20], [30, 20], [30, 40], [10, 40]]
BOX = {"bbox": [10, 20, 20, 20]}
FLAT = [10, 20, 30, 20, 30, 40, 10, 40]


def picture(path, size=SIZE):
    write_image(path, np.full((*size, 3), 90, np.uint8))


def mask(path, *, defect=True, size=SIZE):
    pixels = np.zeros(size, bool)
    pixels[10:20, 10:20] = defect
    write_image(path, pixels)


def shape(label="hole", kind="polygon", points=SQUARE, **more):
    return {"label": label, "shape_type": kind, "points": points, **more}


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_labelme(path, image, *shapes, flags=None):
    content = {"shapes": list(shapes), "imagePath": image, "flags": flags or {}}
    write_json(path, content)


def coco(names, annotations, categories=("hole",)):
    """Content of a COCO file: ids from 1, annotations as (image id, category, rest)."""
    return {
        "images": [
            {"id": number, "file_name": name} for number, name in enumerate(names, 1)
        ],
        "annotations": [
            {"id": number, "image_id": image, "category_id": category, **rest}
            for number, (image, category, rest) in enumerate(annotations, 1)
        ],
        "categories": [
            {"id": number, "name": name} for number, name in enumerate(categories, 1)
        ],
    }


def labels(source):
    return {image.source: image.label for image in source.images}


def reasons(source):
    """All that is said of each file, joined."""
    said = {}
    for path, reason in source.rejected:
        said[path] = f"{said[path]} | {reason}" if path in said else reason
    return said
