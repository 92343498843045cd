"""Data types for the images that were found and the files that were rejected."""

from pathlib import Path
from typing import NamedTuple

from preprocessing.instances import Instance

NO_ENTRY = "no entry"  # in the annotation files
EMPTY_ENTRY = "an entry without a defect"


class SourceImage(NamedTuple):
    """An image that was found.

    Attributes:
        path: The image file.
        source: Its path relative to the source folder, with `/`.
        label: Class name.
        mask_paths: The files of its masks, of which the union is used.
        mask_ignore: The value in them that is ignored, or None.
        instances: The defects that are marked in it.
        official_split: `train` or `test` where the layout has one, else empty.
        table_split: `train`, `validate` or `test` where a table says so, else empty.
        unmarked: NO_ENTRY or EMPTY_ENTRY where it counts as good because the
            annotation files have no defect for it, else empty.
    """

    path: Path
    source: str
    label: str
    mask_paths: tuple[Path, ...] = ()
    mask_ignore: int | None = None
    instances: tuple[Instance, ...] = ()
    official_split: str = ""
    unmarked: str = ""
    table_split: str = ""


class Rejected(NamedTuple):
    """A rejected file or a remark; `path` is relative to the source folder."""

    path: str
    reason: str


class Found(NamedTuple):
    """What a reader of a layout found.

    Attributes:
        images: What can be used.
        rejected: Files that cannot be used, and remarks on used ones.
        notes: Remarks on the whole folder, one text each.
        unused: Names of the files that were not used and are not among the rejected.
    """

    images: list[SourceImage]
    rejected: list[Rejected]
    notes: list[str]
    unused: list[str]
