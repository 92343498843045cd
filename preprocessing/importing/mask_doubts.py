"""Reasons why an image without a mask may have one: masks without an image."""

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from goodparts.command import InputError
from preprocessing.importing.found_image import SourceImage
from preprocessing.importing.mask_names import (
    Key,
    image_key,
    mask_key,
    mask_twins,
    spellings,
)
from preprocessing.importing.mask_values import read_masks

_ARRAYS = (".npy", ".npz", ".mat", ".exr", ".dcm", ".heic", ".pfm")  # not read


class MaskDoubts(NamedTuple):
    """Masks that belong to no image, or that are not read.

    Attributes:
        unread: Image -> reason, of images whose mask is in a file that is not read.
        orphans: Masks that mark something and belong to no image, -> key.
        keys: Image -> key.
    """

    unread: dict[str, str]
    orphans: dict[str, Key]
    keys: dict[str, Key]

    def of_unlabelled(self, source: str) -> str:
        """Why an image without class and mask is not used as good; "" if it is."""
        if source in self.unread:
            return self.unread[source]
        orphan = next(iter(self.orphans), None)
        if orphan is None:
            return ""
        return (
            f"has no mask, but {orphan} is a mask without an image and may belong to it"
        )

    def of_good(self, image: SourceImage) -> str:
        """Why an image in the folder of good parts is not used as good; "" if it is."""
        if image.source in self.unread:
            return self.unread[image.source]
        if image.official_split == "train" and self.keys[image.source][0] == "train":
            return ""
        stem = self.keys[image.source][-1]
        for orphan, key in self.orphans.items():
            if stem in (key[-1], *mask_twins(key[-1])):
                return (
                    f"is in the folder of good parts, but {orphan}, a mask without an "
                    "image in its own folder, has the same name"
                )
        return ""


def find_mask_doubts(
    folder: Path,
    images: Iterable[tuple[SourceImage, Key]],
    masks: Mapping[str, Key],
    unused: Iterable[str],
) -> MaskDoubts:
    """The `MaskDoubts` of a source.

    Args:
        folder: The source folder.
        images: Each with its key.
        masks: By name, their keys.
        unused: Names of the files that are no images.
    """
    keys = {image.source: key for image, key in images}
    places = set(keys.values())
    orphans = {
        mask: key
        for mask, key in sorted(masks.items())
        if key not in places and _may_mark(folder / mask)
    }
    by_key = {key: True for key in places}
    spelled = spellings(by_key)
    # Keys of MVTec begin with the split, which the folders of masks lack.
    tops = {key[0] for key in places if len(key) > 1} & {"train", "test"}
    unread_keys = {}
    for name in unused:
        key, is_mask = mask_key(name)
        is_array = PurePosixPath(name).suffix.lower() in _ARRAYS
        if not is_mask and not is_array:
            continue
        tried = [image_key(each, by_key, spelled) for each in _places(key, tops)]
        found = [each for each in tried if each in by_key]
        if found:
            unread_keys[found[0]] = name
        elif is_mask and is_array:
            orphans[name] = key
    unread = {
        source: "it is not known whether it is good: the format of its mask "
        f"{unread_keys[key]} is not read; save it as PNG"
        for source, key in keys.items()
        if key in unread_keys
    }
    return MaskDoubts(unread, orphans, keys)


def _places(key, tops):
    return [key, *((top, *key) for top in sorted(tops))]


def _may_mark(path):
    """Whether a mask marks something, or cannot be read."""
    try:
        return bool(read_masks([path])[0].any())
    except InputError:
        return True
