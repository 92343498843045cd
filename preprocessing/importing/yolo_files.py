"""Instances from the text files of YOLO, with the names of data.yaml or classes.txt."""

import posixpath
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import yaml

from goodparts.command import InputError
from preprocessing.images import is_image
from preprocessing.importing.annotation_files import Annotation
from preprocessing.importing.shapes import box_shape, outline_shape, read_shapes

_NAME_FILES = ("classes.txt", "obj.names", "labels.txt", "_darknet.labels")


def find_yolo(folder: Path, files: Sequence[str]) -> tuple[list[str], dict[int, str]]:
    """The text files with YOLO rows and the name of an image, and the class names.

    Args:
        folder: The source folder.
        files: Names of all its files.

    Returns:
        The sorted text files, none where most of their rows are not of YOLO, and the
        class names as {number: name}, none where no file gives them.
    """
    stems = {PurePosixPath(name).stem for name in files if is_image(name)}
    texts = [
        name
        for name in files
        if name.lower().endswith(".txt") and PurePosixPath(name).stem in stems
    ]
    rows = [row for name in texts for row in _rows(folder / name)]
    if sum(map(_is_row, rows)) * 2 <= len(rows):
        return [], {}
    return texts, _read_names(folder, files)


def read_yolo(folder: Path, file: str, names: Mapping[int, str]) -> list[Annotation]:
    """Reads one text file: boxes, or outlines where a row has more than five numbers.

    Returns:
        One annotation, with coordinates as fractions of the image size.
    """

    def convert(row):
        return _shape(row, names)

    try:
        rows = _rows(folder / file)
    except UnicodeDecodeError as error:
        raise ValueError(str(error)) from error
    shapes = read_shapes(rows, convert, "row")
    path = PurePosixPath(file)
    parts = ["images" if part == "labels" else part for part in path.parts[:-1]]
    image = posixpath.relpath("/".join([*parts, path.stem]), str(path.parent))
    return [Annotation(image, None, *shapes, is_relative=True)]


def _rows(path):
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return [["unreadable"]]
    return [line.split() for line in text.splitlines() if line.strip()]


def _is_row(row):
    return len(row) >= 5 and row[0].isdecimal() and all(map(_is_number, row[1:]))


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def _shape(row, names):
    if not _is_row(row) or (len(row) > 5 and len(row) % 2 == 0):
        raise ValueError(f"it is neither a box nor an outline: {' '.join(row)[:40]!r}")
    number, values = int(row[0]), list(map(float, row[1:]))
    if number not in names:
        raise ValueError(f"class {number} has no name")
    if not all(-0.01 <= value <= 1.01 for value in values):
        raise ValueError(
            "its coordinates must be fractions of the image size, from 0 to 1"
        )
    if len(values) == 4:
        x, y, width, height = values
        if not (width > 0 and height > 0):
            raise ValueError(f"{names[number]!r} has no area")
        low, high = (x - width / 2, y - height / 2), (x + width / 2, y + height / 2)
        return box_shape(names[number], [low, high])
    return outline_shape(names[number], [values])


def _read_names(folder, files):
    """The class names of a data set; none where files do not agree."""
    found = []
    for file in files:
        name = PurePosixPath(file).name.lower()
        if name in _NAME_FILES or name.endswith(".names"):
            found.append(_listed_names(file, _text(folder / file)))
        elif name.endswith((".yaml", ".yml")):
            names = _yaml_names(_text(folder / file))
            found += [names] if names else []
    return found[0] if found and all(names == found[0] for names in found) else {}


def _text(path):
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return ""


def _listed_names(file, text):
    """The names of a list, one in a line, by their number.

    Raises:
        InputError: If a line is empty or a comment, so that numbers are not certain.
    """
    lines = [line.strip() for line in text.strip().splitlines()]
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#"):
            raise InputError(
                f"Line {number} of {file} has no class name, so the numbers of the "
                "other classes are uncertain. Keep only class names in this file, "
                "one per line."
            )
    return dict(enumerate(lines))


class _Loader(yaml.BaseLoader):
    """Reads all values as text, and no key twice."""

    def construct_mapping(self, node, deep=False):
        content = super().construct_mapping(node, deep)
        if len(content) < len(node.value):
            raise yaml.YAMLError("a key occurs twice")
        return content


def _yaml_names(text):
    """`names` of a data.yaml, a list or {number: name}; none where it is broken."""
    try:
        content = yaml.load(text, _Loader)
    except (yaml.YAMLError, RecursionError):
        return {}
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict):
        return {}
    usable = all(
        isinstance(name, str) and name.strip() and str(number).isdecimal()
        for number, name in names.items()
    )
    return (
        {int(number): name.strip() for number, name in names.items()} if usable else {}
    )
