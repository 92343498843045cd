"""Checks that a data set with only good parts, or similar class names, is intended."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from goodparts.command import InputError
from goodparts.files import PathLike
from preprocessing.images import is_image
from preprocessing.importing.found_image import Rejected
from preprocessing.importing.layouts import GOOD_PARTS
from preprocessing.importing.mask_names import SPLIT_FOLDERS, is_role, mask_key
from preprocessing.normal_names import is_normal_name

if TYPE_CHECKING:
    import pandas as pd


def check_good_alone(
    source: PathLike,
    layout: str,
    table: pd.DataFrame,
    rejected: Iterable[Rejected],
    normal_class: str | None,
) -> None:
    """Raises InputError unless a single class was meant to be the only one.

    Its name, the option or the layout must say that these are good parts. Images
    without annotated defects may not be annotated yet, so they have to be in a folder
    of good parts. And no other class may be missing because its files are damaged.

    Args:
        source: The folder of images.
        layout: One of LAYOUTS.
        table: Table from `place_files`.
        rejected: Every `Rejected`.
        normal_class: The class of good parts as it was given, or None.
    """
    only = table["label"].iloc[0]
    if layout == GOOD_PARTS:
        return
    if normal_class is None and not is_normal_name(only):
        raise InputError(
            f"{source} has only one class, {only!r}. If these are the good parts, add "
            f"--normal-class {shlex.quote(only)}; if not, add folders of good and of "
            "defective parts."
        )
    if not all(only in _folders(path) for path in table["source"]):
        raise InputError(
            f"No defect is marked in {source} (layout {layout}), and no folder "
            f"{only!r} says that these are good parts. If every image is a good part, "
            f"add --layout {GOOD_PARTS}; if not, mark the defects."
        )
    others = [each for each in rejected if _is_of_another_class(each.path, only)]
    if others:
        raise InputError(
            f"{source} has usable images only of {only!r}; {len(others)} images in "
            f"other folders cannot be used, the first is {others[0].path}: "
            f"{others[0].reason}. Fix them, or remove them if you want only good "
            "parts."
        )


def refuse_twins(source: PathLike, classes: Iterable[str], normal_class: str) -> None:
    """Raises InputError if a class differs from the normal class only by case."""
    for name in classes:
        if name != normal_class and name.casefold() == normal_class.casefold():
            raise InputError(
                f"{source} has the classes {normal_class!r} and {name!r}: are both of "
                "them good parts? Give them the same name, or names that differ in "
                "more than upper and lower case."
            )


def _is_of_another_class(path, only):
    """Whether a file is an image, no mask, in a folder of another class."""
    folders = _folders(path)
    classes = [
        name
        for name in folders
        if name.lower() not in SPLIT_FOLDERS and not is_role(name)
    ]
    return bool(
        is_image(path) and not mask_key(path)[1] and classes and only not in folders
    )


def _folders(path):
    return PurePosixPath(path).parts[:-1]
