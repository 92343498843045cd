"""Images with annotation files, and their labels; doubtful images are never good."""

import posixpath
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from goodparts.command import InputError
from preprocessing.images import image_frame, is_image
from preprocessing.importing.annotation_readers import (
    BY_OWN_NAME,
    read_files,
    readers,
)
from preprocessing.importing.doubts import Doubts
from preprocessing.importing.found_image import (
    EMPTY_ENTRY,
    NO_ENTRY,
    Found,
    Rejected,
    SourceImage,
)
from preprocessing.importing.image_label import decide, find_outline
from preprocessing.importing.mask_names import split_masks
from preprocessing.importing.matching import ImageIndex, match
from preprocessing.importing.other_sources import read_others
from preprocessing.importing.shapes import scaled
from preprocessing.importing.turned import SIDEWAYS, remark_unclear, turn_instances
from preprocessing.instances import Instance, clip_instances
from preprocessing.normal_names import is_normal_name


class _Annotated(NamedTuple):
    """All annotations of an image combined."""

    source: str
    size: tuple[int, int] | None
    instances: list[Instance]
    flags: tuple[str, ...]
    problems: list[str]
    remarks: list[str]
    reject: str = ""
    is_turn_unclear: bool = False
    denied: tuple[str, ...] = ()


def read_annotated(
    folder: Path, files: Sequence[str], layout: str, normal_class: str | None
) -> Found:
    """Lists the images with annotations, and the rejected files.

    An image without an annotation is normal, unless this is doubtful: a file with its
    name cannot be read, an annotation belongs to no image, it is not in the COCO file
    although other images without a defect are, or it is in a folder of defects.

    Args:
        folder: The source folder.
        files: Names of all its files.
        layout: `labelme`, `coco`, `voc`, `yolo` or `csv`.
        normal_class: The class of good parts as it was given, or None.

    Raises:
        InputError: If no annotation belongs to an existing image, or a label is on all
            images and may be the part or a defect.
    """
    normal_name = normal_class or "good"
    pictures, masks = split_masks([name for name in files if is_image(name)])
    read = read_files(readers(folder, files, layout))
    named = _masks_that_are_named(read.claims, masks)
    images = sorted([*pictures, *named])
    matches = match(read.claims, images, by_own_name=layout in BY_OWN_NAME)
    rejected = [
        Rejected(file, f"cannot be read: {reason}")
        for file, reason in read.unreadable.items()
    ]
    rejected += matches.rejected
    if not matches.claims:
        first = f" First: {rejected[0].path}: {rejected[0].reason}." if rejected else ""
        raise InputError(
            f"{folder} has no {layout} annotation of an existing image.{first}"
        )
    annotated = {
        source: _join(folder, source, claims, layout)
        for source, claims in matches.claims.items()
    }
    outline = _outline(folder, annotated, normal_class, normal_name)
    others = read_others(folder, files, images, read, normal_name)
    doubts = Doubts(files, images, layout, read, matches, normal_name, others)
    kept, counts = [], defaultdict(int)
    for source in images:
        image, problems = _label(
            folder, source, annotated.get(source), doubts, normal_name, outline, counts
        )
        kept += [image] if image else []
        rejected += problems
    rejected += remark_unclear(
        sorted(each.source for each in annotated.values() if each.is_turn_unclear)
    )
    unused = [name for name in masks if name not in named]
    unused += [name for name in files if not is_image(name) and name not in read.used]
    return Found(kept, rejected, _notes(counts, outline, matches.missing), unused)


def _masks_that_are_named(claims, masks):
    """Files that look like masks by their names, but have annotations of their own."""
    index = ImageIndex(masks)
    found = set()
    for claim in claims:
        name = claim.annotation.image.replace("\\", "/")
        if name and posixpath.splitext(name)[1]:
            found |= set(index.direct(claim.file, name)[0])
    return found


def _join(folder, source, claims, layout):
    """Combines the claims on an image, or returns the reason why they conflict."""
    annotations = [claim.annotation for claim in claims]
    instances, flags, problems, remarks = [], set(), [], []
    for each in annotations:
        instances += [item for item in each.instances if item not in instances]
        problems += [text for text in each.problems if text not in problems]
        remarks += [text for text in each.remarks if text not in remarks]
        flags |= set(each.flags)
    denied = tuple(sorted({name for each in annotations for name in each.denied}))
    reject = next((each.conflict for each in annotations if each.conflict), "")
    if len(claims) > 1 and not reject:
        text, reject = _twice(claims, layout)
        remarks += [text] if text else []
    try:
        size, orientation = image_frame(folder / source)
    except InputError:
        return _Annotated(
            source,
            None,
            instances,
            tuple(flags),
            problems,
            remarks,
            reject,
            denied=denied,
        )
    if any(each.is_relative for each in annotations):
        instances = [scaled(each, size) for each in instances]
    turned, is_unclear = instances, False
    for each in annotations:
        if each.size and each.size != size:
            if orientation in SIDEWAYS and each.size == size[::-1]:
                turned = turn_instances(instances, orientation, size)
                text = (
                    "its boxes refer to the stored pixels and were rotated according "
                    "to EXIF"
                )
                remarks += [text] if instances else []
                continue
            reject = reject or (
                f"is {size[1]} x {size[0]} pixels, but its annotation is for "
                f"{each.size[1]} x {each.size[0]}"
            )
        elif orientation > 1 and layout != "labelme" and instances:
            is_known = each.size and size[0] != size[1] and orientation in SIDEWAYS
            is_unclear = is_unclear or not is_known
    inside, outside = clip_instances(turned, size)
    return _Annotated(
        source,
        size,
        inside,
        tuple(flags),
        problems + outside,
        list(dict.fromkeys(remarks)),
        reject,
        is_unclear,
        denied,
    )


def _twice(claims, layout):
    """A remark on, or a reason to reject, an image with several entries."""
    files = sorted({claim.file for claim in claims})
    where = (
        " and ".join(files[:3]) if len(files) > 1 else f"several entries of {files[0]}"
    )
    contents = [
        (each.instances, each.flags, each.problems, each.denied)
        for each in (claim.annotation for claim in claims)
    ]
    if all(content == contents[0] for content in contents):
        return f"it has identical annotations in {where}", ""
    if layout == "coco" and len(files) == len(claims):
        return f"its annotations in {where} were combined", ""
    return "", f"has different annotations in {where}"


def _outline(folder, annotated, normal_class, normal_name):
    """The label that is on all images, or None.

    Raises:
        InputError: If some images have only this label, and the normal class was not
            given.
    """
    usable = [each for each in annotated.values() if not each.reject]
    found = find_outline([(each.instances, each.size) for each in usable], normal_name)
    if found is None:
        return None
    label, share = found
    alone = normal_class is None and sum(
        {i["label"] for i in each.instances} == {label} for each in usable
    )
    if alone:
        raise InputError(
            f"{label!r} is annotated on every annotated image of {folder} (it covers "
            f"{share:.0%} of their area), and is the only annotation on {alone} of "
            f"them. If it is the outline of the part, add --normal-class {label}; if "
            "it is a defect, add --normal-class with the name of the good class, for "
            f"example {normal_name}."
        )
    return label


def _label(folder, source, annotated, doubts, normal_name, outline, counts):
    """The labelled image, or None, and a list of remarks."""
    if annotated is None:
        doubt = doubts.of(source)
        if doubt:
            return None, [Rejected(source, doubt)]
        image = SourceImage(folder / source, source, normal_name, unmarked=NO_ENTRY)
        return image, []
    said = [Rejected(source, text) for text in annotated.problems + annotated.remarks]
    if annotated.reject:
        return None, [*said, Rejected(source, annotated.reject)]
    verdict = decide(
        annotated.instances,
        annotated.flags,
        annotated.problems,
        normal_name=normal_name,
        outline=outline,
        denied=annotated.denied,
    )
    label, reason = verdict.label, verdict.reason
    if label == normal_name:
        reason = doubts.of(source)
    elif label and is_normal_name(source.split("/")[0]) and "/" in source:
        reason = f"is in the folder of good parts, but has the annotation {label!r}"
    if reason:
        return None, [*said, Rejected(source, reason)]
    counts["kinds"] += len(verdict.kinds) > 1
    counts["outline"] += label == outline
    says_good = annotated.flags or annotated.instances or label != normal_name
    image = SourceImage(
        folder / source,
        source,
        label,
        instances=verdict.instances,
        unmarked="" if says_good else EMPTY_ENTRY,
    )
    return image, said


def _notes(counts, outline, missing):
    notes = []
    if missing:
        names = {claim.annotation.image for claim in missing}
        with_defect = {
            claim.annotation.image
            for claim in missing
            if claim.annotation.says_something
        }
        notes.append(
            f"images that the annotations refer to, but that do not exist: {len(names)}"
            f" ({len(with_defect)} of them with a defect or another label)"
        )
    if counts["kinds"]:
        notes.append(
            f"images with several kinds of defect: {counts['kinds']}; each has the "
            "class with the largest area"
        )
    if outline:
        alone = counts["outline"]
        notes.append(
            f"{outline!r} is annotated on every annotated image; other defects take "
            "precedence over it"
            + (
                "; images with this annotation only, which have the class "
                f"{outline!r}: {alone}" * bool(alone)
            )
        )
    return notes
