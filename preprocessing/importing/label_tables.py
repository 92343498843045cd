"""Labels from a table with a column of image files and a column of labels."""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from goodparts.command import InputError
from preprocessing.images import is_image
from preprocessing.importing.annotation_files import Annotation
from preprocessing.importing.mask_names import SPLIT_NAMES
from preprocessing.importing.matching import ImageIndex
from preprocessing.importing.shapes import clean_label

_LABELS = frozenset(
    "label labels class classes class_name classname category target defect "
    "defect_type type quality status result verdict grade annotation tag".split()
)
_PATHS = frozenset(
    "file files filename filepath image images imagename img picture photo path name "
    "id datei dateiname bild".split()
)
_BINARY = frozenset({"", "0", "1", "0.0", "1.0", "true", "false"})
_SPLITS = frozenset("split set subset partition dataset usage".split())
_UNKNOWN = frozenset("nan na n/a #n/a <na> null ? - --".split())  # no label
_MIN_NAMED = 0.5  # of the rows, that name an image in the column of paths


def find_table(folder: Path, files: Sequence[str]) -> str | None:
    """The name of the only table that lists images, or None.

    Raises:
        InputError: If there are several.
    """
    found = find_tables(folder, files)
    if len(found) > 1:
        raise InputError(
            f"{folder} has several tables that list its images: {', '.join(found)}. "
            "Keep only one of them."
        )
    return found[0] if found else None


def find_tables(folder: Path, files: Sequence[str]) -> list[str]:
    """The names of all tables that list images."""
    stems = _names_of_images(files)
    tables = [file for file in files if file.lower().endswith((".csv", ".tsv"))]
    return [file for file in tables if _path_columns(*_read(folder / file), stems)]


def read_table(folder: Path, file: str, files: Sequence[str]) -> list[Annotation]:
    """Reads the labels of a table.

    Returns:
        One for each row; its flag is the label.

    Raises:
        ValueError: If the column with the images or with the labels is uncertain.
    """
    header, rows = _read(folder / file)
    path = _path_column(header, rows, _names_of_images(files))
    if path is None:
        raise ValueError("no column contains the file names of the images")
    named = any(is_image(row[path].strip()) for row in rows if len(row) > path)
    label = _label_column(header, rows, path, is_sure=named)
    if is_image(header[path]):  # there is no header
        rows = [header, *rows]
    found = []
    for row in rows:
        image = row[path].strip() if len(row) > path else ""
        value = row[label].strip() if len(row) > label else ""
        try:
            said = Annotation(image, None, [], [], [], (_read_label(value),))
        except ValueError as error:
            problem = f"its row in {file} has no label: {error}"
            said = Annotation(image, None, [], [problem], [])
        found.append(said)
    return found


def read_splits(
    folder: Path, file: str, files: Sequence[str]
) -> tuple[str, dict[str, str]]:
    """The column of a table that assigns images to splits, and what it says.

    Args:
        folder: The source folder.
        file: Name of the table.
        files: Names of all files of the folder.

    Returns:
        Header of the column, and `train`, `validate` or `test` by image; an empty text
        and dict if no column, or more than one, holds names of splits alone.
    """
    header, rows = _read(folder / file)
    try:
        path = _path_column(header, rows, _names_of_images(files))
    except ValueError:
        return "", {}
    columns = [
        column
        for column in range(len(header))
        if _is_split_column(header, rows, column)
    ]
    if path is None or len(columns) != 1:
        return "", {}
    index, splits = ImageIndex(list(filter(is_image, files))), defaultdict(set)
    for row in rows:
        if len(row) > max(path, columns[0]):
            name = row[path].strip().replace("\\", "/")
            found = index.direct(file, name)[0] if name else []
            found = found or index.lenient(file, name, by_own_name=False)
            for image in found if len(found) == 1 else ():
                splits[image].add(
                    SPLIT_NAMES.get(row[columns[0]].strip().casefold(), "")
                )
    return header[columns[0]], {
        image: said.pop()
        for image, said in splits.items()
        if len(said) == 1 and "" not in said
    }


def _is_split_column(header, rows, column):
    """Whether a column assigns images to splits, by its header and its values."""
    if header[column].strip().casefold() not in _SPLITS:
        return False
    values = {row[column].strip().casefold() for row in rows if len(row) > column}
    values -= {""}
    return "train" in {SPLIT_NAMES.get(value) for value in values} and (
        values <= SPLIT_NAMES.keys()
    )


def _read_label(value):
    if value.casefold() in _UNKNOWN:
        raise ValueError(f"{value!r} means that there is none")
    return clean_label(value)


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return [], []
    lines = text.splitlines()
    mark = max(",;\t", key=lines[0].count) if lines else ","
    try:
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=mark) if row]
    except csv.Error:
        return [], []
    return (rows[0], rows[1:]) if rows else ([], [])


def _names_of_images(files):
    paths = [PurePosixPath(name) for name in files if is_image(name)]
    return {path.name.casefold() for path in paths} | {
        path.stem.casefold() for path in paths
    }


def _path_columns(header, rows, names):
    """The columns that contain image names in most of the rows.

    If a column has file names with an extension, numbers and bare stems are ignored: an
    index can match image names too, but not those of its rows.
    """
    columns = [
        [row[column].strip().replace("\\", "/") for row in rows if len(row) > column]
        for column in range(len(header))
    ]
    files = [sum(map(is_image, values)) >= _MIN_NAMED * len(rows) for values in columns]
    found = []
    for column, values in enumerate(columns):
        paths = map(PurePosixPath, values)
        named = sum(not names.isdisjoint(_spellings(path)) for path in paths)
        if (
            rows
            and named >= _MIN_NAMED * len(rows)
            and (files[column] or not any(files))
        ):
            found.append(column)
    return found


def _spellings(path):
    """The names by which a path may be that of an image: with its suffix or without."""
    name = path.name.casefold()
    return {name, path.stem.casefold()} if is_image(name) else {name}


def _path_column(header, rows, names):
    """The column of image names: the only one, or the only one with such a header."""
    found = _path_columns(header, rows, names)
    named = [column for column in found if _is_named_path(header[column])]
    if len(found) > 1 and len(named) != 1:
        raise ValueError(
            "several columns contain file names of images: "
            f"{' and '.join(header[i] for i in found)}; rename one of them to file, "
            "or keep only one"
        )
    return (named if len(found) > 1 else found or [None])[0]


def _is_named_path(name):
    words = set(re.findall(r"[^\W_]+", name.casefold()))
    return bool(words - {"id"}) and words <= _PATHS


def _label_column(header, rows, path, *, is_sure):
    """The column with a header for labels, or the only one besides the file names."""
    named = [name.strip().casefold().replace(" ", "_") for name in header]
    others = [
        column
        for column in range(len(header))
        if column != path and not _is_split_column(header, rows, column)
    ]
    found = [column for column in others if named[column] in _LABELS]
    if not found and len(others) == 1 and is_sure:
        found = others
    if len(found) != 1:
        raise ValueError(
            f"the column with the labels is not clear among {', '.join(header)}; keep "
            "one named label and the one with the images"
        )
    binary = [column for column in others if _is_binary(rows, column)]
    if len(binary) > 1 and found[0] in binary:
        raise ValueError(
            f"its columns {', '.join(header[i] for i in binary)} contain 0 and 1, and "
            "none of them alone is a label; write the label of each image in one "
            "column named label"
        )
    return found[0]


def _is_binary(rows, column):
    values = {row[column].strip().casefold() for row in rows if len(row) > column}
    return bool(values - {""}) and values <= _BINARY
