"""Checks the images found in a source and writes them to a data set folder."""

import hashlib
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pandas as pd
from PIL import Image

from goodparts.command import InputError, progress, reason
from goodparts.files import file_hash, natural_key
from preprocessing.bit_depth import deep_values, depth_of_image, is_deep
from preprocessing.images import (
    UNREADABLE,
    decode_image,
    encode_image,
    image_threads,
    write_image,
)
from preprocessing.importing.found_image import EMPTY_ENTRY, Rejected, SourceImage
from preprocessing.importing.mask_values import read_masks
from preprocessing.instances import Instance, draw_instances, mask_instances
from preprocessing.manifest import COLUMNS, image_source
from preprocessing.splitting.near_duplicates import Fingerprint, fingerprint

INVERTED = 0.5  # of an image: a mask that marks more may be inverted


class CheckedImage(NamedTuple):
    """An image that can be read.

    Attributes:
        found: As it was found.
        sha256: Hash of the image file in the data set.
        mask_sha256: Of the mask files; empty without any.
        size: `(height, width)`, pixels.
        fingerprint: Fingerprint for finding near-duplicates.
        bit_depth: Bit depth of the camera, where the file has more than 8 bits: the
            data set gets the upper 8 as a PNG. None where it gets the file as it is.
        pixels_sha256: Of the pixels, whatever the format of the file.
        remarks: Remarks on the image, although it is used.
    """

    found: SourceImage
    sha256: str
    mask_sha256: str
    size: tuple[int, int]
    fingerprint: Fingerprint
    bit_depth: int | None = None
    pixels_sha256: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def instances(self) -> tuple[Instance, ...]:
        return self.found.instances

    @property
    def suffix(self) -> str:
        return ".png" if self.bit_depth else self.found.path.suffix


def find_bit_depth(found: Sequence[SourceImage]) -> int:
    """The bit depth of a data set by its largest value; 8 where all files have 8 bits.

    A few hot pixels do not count, see `depth_of_image`.

    Args:
        found: All images of the source.
    """
    with image_threads() as pool:
        steps = pool.map(lambda image: _own_depth(image.path), found)
        return max(progress(steps, "finding the bit depth", len(found)), default=8)


def note_on_depths(
    images: Iterable[CheckedImage], normal_class: str | None
) -> list[str]:
    """A warning if the bit depths of good and defective parts differ."""
    depths = {True: set(), False: set()}
    for image in images:
        depths[image.found.label == normal_class].add(bool(image.bit_depth))
    if not depths[True] or not depths[False] or depths[True] == depths[False]:
        return []
    return [
        "warning: the files of good and defective parts have different bit depths, "
        "from which a model could tell them apart: record both with the same camera "
        "settings"
    ]


def note_on_unmarked(images: Iterable[CheckedImage]) -> list[str]:
    """How many images count as good because no annotation file marks a defect."""
    counts = Counter(image.found.unmarked for image in images if image.found.unmarked)
    if not counts:
        return []
    note = f"images without an annotation, used as good parts: {counts.total()}"
    if counts[EMPTY_ENTRY]:
        note += f" ({counts[EMPTY_ENTRY]} of them have {EMPTY_ENTRY})"
    return [note]


def check_images(
    found: Sequence[SourceImage], bit_depth: int = 8
) -> tuple[list[CheckedImage], list[Rejected]]:
    """Reads every image once and separates those that cannot be used.

    Of identical images one is kept; if they have different labels, none is kept.

    Args:
        found: All images of the source.
        bit_depth: Bit depth of the camera, see `find_bit_depth`.

    Returns:
        The usable images, and the rejected files with remarks on usable ones.
    """
    with image_threads() as pool:
        steps = pool.map(lambda image: _check(image, bit_depth), found)
        results = list(progress(steps, "reading", len(found)))
    rejected = [result for result in results if isinstance(result, Rejected)]
    readable = [result for result in results if isinstance(result, CheckedImage)]
    by_content, by_pixels = {}, defaultdict(set)
    for image in readable:
        by_content.setdefault(image.sha256, []).append(image)
        by_pixels[image.pixels_sha256] |= {image.found.label}
    kept = []
    for image in readable:
        alike = by_content[image.sha256]
        labels = sorted(by_pixels[image.pixels_sha256])
        source = image.found.source
        if len(labels) > 1:
            reason = f"mislabelled: the same image has the labels {', '.join(labels)}"
            rejected.append(Rejected(source, reason))
        elif image is not alike[0]:
            reason = f"duplicate of {alike[0].found.source}"
            rejected.append(Rejected(source, reason))
        else:
            kept.append(image)
            rejected += [Rejected(source, remark) for remark in image.remarks]
    return kept, rejected


def place_files(images: Sequence[CheckedImage]) -> pd.DataFrame:
    """Gives every image its sample_id and its rank in its class.

    Args:
        images: Those that are used.

    Returns:
        Table with the manifest's columns, of which split, group, clip, frame and
        the paths are still empty, and stem, suffix, has_mask, order, official_split and
        table_split.
    """
    both = {image.found.official_split for image in images} >= {"train", "test"}
    stems = _unique_stems(images, keep_official=both)
    table = pd.DataFrame("", index=range(len(images)), columns=list(COLUMNS))
    table["label"] = [image.found.label for image in images]
    table["stem"] = stems
    table["sample_id"] = table["label"] + "/" + table["stem"]
    table["source"] = [image_source(image.found.source) for image in images]
    table["sha256"] = [image.sha256 for image in images]
    table["official_split"] = [image.found.official_split for image in images]
    table["table_split"] = [image.found.table_split for image in images]
    natural = sorted(range(len(images)), key=lambda row: natural_key(stems[row]))
    rank = pd.Series(range(len(images)), index=natural)
    table["order"] = rank.groupby(table["label"]).rank().astype(int) - 1
    table["suffix"] = [image.suffix for image in images]
    table["has_mask"] = [_has_mask(image.found) for image in images]
    return table


def add_paths(table: pd.DataFrame) -> None:
    """Fills path and mask names, relative to the data set's folder, by split."""
    image_folder = table["split"] + "/images/" + table["label"] + "/"
    mask_folder = table["split"] + "/ground_truth/" + table["label"] + "/"
    masks = mask_folder + table["stem"] + "_mask.png"
    table["path"] = image_folder + table["stem"] + table["suffix"]
    table["mask_path"] = masks.where(table["has_mask"], "")


def write_files(
    folder: Path, table: pd.DataFrame, images: Sequence[CheckedImage], *, link: bool
) -> list[list[Instance]]:
    """Copies or hard-links the images and writes the masks as PNG.

    Returns:
        The defect instances of each image: the annotated ones, else those of its mask.
    """
    rows = list(zip(table.to_dict("records"), images, strict=True))
    with image_threads() as pool:
        steps = pool.map(lambda item: _write_sample(folder, *item, link=link), rows)
        return list(progress(steps, "writing", len(rows)))


def _write_sample(folder, row, image, *, link):
    found, target = image.found, folder / row["path"]
    target.parent.mkdir(parents=True, exist_ok=True)
    if image.bit_depth:
        content = found.path.read_bytes()
        write_image(target, decode_image(content, found.source, image.bit_depth))
    else:
        _place(found.path, target, link)
    if not row["mask_path"]:
        return list(found.instances)
    if found.mask_paths:
        mask = read_masks(found.mask_paths, found.mask_ignore)[0]
    else:
        mask = draw_instances(found.instances, image.size)
    write_image(folder / row["mask_path"], mask)
    return list(found.instances) or mask_instances(mask, found.label)


def _place(path, target, link):
    try:
        (os.link if link else shutil.copyfile)(path, target)
    except OSError:
        if not link:
            raise
        shutil.copyfile(path, target)  # another file system


def _own_depth(path):
    try:
        with Image.open(path) as image:
            if not is_deep(image):
                return 8
        return depth_of_image(deep_values(path.read_bytes()))
    except UNREADABLE:
        return 8


def _check(found, bit_depth):
    try:
        content = found.path.read_bytes()
        image = decode_image(content, found.source, bit_depth)
        values = deep_values(content)
        is_converted = values is not None
        mask_sha256, remarks = "", []
        if is_converted and values.max(initial=0) >> bit_depth:
            remarks.append(
                f"has {(values >> bit_depth > 0).sum()} values above {bit_depth} "
                f"bits, up to {values.max()}, which were clipped: are they hot pixels?"
            )
        if found.mask_paths:
            mask = read_masks(found.mask_paths, found.mask_ignore)[0]
            if mask.shape != image.shape[:2]:
                sizes = [f"{w}x{h}" for h, w in (mask.shape, image.shape[:2])]
                raise InputError(
                    f"the mask has {sizes[0]} pixels, the image {sizes[1]}"
                )
            if mask.mean() > INVERTED:
                remarks.append(
                    f"its mask marks {mask.mean():.0%} of the image as defect: is the "
                    "mask inverted?"
                )
            mask_sha256 = " ".join(map(file_hash, found.mask_paths))
            mask_sha256 += f" without {found.mask_ignore}" * bool(found.mask_ignore)
    except (InputError, OSError) as error:
        return Rejected(found.source, reason(error))
    size = image.shape[:2]
    if is_converted:
        content = encode_image(image, ".png")
    return CheckedImage(
        found,
        hashlib.sha256(content).hexdigest(),
        mask_sha256,
        size,
        fingerprint(image),
        bit_depth if is_converted else None,
        hashlib.sha256(repr(size).encode() + image.tobytes()).hexdigest(),
        tuple(remarks),
    )


def _has_mask(found):
    drawn = any(instance["polygons"] for instance in found.instances)
    return bool(found.mask_paths) or drawn


def _unique_stems(images, *, keep_official):
    """File stems, unique within a class: the path below the class folder."""
    stems, taken = [], set()
    for image in images:
        parts = list(PurePosixPath(image.found.source).with_suffix("").parts)
        drop = {image.found.label, "images", "JPEGImages"}
        if not keep_official:
            drop |= {"train", "test"}
        folders = [part for part in parts[:-1] if part not in drop]
        stem = base = "_".join([*folders, parts[-1]])
        number = 2
        while (image.found.label, stem.lower()) in taken:
            stem, number = f"{base}_{number}", number + 1
        taken.add((image.found.label, stem.lower()))
        stems.append(stem)
    return stems
