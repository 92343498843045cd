"""Layouts in which the folder is the label, or in which all images are good."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from goodparts.command import InputError
from preprocessing.images import is_image, looks_like_mask
from preprocessing.importing.found_image import Found, Rejected, SourceImage
from preprocessing.importing.mask_names import mask_key, split_masks

_LOOKED_AT = 5  # files of a folder, before all of them are


def read_class_folders(folder: Path, files: Sequence[str]) -> Found:
    """Lists the images by the first folder of their path, and the rejected files."""
    masks = _find_mask_folders(folder, files) | find_masks(folder, files)
    images, rejected = [], list(masks.values())
    for source in filter(is_image, files):
        label, *rest = source.split("/")
        if source in masks:
            continue
        if rest:
            images.append(SourceImage(folder / source, source, label))
        else:
            rejected.append(Rejected(source, "is not in a class folder"))
    return Found(images, rejected, [], _unused(files))


def read_good_parts(folder: Path, files: Sequence[str], normal_name: str) -> Found:
    """Lists all images as good ones."""
    masks = find_masks(folder, files)
    images = [
        SourceImage(folder / source, source, normal_name)
        for source in files
        if is_image(source) and source not in masks
    ]
    return Found(images, list(masks.values()), [], _unused(files))


def find_masks(folder: Path, files: Sequence[str]) -> dict[str, Rejected]:
    """Finds masks among the images by name and content, as {name: Rejected}."""
    reason = "looks like the mask of {}, so it was not used as an image"
    return {
        name: Rejected(name, reason.format("/".join(twin)))
        for name, twin in masks_by_look(folder, files).items()
    }


def masks_by_look(folder: Path, files: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The images that are masks by name and content, as {name: twin}.

    Beside an image `1.jpg` these are files such as `1_label.bmp`, `1_x.png` or `1.bmp`
    that are black and white.
    """
    names = [name for name in files if is_image(name)]
    images, masks = split_masks(names)
    twins = {mask: key for mask, key in masks.items() if key in set(images.values())}
    found = {}
    for name, twin in (_twins_by_stem(names) | twins).items():
        try:
            is_mask = looks_like_mask(folder / name)
        except InputError:
            is_mask = mask_key(name)[1]
        if is_mask:
            found[name] = twin
    return found


def _find_mask_folders(folder, files):
    """The files of folders that contain only masks, next to others that do not."""
    of_top = defaultdict(list)
    for name in filter(is_image, files):
        if "/" in name:
            of_top[name.split("/")[0]].append(name)

    def are_masks(names):
        looks = []
        for name in names:
            try:
                looks.append(looks_like_mask(folder / name))
            except InputError:
                continue
        return bool(looks) and all(looks)

    tops = [top for top, names in of_top.items() if are_masks(names[:_LOOKED_AT])]
    if len(tops) == len(of_top):
        return {}
    tops = [top for top in tops if are_masks(of_top[top])]
    reason = "is black and white like all files in {}, so these are masks, not images"
    return {
        name: Rejected(name, reason.format(top)) for top in tops for name in of_top[top]
    }


def _twins_by_stem(names):
    """Files whose stem begins with, or is, that of another in their folder."""
    stems = defaultdict(set)
    for name in names:
        path = PurePosixPath(name)
        stems[path.parent].add(path.stem)
    by_path = defaultdict(list)
    twins = {}
    for name in names:
        path = PurePosixPath(name)
        by_path[path.with_suffix("")].append(name)
        for cut in [i for i, sign in enumerate(path.stem) if sign in "_-. "]:
            if path.stem[:cut] in stems[path.parent]:
                twins[name] = (str(path.parent), path.stem[:cut])
    for path, members in by_path.items():
        if len(members) > 1:
            twins |= {name: (str(path.parent), path.name) for name in members}
    return twins


def _unused(files):
    return [name for name in files if not is_image(name)]
