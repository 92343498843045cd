"""Labels of images from their masks, and checks of masks against labels."""

from collections import defaultdict
from collections.abc import Sequence

from goodparts.command import InputError
from preprocessing.images import image_threads
from preprocessing.importing.found_image import Rejected, SourceImage
from preprocessing.importing.image_label import is_normal
from preprocessing.importing.mask_doubts import MaskDoubts
from preprocessing.importing.mask_values import IGNORE, read_masks

ONLY_IGNORED = f"its mask marks only pixels that are ignored (value {IGNORE})"
DEFECT_NAME = "defect"  # the class of what a mask marks, where nothing names it


def _seen(image):
    """Whether the masks of an image mark a defect; None if unknown.

    Returns:
        True, False or None, and the reason for None.
    """
    try:
        marked, ignored = read_masks(image.mask_paths, image.mask_ignore)
    except InputError as error:
        return None, f"it is not known whether it is good: {error}"
    if ignored.any() and not marked.any():
        return None, ONLY_IGNORED
    return bool(marked.any()), ""


def _look(images):
    with image_threads() as pool:
        return list(pool.map(_seen, images))


def mixed_folders(images: Sequence[SourceImage], normal_name: str) -> list[str]:
    """Folders that are not classes: they have both empty and non-empty masks."""
    labels = {image.label for image in images}
    if any(is_normal(label, normal_name) for label in labels):
        return []
    masked = [image for image in images if image.mask_paths and image.label]
    marks = defaultdict(set)
    for image, (is_marked, _) in zip(masked, _look(masked), strict=True):
        marks[image.label].add(is_marked)
    mixed = [label for label, seen in marks.items() if {True, False} <= seen]
    return sorted(labels) if len(mixed) * 2 >= len(marks) > 0 else []


def hold_against_folders(
    images: Sequence[SourceImage], normal_name: str, doubts: MaskDoubts
) -> tuple[list[SourceImage], list[Rejected]]:
    """Leaves out images in the folder of good parts that may have a defect.

    These are images whose mask marks a defect or only ignored pixels, or to which a
    mask without an image may belong. An empty mask in a folder of defects only causes a
    remark.
    """
    masked = [image for image in images if image.mask_paths]
    wrong, said = set(), []
    for image in images:
        is_unmarked = not image.mask_paths and is_normal(image.label, normal_name)
        doubt = doubts.of_good(image) if is_unmarked else ""
        if doubt:
            wrong.add(image.source)
            said.append(Rejected(image.source, doubt))
    for image, (is_marked, reason) in zip(masked, _look(masked), strict=True):
        is_good = is_normal(image.label, normal_name)
        if is_good and is_marked:
            reason = "is in the folder of good parts, but its mask marks a defect"
            wrong.add(image.source)
            said.append(Rejected(image.source, reason))
        elif reason == ONLY_IGNORED:
            if is_good:
                wrong.add(image.source)
            text = reason if is_good else f"{reason}; kept as {image.label}"
            said.append(Rejected(image.source, text))
        elif not is_good and is_marked is False:
            reason = f"its mask is empty; the image is kept as {image.label}"
            said.append(Rejected(image.source, reason))
    return [image for image in images if image.source not in wrong], said


def label_by_masks(
    images: Sequence[SourceImage], normal_name: str, doubts: MaskDoubts
) -> tuple[list[SourceImage], list[Rejected], list[str]]:
    """Labels images by what their masks mark.

    An image without a mask is normal, unless other normal images do have one (which is
    black): then its mask is missing and the image is rejected. It is also rejected if a
    mask without an image may belong to it.
    """
    labelled, without_mask, rejected = [], [], []
    for image, (is_marked, reason) in zip(images, _look(images), strict=True):
        if not image.mask_paths:
            without_mask.append(image._replace(label=normal_name))
        elif is_marked is None:
            rejected.append(Rejected(image.source, reason))
        elif not is_marked and image.source in doubts.unread:
            rejected.append(Rejected(image.source, doubts.unread[image.source]))
        else:
            label = DEFECT_NAME if is_marked else normal_name
            labelled.append(image._replace(label=label))
    if any(image.label == normal_name for image in labelled):
        reason = (
            "has no mask although good images have one, so it is not known whether "
            "it is good"
        )
        rejected += [Rejected(image.source, reason) for image in without_mask]
        return labelled, rejected, []
    notes = []
    unclear = [(each, doubts.of_unlabelled(each.source)) for each in without_mask]
    rejected += [Rejected(image.source, doubt) for image, doubt in unclear if doubt]
    without_mask = [image for image, doubt in unclear if not doubt]
    if without_mask:
        notes = [f"images without a mask, used as good parts: {len(without_mask)}"]
    return labelled + without_mask, rejected, notes


def note_missing_masks(
    images: Sequence[SourceImage], normal_name: str
) -> list[Rejected]:
    """Remarks on defect images without a mask if others of their class have one."""
    masked = {
        (image.official_split, image.label) for image in images if image.mask_paths
    }
    return [
        Rejected(
            image.source,
            f"has no mask, although other images of {image.label} have one; the image "
            "is kept",
        )
        for image in images
        if not image.mask_paths
        and image.label != normal_name
        and (image.official_split, image.label) in masked
    ]
