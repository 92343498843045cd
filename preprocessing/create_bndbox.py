"""Makes bounding boxes from defect masks.

    goodparts boxes                      every data set under dataset/
    goodparts boxes dataset/screw        this one

Writes a Pascal VOC file <split>/boxes/<class>/<stem>.xml for each image that has a mask
or annotated instances, and all boxes and outlines to instances.json (COCO). If there is
a mask, the boxes come from the mask. A thousand masks take about ten seconds.
"""

if __name__ == "__main__":
    from goodparts.cli import start

    start("boxes")

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from goodparts.command import InputError, command_line, progress
from goodparts.files import PathLike, write_text
from preprocessing.images import image_size
from preprocessing.instances import (
    draw_instances,
    mask_instances,
    read_instances,
    read_truth_mask,
    write_instances,
)
from preprocessing.manifest import SPLITS, read_dataset

DATASETS = Path("dataset")


def find_datasets(folders: Iterable[PathLike]) -> list[Path]:
    """The given folders, or every data set under dataset/ if none is given.

    Raises:
        InputError: If there is none.
    """
    found = list(map(Path, folders)) or sorted(
        path.parent for path in DATASETS.glob("[!.]*/manifest.csv")
    )
    if not found:
        raise InputError(
            f"There is no data set under {DATASETS.resolve()}. "
            f"Make one from your images with {command_line('folders FOLDER')}."
        )
    return found


def create_boxes(folder: PathLike) -> int:
    """Writes the VOC files and instances.json of a data set, and prints a line.

    Running it twice gives the same files; files of deleted images are removed.

    Returns:
        The number of boxes.
    """
    dataset = read_dataset(folder)
    folder = dataset.folder
    stored = read_instances(folder / "instances.json")
    samples, written = [], set()
    rows = dataset.manifest.to_dict("records")
    for row in progress(rows, dataset.name, len(rows)):
        size = image_size(folder / row["path"])
        instances = stored.get(row["sample_id"], [])
        if row["mask_path"]:
            mask = read_truth_mask(folder, row["mask_path"], size)
            instances = _agreeing(instances, mask, row["label"])
        sample = {**row, "size": size, "instances": instances}
        samples.append(sample)
        if row["mask_path"] or instances:
            path = folder / box_path(row["path"])
            write_text(path, voc_text(sample))
            written.add(path)
    _remove_others(folder, written)
    write_instances(folder / "instances.json", samples, dataset.classes)
    num_boxes = sum(len(sample["instances"]) for sample in samples)
    result = (
        f"{num_boxes} boxes in {len(written)} images, in {folder}/<split>/boxes and "
        f"{folder}/instances.json"
    )
    if not written:
        result = "no boxes, because no image has a mask or an annotated defect"
    print(f"{dataset.name}: {result}")
    return num_boxes


def _agreeing(instances, mask, label):
    """The stored instances if they cover just the mask, else the mask's parts.

    Annotated defects that touch are one part of the mask, but stay two instances.
    """
    parts = mask_instances(mask, label)
    drawn = draw_instances(instances, mask.shape)
    same = (drawn == draw_instances(parts, mask.shape)).all()
    return instances if instances and same else parts


def box_path(image_path: PathLike) -> Path:
    """The path of the VOC file of an image: `<split>/boxes/<class>/<stem>.xml`."""
    path = Path(image_path)
    return path.parents[2] / "boxes" / path.parent.name / f"{path.stem}.xml"


def voc_text(sample: Mapping[str, Any]) -> str:
    """Pascal VOC's XML of an image; `xmax = x + width`, so that xmax - xmin = width.

    Args:
        sample: As for `write_instances`, with the manifest's `mask_path`.
    """
    path = Path(sample["path"])
    height, width = sample["size"]
    root = ElementTree.Element("annotation")
    _add(root, folder=path.parent.name, filename=path.name)
    size = ElementTree.SubElement(root, "size")
    _add(size, width=width, height=height, depth=3)
    _add(root, segmented=int(bool(sample["mask_path"])))
    for each in sample["instances"]:
        x, y, box_width, box_height = each["bbox"]
        entry = ElementTree.SubElement(root, "object")
        _add(entry, name=each["label"], pose="Unspecified", truncated=0, difficult=0)
        _add(
            ElementTree.SubElement(entry, "bndbox"),
            xmin=math.floor(x),
            ymin=math.floor(y),
            xmax=math.ceil(x + box_width),
            ymax=math.ceil(y + box_height),
        )
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _add(parent, **texts):
    for tag, text in texts.items():
        ElementTree.SubElement(parent, tag).text = str(text)


def _remove_others(folder, written):
    for split in SPLITS:
        for path in (folder / split / "boxes").glob("*/*"):
            if path.suffix in (".xml", ".partial") and path not in written:
                path.unlink()
        for path in (folder / split / "boxes").glob("*"):
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
