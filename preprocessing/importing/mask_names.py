"""Assigns masks to images by folder, name ending or stem."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

IMAGE_FOLDERS = frozenset({"image", "images", "img", "imgs", "jpegimages"})
MASK_FOLDERS = frozenset(
    "mask masks ground_truth ground_truths groundtruth groundtruths ground-truth gt "
    "gts label labels annotation annotations anno annos seg segs segmentation "
    "segmentations segmentationclass segmentationobject".split()
)
SPLIT_NAMES = {  # of folders, and of a column of a table
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "val": "validate",
    "valid": "validate",
    "validation": "validate",
    "validate": "validate",
}
SPLIT_FOLDERS = {  # `validate` is taken out of `train`, unless --protocol official
    name: "train" if split == "validate" else split
    for name, split in SPLIT_NAMES.items()
}
_WORDS = (
    "masks?|labels?|gt|ground[ _-]?truth|seg|segs|segm|segmentation|segmask|anno|annos|"
    "annot|annotations?|labelids|defectmask|maskimage"
)
_ENDING = re.compile(rf"(.+?)[ _.-]+({_WORDS})(?:[ _.-]*\d+)?", re.IGNORECASE)
_BEGINNING = re.compile(rf"({_WORDS})[ _.-]+(.+)", re.IGNORECASE)
_SURE = ("mask", "gt")  # a mask's ending also where its image is missing

Key = tuple[str, ...]  # see `split_masks`


def split_masks(sources: Iterable[str]) -> tuple[dict[str, Key], dict[str, Key]]:
    """Separates masks from images by their names.

    A mask lies in a folder such as `masks/`, or is named like `1_mask.png` or
    `1_label.bmp` beside an image `1`, or is the .png beside an image `1.jpg` (or any
    other suffix). The files of a folder `masks/1/` are masks of the image `1`.

    Args:
        sources: POSIX paths relative to the source folder.

    Returns:
        Two dicts, image -> key and mask -> key. A mask belongs to the images of
        its key, which is the tuple of their folders (without such as `images`
        and `masks`) and their stem.
    """
    sources = list(sources)
    images, masks = defaultdict(list), defaultdict(list)
    for source in sources:
        key, is_mask = mask_key(source)
        (masks if is_mask else images)[key].append(source)
    _take_endings(images, masks)
    for key, members in images.items():
        pngs = [name for name in members if name.lower().endswith(".png")]
        if key not in masks and 0 < len(pngs) < len(members):
            masks[key] = pngs
            images[key] = [name for name in members if name not in pngs]
    spelled = spellings(images)
    for key in list(masks):
        found = image_key(key, images, spelled)
        if found != key:
            masks[found] = masks[found] + masks.pop(key)
    return _by_source(images), _by_source(masks)


def mask_key(source: str) -> tuple[Key, bool]:
    """The key of a file (see `split_masks`), and whether it is surely a mask's."""
    *folders, name = PurePosixPath(source).parts
    stem = PurePosixPath(name).stem
    roles = {folder.lower() for folder in folders}
    folders = [folder for folder in folders if not is_role(folder)]
    if roles & MASK_FOLDERS:
        return (*folders, stem), True
    ending = _ENDING.fullmatch(stem)
    if ending and ending[2].lower() in _SURE and not roles & IMAGE_FOLDERS:
        return (*folders, ending[1]), True
    return (*folders, stem), False


def image_key(
    key: Key, keys: Mapping[Key, object], spelled: Mapping[Key, Key | None]
) -> Key:
    """The key of the image that a mask of a key belongs to; its own if there is none.

    Args:
        key: Of the mask, which may have an ending, or lie in a folder of the image's
            stem.
        keys: Keys of all images.
        spelled: `spellings(keys)`, for what is written in another case.
    """
    *folders, stem = key
    names = [key, *((*folders, twin) for twin in mask_twins(stem)), tuple(folders)]
    for name in names:
        if name and keys.get(name):
            return name
    return next(filter(None, (spelled.get(_fold(name)) for name in names)), key)


def spellings(keys: Iterable[Key]) -> dict[Key, Key | None]:
    """Keys by how they read whatever their case and Unicode form; None for several."""
    found = {}
    for key in keys:
        found[_fold(key)] = None if _fold(key) in found else key
    return found


def _fold(key):
    return tuple(unicodedata.normalize("NFC", name).casefold() for name in key)


def mask_twins(stem: str) -> list[str]:
    """The stems that an image would have of which this is a mask's stem."""
    ending, beginning = _ENDING.fullmatch(stem), _BEGINNING.fullmatch(stem)
    return [
        found for found in (ending and ending[1], beginning and beginning[2]) if found
    ]


def is_role(folder: str) -> bool:
    """Whether a folder name describes the kind of its files rather than a class."""
    return folder.lower() in IMAGE_FOLDERS | MASK_FOLDERS


def _take_endings(images, masks):
    """Moves what has a mask's ending and a twin without it from images to masks."""
    spelled = spellings(images)
    for key in list(images):
        for stem in mask_twins(key[-1]):
            twin = (*key[:-1], stem)
            twin = twin if images.get(twin) else spelled.get(_fold(twin))
            if twin != key and images.get(twin):
                masks[twin] += images.pop(key)
                break


def _by_source(groups):
    return {name: key for key, members in groups.items() for name in members}
