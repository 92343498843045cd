"""Contradictions of labels: folder names, and masks and annotations not read."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from goodparts.command import InputError
from preprocessing.images import is_image
from preprocessing.importing.doubts import Read
from preprocessing.importing.found_image import Found, Rejected
from preprocessing.importing.image_label import is_normal
from preprocessing.importing.mask_names import SPLIT_FOLDERS, is_role, split_masks
from preprocessing.importing.mask_values import read_masks
from preprocessing.importing.other_sources import read_others

_BAD_WORDS = frozenset(
    "bad nok ng nio ko defect defects defective reject rejects rejected fail failed "
    "fails failure faulty fault faults scrap damaged broken anomaly anomalies "
    "anomalous ungood notok notgood notgut schlecht ausschuss".split()
)
_BESIDE = ("labelme", "voc", "yolo")  # a file of the name of its image


def says_defect(name: str, normal_name: str = "good") -> bool:
    """Whether the name of a folder indicates that its parts are not good.

    Example:

    >>> says_defect("NOK"), says_defect("not_ok"), says_defect("day 1")
    (True, True, False)
    """
    if is_normal(name, normal_name):
        return False
    words = re.findall(r"[^\W\d_]+", name.casefold().replace(".", ""))
    negated = any(
        first in ("not", "no", "non") and is_normal(second, normal_name)
        for first, second in zip(words, words[1:], strict=False)
    )
    return negated or bool(_BAD_WORDS & set(words))


def refuse_inner_classes(
    folder: Path, files: Sequence[str], normal_class: str | None
) -> None:
    """Raises InputError if folders within class folders indicate another class.

    A folder of good parts within that of a defect, one of a defect within that of the
    good parts, or one that is named as another class.
    """
    normal_name = normal_class or "good"
    parts = [PurePosixPath(name).parts[:-1] for name in files if is_image(name)]
    tops = {each[0] for each in parts if each}
    inner = defaultdict(set)
    for top, *rest in filter(None, parts):
        inner[top] |= set(rest)
    for top in sorted(tops):
        is_good = is_normal(top, normal_name)
        for name in sorted(inner[top]):
            says_good = is_normal(name, normal_name)
            speaks_against = says_good != is_good and (
                says_good or says_defect(name, normal_name)
            )
            beside_good = is_good and not says_good and _holds_good(inner[top])
            if speaks_against or beside_good or (name in tops and name != top):
                raise InputError(
                    f"{folder} has the folder {name!r} inside {top!r}: which of them "
                    "is the class? Move the images so that the first folder is the "
                    "class; if it already is, add --layout class_folders."
                )


def _holds_good(names):
    return any(is_normal(name, "good") for name in names)


def refuse_bad_folders(folder: Path, files: Sequence[str], normal_name: str) -> None:
    """Raises InputError if a source of good parts has a folder named like a defect."""
    for name in filter(is_image, files):
        for part in PurePosixPath(name).parts[:-1]:
            if says_defect(part, normal_name):
                raise InputError(
                    f"{folder} should contain only good parts (layout good_parts), "
                    f"but has the folder {part!r}. Remove it, or omit --layout if the "
                    "folders are classes."
                )


def ask_for_good_folder(
    folder: Path,
    files: Sequence[str],
    found: Found,
    layout: str,
    normal_class: str | None,
) -> None:
    """Raises InputError if folders without annotations may be good or defective.

    If annotations mark defects only in some folders, and no folder has the name of a
    good class, the images of the others are good or not annotated yet.
    """
    if normal_class is not None or layout not in _BESIDE:
        return
    silent = _silent_folders(files, found)
    if silent:
        raise InputError(
            f"Which folder of {folder} has the good parts? There are no annotations "
            f"in {', '.join(silent)}. Add --normal-class with the name of that "
            "folder, or with any other name if all images without annotations are "
            "good."
        )


def _silent_folders(files, found):
    """The class folders without any annotation, beside others that have some."""
    tops = {image.source.split("/")[0] for image in found.images}
    if any(is_normal(top, "good") or is_role(top) for top in tops):
        return []
    if any(top.lower() in SPLIT_FOLDERS for top in tops):
        return []
    if len({re.sub(r"[\d\W_]+", "", top) for top in tops}) < 2:
        return []  # such as parts or days by number
    if any("/" not in image.source for image in found.images):
        return []
    used = [name for name in files if not is_image(name) and name not in found.unused]
    spoken = {name.split("/")[0] for name in used if "/" in name}
    return sorted(tops - spoken) if spoken <= tops else []


def hold_against_others(
    folder: Path, files: Sequence[str], layout: str, found: Found, normal_name: str
) -> Found:
    """Leaves out good images that other annotations in the folder call defective.

    Args:
        folder: The source folder.
        files: Names of all its files.
        layout: The layout that was read.
        found: The result for that layout.
        normal_name: The class of good parts.
    """
    good = {
        image.source: image
        for image in found.images
        if is_normal(image.label, normal_name)
    }
    images = {image.source for image in found.images}
    masks = [name for name in files if is_image(name) and name not in images]
    doubts = _marked_by_masks(folder, [*good, *masks], good)
    if layout not in ("labelme", "coco", "voc", "yolo", "csv"):
        nothing = Read([], set(), {})
        others = read_others(folder, files, sorted(images), nothing, normal_name)
        doubts |= {
            source: "is good according to its folder or mask, but "
            f"{others.against[source]}"
            for source in good
            if source in others.against
        }
    kept = [image for image in found.images if image.source not in doubts]
    said = [Rejected(source, reason) for source, reason in doubts.items()]
    notes = [*found.notes]
    if doubts:
        notes.append(
            f"images left out because their labels contradict each other: {len(doubts)}"
        )
    rejected = [*found.rejected, *said]
    return found._replace(images=kept, rejected=rejected, notes=notes)


def _marked_by_masks(folder, files, good):
    """Good images in which a mask that was not read for them marks a defect."""
    keys, masks = split_masks(files)
    by_key = defaultdict(list)
    for mask, key in masks.items():
        if mask not in good:
            by_key[key].append(mask)
    doubts = {}
    for source, image in good.items():
        for mask in [] if image.mask_paths else by_key[keys.get(source, ())]:
            try:
                if not read_masks([folder / mask])[0].any():
                    continue
            except InputError as error:
                doubts[source] = f"it is not known whether it is good: {error}"
            else:
                doubts[source] = (
                    f"is good according to its label, but its mask {mask} marks"
                )
    return doubts
