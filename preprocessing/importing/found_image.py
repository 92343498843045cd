"""One image of a user's folder as it was found, and what was wrong with a file."""

from pathlib import Path
from typing import NamedTuple


class SourceImage(NamedTuple):
    """An image that was found.

    Attributes:
        path: The image file.
        source: Its path relative to the source folder, with `/`.
        label: Class name.
        mask_path: The file of its mask, or None.
        instances: Dicts as in `annotation_files.py`.
        official_split: `train` or `test` where the layout has one, else empty.
    """

    path: Path
    source: str
    label: str
    mask_path: Path | None = None
    instances: tuple = ()
    official_split: str = ""


class Rejected(NamedTuple):
    """What is wrong with a file; `path` is relative to the source folder."""

    path: str
    reason: str
