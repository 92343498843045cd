"""What is in a user's folder of images: labels, masks and instances, in any layout.

Nothing is left out in silence: what cannot be used stands in `rejected` with its
reason. Whether an image itself can be read is checked by `create_folders.py`.
"""

import os
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from goodparts.command import InputError
from preprocessing.images import IMAGE_SUFFIXES, is_image
from preprocessing.importing.annotated_images import read_annotated
from preprocessing.importing.annotation_files import annotation_layout
from preprocessing.importing.found_image import Rejected, SourceImage
from preprocessing.importing.image_masks import (
    MASK_FOLDERS,
    SPLIT_FOLDERS,
    is_role,
    read_mvtec,
    read_pairs,
    split_masks,
)

_LOOKS = {
    "mvtec": "train/good/1.png, test/<class>/1.png, ground_truth/<class>/1_mask.png",
    "class_folders": "<class>/1.jpg",
    "image_mask_pairs": "1.jpg with 1.png or 1_mask.png, or images/ and masks/",
    "labelme": "1.jpg with 1.json",
    "coco": "a .json with images, annotations and categories",
    "voc": "1.jpg with 1.xml, or JPEGImages/ and Annotations/",
    "good_parts": "1.jpg: every image is a good part",
}
LAYOUTS = tuple(_LOOKS)
GOOD_PARTS = LAYOUTS[-1]  # never found by itself: only the user knows


class Source(NamedTuple):
    """What a folder has: `images` sorted by source, and the `rejected` files."""

    layout: str
    images: list
    rejected: list


def read_source(folder, *, layout=None, normal_name="good"):
    """Finds the images of a folder with their labels, masks and instances.

    Args:
        folder: Any folder with images.
        layout: One of LAYOUTS; None finds it.
        normal_name: Label of the images without a defect, where no folder says it.

    Returns:
        A `Source`.

    Raises:
        InputError: If the folder is missing or has no image that can be used, or
            the layout is unknown or cannot be found.
    """
    files = _list_files(folder)
    if layout is None:
        layout = _find_layout(folder, files)
    elif layout not in LAYOUTS:
        raise InputError(
            f"layout must be one of {', '.join(LAYOUTS)}. Received: {layout!r}."
        )
    folder = Path(folder)
    if layout == "mvtec":
        images, rejected = read_mvtec(folder, files, normal_name)
    elif layout == "class_folders":
        images, rejected = _read_class_folders(folder, files)
    elif layout == "image_mask_pairs":
        images, rejected = read_pairs(folder, files, normal_name)
    elif layout == GOOD_PARTS:
        images, rejected = _read_good_parts(folder, files, normal_name), []
    else:
        images, rejected = read_annotated(folder, files, layout, normal_name)
    if not images:
        first = f" First: {rejected[0].path}: {rejected[0].reason}." if rejected else ""
        raise InputError(
            f"No image of {folder} can be used as layout {layout} "
            f"({_LOOKS[layout]}).{first}"
        )
    images.sort(key=lambda image: image.source)
    return Source(layout, images, sorted(rejected))


def _list_files(folder):
    """Images, .json and .xml files as sorted POSIX paths; hidden ones are skipped."""
    if not os.path.exists(folder):
        raise InputError(f"There is no folder {folder}. Check the path.")
    if not os.path.isdir(folder):
        raise InputError(f"{folder} is a file; a folder of images is expected.")
    files = sorted(
        name
        for name in _walk(folder)
        if is_image(name) or name.lower().endswith((".json", ".xml"))
    )
    if not any(map(is_image, files)):
        suffixes = " ".join(sorted(IMAGE_SUFFIXES))
        raise InputError(f"{folder} has no images ({suffixes}). Check the path.")
    return files


def _walk(folder, prefix="", parents=()):
    here = os.path.realpath(folder)
    if here in parents:  # a symbolic link to a folder above
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from _walk(entry.path, f"{prefix}{entry.name}/", (*parents, here))
            else:
                yield prefix + entry.name


def _find_layout(folder, files):
    paths = [PurePosixPath(name) for name in files if is_image(name)]
    tops = {path.parts[0].lower() for path in paths if len(path.parts) > 1}
    in_splits = tops <= SPLIT_FOLDERS.keys() | MASK_FOLDERS
    if in_splits and any(_is_split_class(path.parts) for path in paths):
        return "mvtec"
    for name in files:
        if not is_image(name):
            found = annotation_layout(Path(folder, name))
            if found:
                return found
    inner = sorted({p.parts[0] for p in paths if _is_split_class(p.parts[1:])})
    if inner:
        raise InputError(
            f"{folder} holds whole data sets: {', '.join(inner)}. Give one of them."
        )
    images, masks = split_masks(map(str, paths))
    if set(images.values()) & set(masks.values()):
        return "image_mask_pairs"
    if tops and not in_splits and not any(map(is_role, tops)):
        return "class_folders"
    looks = "; ".join(
        f"{name}: {look}" for name, look in _LOOKS.items() if name != GOOD_PARTS
    )
    raise InputError(
        f"The {len(paths)} images of {folder} lie in no known layout. "
        f"Arrange them as one of these: {looks}. If every image is a good part, add "
        f"--layout {GOOD_PARTS}."
    )


def _is_split_class(parts):
    return (
        len(parts) > 2 and parts[0].lower() in SPLIT_FOLDERS and not is_role(parts[1])
    )


def _read_class_folders(folder, files):
    images, rejected = [], []
    for source in filter(is_image, files):
        label, *rest = source.split("/")
        if rest:
            images.append(SourceImage(folder / source, source, label))
        else:
            rejected.append(Rejected(source, "lies in no class folder"))
    return images, rejected


def _read_good_parts(folder, files, normal_name):
    return [
        SourceImage(folder / source, source, normal_name)
        for source in filter(is_image, files)
    ]
