"""Labels from one table: a column that names the images and one with their labels."""

import csv
import io
from pathlib import PurePosixPath

from goodparts.command import InputError
from preprocessing.images import is_image
from preprocessing.importing.annotation_files import Annotation
from preprocessing.importing.shapes import clean_label

_LABELS = frozenset(
    "label labels class classes class_name classname category target defect "
    "defect_type type quality status result verdict grade annotation tag".split()
)
_MIN_NAMED = 0.5  # of the rows, that name an image in the column of paths


def find_table(folder, files):
    """The name of the one table whose rows name images, or None.

    Raises:
        InputError: If there are several.
    """
    stems = _names_of_images(files)
    found = []
    for file in files:
        if file.lower().endswith((".csv", ".tsv")):
            header, rows = _read(folder / file)
            if _path_column(header, rows, stems) is not None:
                found.append(file)
    if len(found) > 1:
        raise InputError(
            f"{folder} has several tables that name its images: {', '.join(found)}. "
            "Leave one of them there."
        )
    return found[0] if found else None


def read_table(folder, file, files):
    """Reads the labels of a table.

    Returns:
        A list of `Annotation`, whose flag is the label.

    Raises:
        ValueError: If the column with the labels is not to be found.
    """
    header, rows = _read(folder / file)
    path = _path_column(header, rows, _names_of_images(files))
    if path is None:
        raise ValueError("no column names the images")
    named = any(is_image(row[path].strip()) for row in rows if len(row) > path)
    label = _label_column(header, path, is_sure=named)
    if is_image(header[path]):  # there is no header
        rows = [header, *rows]
    found = []
    for row in rows:
        image = row[path].strip() if len(row) > path else ""
        value = row[label].strip() if len(row) > label else ""
        try:
            flags, problems = (clean_label(value),), []
        except ValueError as error:
            flags, problems = (), [f"its row in {file} has no label: {error}"]
        found.append(Annotation(image, None, [], problems, [], flags))
    return found


def _read(path):
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


def _path_column(header, rows, names):
    """The first column that names images in most of the rows, or None."""
    shares = []
    for column in range(len(header)):
        values = [row[column].replace("\\", "/") for row in rows if len(row) > column]
        named = [PurePosixPath(value).name.casefold() in names for value in values]
        shares.append(sum(named) / len(rows) if rows else 0)
    best = max(shares, default=0)
    return shares.index(best) if best >= _MIN_NAMED else None


def _label_column(header, path, *, is_sure):
    """The column named as one of labels; or the only other one beside file names."""
    named = [name.strip().casefold().replace(" ", "_") for name in header]
    others = [column for column in range(len(header)) if column != path]
    found = [column for column in others if named[column] in _LABELS]
    if not found and len(others) == 1 and is_sure:
        found = others
    if len(found) != 1:
        raise ValueError(
            f"which column has the labels? It has {', '.join(header)}; leave one named "
            "label beside the one with the images"
        )
    return found[0]
