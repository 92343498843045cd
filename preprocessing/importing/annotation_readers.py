"""The files of each layout of annotations, and the functions that read them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from goodparts.command import InputError
from preprocessing.importing.annotation_files import Annotation, read_labelme, read_voc
from preprocessing.importing.annotation_kinds import annotation_layouts
from preprocessing.importing.coco_files import read_coco
from preprocessing.importing.doubts import Read
from preprocessing.importing.label_tables import find_table, read_table
from preprocessing.importing.matching import Claim
from preprocessing.importing.yolo_files import find_yolo, read_yolo

_FILES = {
    "labelme": (read_labelme, ".json"),
    "coco": (read_coco, ".json"),
    "voc": (read_voc, ".xml"),
}
BY_OWN_NAME = ("labelme", "voc", "yolo")  # a file speaks of the image of its name

Reader = Callable[[str], list[Annotation]]  # takes the name of a file


def readers(folder: Path, files: Sequence[str], layout: str) -> dict[str, Reader]:
    """The files of a layout, each with the function that reads it."""
    if layout == "yolo":
        texts, names = find_yolo(folder, files)
        if texts and not names:
            raise InputError(
                f"{folder} has YOLO labels ({texts[0]}), but no class names: add "
                "data.yaml, or classes.txt with one name per line."
            )
        return {file: lambda file: read_yolo(folder, file, names) for file in texts}
    if layout == "csv":
        table = find_table(folder, files)
        return {table: lambda file: read_table(folder, file, files)} if table else {}
    reader, suffix = _FILES[layout]
    named = [file for file in files if file.lower().endswith(suffix)]
    return {file: lambda file: reader(folder / file) for file in named}


def read_files(reader_of: Mapping[str, Reader]) -> Read:
    """Reads files, each with its own function, as `Read`."""
    read = Read([], set(), {})
    for file, reader in reader_of.items():
        try:
            annotations = reader(file)
        except (ValueError, OSError) as error:
            read.unreadable[file] = str(error)
            read.used.add(file)
            continue
        read.claims.extend(Claim(file, each) for each in annotations)
        if annotations:
            read.used.add(file)
    return read


def kinds(folder: Path, files: Sequence[str]) -> list[str]:
    """The annotation layouts for which there are files, except tables."""
    texts, names = find_yolo(folder, files)
    return [*annotation_layouts(folder, files), *["yolo"] * bool(texts and names)]
