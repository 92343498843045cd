"""Reads labels, masks and instances from a user's folder of images, in any layout.

Nothing is dropped silently: files that cannot be used are in `rejected` with the
reason, and files that no layout reads are counted. Whether an image itself can be read
is checked by `checked_images.py`.
"""

from pathlib import Path, PurePosixPath
from typing import NamedTuple

from goodparts.command import InputError
from goodparts.files import PathLike, escaped
from preprocessing.images import is_image
from preprocessing.importing.annotated_images import read_annotated
from preprocessing.importing.annotation_kinds import annotation_layouts
from preprocessing.importing.class_folders import read_class_folders, read_good_parts
from preprocessing.importing.contradictions import (
    ask_for_good_folder,
    hold_against_others,
    refuse_bad_folders,
    refuse_inner_classes,
)
from preprocessing.importing.files_found import (
    broken_files,
    count_unused,
    describe_unused,
    find_start,
    list_files,
    no_files,
    seen_unread,
)
from preprocessing.importing.found_image import Rejected, SourceImage
from preprocessing.importing.image_masks import (
    read_classes_with_masks,
    read_mvtec,
    read_pairs,
)
from preprocessing.importing.known_layouts import LAYOUTS, LOOKS
from preprocessing.importing.label_tables import find_table, find_tables, read_splits
from preprocessing.importing.mask_names import (
    MASK_FOLDERS,
    SPLIT_FOLDERS,
    is_role,
    split_masks,
)
from preprocessing.importing.yolo_files import find_yolo

_SIGNS = (b'"annotations"', b'"shapes"', b"<annotation")
GOOD_PARTS = LAYOUTS[-1]  # never found by itself: only the user knows


class Source(NamedTuple):
    """The content of a folder.

    Attributes:
        layout: One of LAYOUTS.
        images: Sorted by source.
        rejected: Files, sorted.
        notes: Remarks on the whole folder.
        unused: One for every suffix of files that are not used.
    """

    layout: str
    images: list[SourceImage]
    rejected: list[Rejected]
    notes: tuple[str, ...] = ()
    unused: tuple[Rejected, ...] = ()


def read_source(
    folder: PathLike, *, layout: str | None = None, normal_name: str | None = None
) -> Source:
    """Finds the images of a folder with their labels, masks and instances.

    Args:
        folder: Any folder with images.
        layout: One of LAYOUTS; recognised if None.
        normal_name: The class of good parts; None if it was not given.

    Returns:
        The content of the folder; paths are relative to its first folder with more than
        one entry.

    Raises:
        InputError: If the folder is missing or has no image that can be used, or
            the layout is unknown or cannot be found.
    """
    if layout is not None and layout not in LAYOUTS:
        raise InputError(
            f"layout must be one of {', '.join(LAYOUTS)}. Received: {layout!r}."
        )
    folder = Path(find_start(folder, normal_name))
    files = list_files(folder)
    if layout is None:
        layout = _find_layout(folder, files, normal_name)
    found = _read(folder, files, layout, normal_name)
    ask_for_good_folder(folder, files, found, layout, normal_name)
    found = hold_against_others(folder, files, layout, found, normal_name or "good")
    rejected = [*found.rejected, *broken_files(folder, found.unused), *no_files(folder)]
    rejected.sort()
    if not found.images:
        first = (
            f" The first is {rejected[0].path}: {rejected[0].reason}."
            if rejected
            else ""
        )
        raise InputError(
            f"No image of {folder} can be used as layout {layout} "
            f"({LOOKS[layout]}).{first}{seen_unread(folder, found.unused)}"
        )
    images = sorted(found.images, key=lambda image: image.source)
    images, said, used = _with_splits(folder, files, images)
    notes = [*found.notes, *said]
    left = [name for name in found.unused if name not in used]
    if left:
        notes.append(describe_unused(left))
    unused = tuple(count_unused(left))
    return _as_text(Source(layout, images, rejected, tuple(notes), unused))


def _with_splits(folder, files, images):
    """The images with the splits of a table, notes on it, and the tables used."""
    tables = {}
    for table in find_tables(folder, files):
        column, splits = read_splits(folder, table, files)
        if splits:
            tables[table] = column, splits
    if not tables:
        return images, [], []
    if len(tables) > 1:
        return (
            images,
            [
                f"the tables {' and '.join(tables)} both assign images to splits, so "
                "neither is used; keep only one of them"
            ],
            [],
        )
    [(table, (column, splits))] = tables.items()
    given = [splits.get(image.source, "") for image in images]
    images = [
        image._replace(
            table_split=split,
            official_split=SPLIT_FOLDERS.get(split, image.official_split),
        )
        for image, split in zip(images, given, strict=True)
    ]
    splits_there = sorted(set(given) - {""})
    counts = ", ".join(f"{split} {given.count(split)}" for split in splits_there)
    missing = given.count("")
    without = f"; {missing} images have no split there" if missing else ""
    note = (
        f"the column {column!r} of {table} assigns images to splits ({counts}){without}"
    )
    return images, [note], [table]


def _as_text(source):
    """The same, with all names as text that can be written; see `escaped`."""
    images = [
        image._replace(
            source=escaped(image.source),
            label=escaped(image.label),
            instances=tuple(
                {**each, "label": escaped(each["label"])} for each in image.instances
            ),
        )
        for image in source.images
    ]
    rejected = [Rejected(*map(escaped, each)) for each in source.rejected]
    return source._replace(
        images=images,
        rejected=rejected,
        notes=tuple(map(escaped, source.notes)),
        unused=tuple(Rejected(*map(escaped, each)) for each in source.unused),
    )


def _read(folder, files, layout, normal_class):
    normal_name = normal_class or "good"
    if layout == "mvtec":
        return read_mvtec(folder, files, normal_name)
    if layout == "class_folders":
        with_masks = read_classes_with_masks(folder, files, normal_name)
        return with_masks or read_class_folders(folder, files)
    if layout == "image_mask_pairs":
        return read_pairs(folder, files, normal_name)
    if layout == GOOD_PARTS:
        refuse_bad_folders(folder, files, normal_name)
        return read_good_parts(folder, files, normal_name)
    return read_annotated(folder, files, layout, normal_class)


def _find_layout(folder, files, normal_class):
    paths = [PurePosixPath(name) for name in files if is_image(name)]
    tops = {path.parts[0].lower() for path in paths if len(path.parts) > 1}
    in_splits = tops <= SPLIT_FOLDERS.keys() | MASK_FOLDERS
    if in_splits and any(_is_split_class(path.parts) for path in paths):
        return "mvtec"
    kinds = annotation_layouts(folder, files)
    texts, names = find_yolo(folder, files)
    if texts and (names or kinds):
        kinds["yolo"] = texts[0]
    if len(kinds) > 1:
        seen = "; ".join(f"{kind}: {name}" for kind, name in kinds.items())
        raise InputError(
            f"{folder} has annotations in several formats ({seen}). Choose the right "
            f"one with --layout {' or --layout '.join(kinds)}."
        )
    if kinds:
        return next(iter(kinds))
    inner = sorted({p.parts[0] for p in paths if _is_split_class(p.parts[1:])})
    if inner:
        raise InputError(
            f"{folder} contains complete data sets: {', '.join(inner)}. Give one of "
            "them."
        )
    images, masks = split_masks(map(str, paths))
    if set(images.values()) & set(masks.values()):
        return "image_mask_pairs"
    if tops and not in_splits and not any(map(is_role, tops)):
        _refuse_broken_annotations(folder, files)
        refuse_inner_classes(folder, files, normal_class)
        return "class_folders"
    if find_table(folder, files):
        return "csv"
    looks = "; ".join(
        f"{name}: {look}" for name, look in LOOKS.items() if name != GOOD_PARTS
    )
    raise InputError(
        f"The {len(paths)} images of {folder} have no known "
        f"layout.{seen_unread(folder, files)} Arrange them in one of these: {looks}. "
        f"If every image is a good part, add --layout {GOOD_PARTS}."
    )


def _refuse_broken_annotations(folder, files):
    """Raises InputError if unreadable annotations may contradict the folders."""
    names = [name for name in files if not is_image(name)]
    for broken in broken_files(folder, names):
        content = Path(folder, broken.path).read_bytes()
        if any(sign in content for sign in _SIGNS):
            raise InputError(
                f"{folder} has annotations in {broken.path}, which {broken.reason}. "
                "Fix this file; if the folders are the classes, add --layout "
                "class_folders instead."
            )


def _is_split_class(parts):
    return (
        len(parts) > 2 and parts[0].lower() in SPLIT_FOLDERS and not is_role(parts[1])
    )
