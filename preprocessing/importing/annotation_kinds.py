"""Detects the formats of the annotation files in a folder."""

from collections.abc import Iterable
from pathlib import Path

from goodparts.files import PathLike
from preprocessing.importing.annotation_files import (
    is_labelme,
    read_json_file,
    read_xml_file,
)
from preprocessing.importing.coco_files import is_coco


def annotation_layouts(folder: PathLike, files: Iterable[str]) -> dict[str, str]:
    """The first file of every kind, `labelme`, `coco` or `voc`, as {kind: name}."""
    found = {}
    for name in files:
        if name.lower().endswith((".json", ".xml")):
            kind = annotation_layout(Path(folder, name))
            if kind:
                found.setdefault(kind, name)
    return found


def annotation_layout(path: Path) -> str | None:
    """`labelme`, `coco` or `voc`; None when the file is something else."""
    try:
        if path.suffix.lower() == ".xml":
            return "voc" if read_xml_file(path).tag == "annotation" else None
        content = read_json_file(path)
    except (ValueError, OSError):
        return None
    if is_labelme(content):
        return "labelme"
    return "coco" if is_coco(content) else None
