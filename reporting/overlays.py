"""Pictures of what spoke for a class: where a classifier looked when it was wrong."""

import itertools
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from goodparts.command import InputError
from preprocessing.images import image_size, read_image, resize, write_image

BATCH_SIZE = 16
SHORTEST, LONGEST = 240, 640  # pixels of the longer side of one shown image
GAP = 8  # pixels between the two images
FONT_SIZE = 15
STRENGTH = 0.6  # how much of the image the strongest evidence covers


class Mistake(NamedTuple):
    """A misclassified image: its file, the class named, and the true one."""

    path: Path
    named: str
    true: str


def write_evidence(mistakes, targets, explain):
    """Writes a picture for each mistake: evidence for the named and the true class.

    Args:
        mistakes: List of `Mistake`.
        targets: Where to write each, a `.jpg` path.
        explain: Takes uint8 RGB images `(batch, height, width, 3)` of one size and
            the class of each, returns maps `(batch, height, width)` in `[0, 1]`.

    Returns:
        How many were written; an image that cannot be read has none.
    """
    sized = [
        (size, mistake, target)
        for mistake, target in zip(mistakes, targets, strict=True)
        if (size := _size(mistake.path)) is not None
    ]
    sized.sort(key=lambda item: item[0])
    count = 0
    for _, same_size in itertools.groupby(sized, key=lambda item: item[0]):
        while batch := list(itertools.islice(same_size, BATCH_SIZE)):
            count += _write_batch([item[1:] for item in batch], explain)
    return count


def _write_batch(batch, explain):
    read = [(_read(mistake.path), mistake, target) for mistake, target in batch]
    read = [item for item in read if item[0] is not None]
    if not read:
        return 0
    images = np.stack([image for image, _, _ in read])
    for_named = explain(images, [mistake.named for _, mistake, _ in read])
    for_true = explain(images, [mistake.true for _, mistake, _ in read])
    for item, named, true in zip(read, for_named, for_true, strict=True):
        image, mistake, target = item
        write_image(target, evidence_picture(image, mistake, named, true))
    return len(read)


def evidence_picture(image, mistake, for_named, for_true):
    """Two overlays beside each other, under a strip that says of which class.

    Args:
        image: uint8 RGB `(height, width, 3)`.
        mistake: The `Mistake`.
        for_named, for_true: Evidence maps `(height, width)` in `[0, 1]`.

    Returns:
        uint8 RGB, of a size fit for a screen.
    """
    height, width = image.shape[:2]
    longer = max(height, width)
    scale = np.clip(longer, SHORTEST, LONGEST) / longer
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    panels = [
        _captioned(overlay(resize(image, size), resize(evidence, size)), caption)
        for evidence, caption in (
            (np.asarray(for_named, np.float32), f"named: {mistake.named}"),
            (np.asarray(for_true, np.float32), f"true: {mistake.true}"),
        )
    ]
    gap = np.full((panels[0].shape[0], GAP, 3), 255, np.uint8)
    return np.concatenate([panels[0], gap, panels[1]], axis=1)


def overlay(image, evidence):
    """Colours an image by an evidence map; where there is none, it stays as it is.

    Args:
        image: uint8 RGB `(height, width, 3)`.
        evidence: `(height, width)` in `[0, 1]`; drawn from dark violet to yellow.
    """
    evidence = np.clip(np.nan_to_num(evidence), 0, 1)
    levels = np.round(255 * evidence).astype(np.uint8)
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1]
    cover = STRENGTH * evidence[..., None]
    return np.round((1 - cover) * image + cover * colours).astype(np.uint8)


def _captioned(image, caption):
    """Puts a white strip with a caption over an image, which is centred if narrow."""
    font = _font()
    room = max(image.shape[1], SHORTEST)
    strip = Image.new("RGB", (room, FONT_SIZE + 9), "white")
    text = _fitted(caption, font, room - 6)
    ImageDraw.Draw(strip).text((3, 3), text, fill="black", font=font)
    left = (room - image.shape[1]) // 2
    sides = ((0, 0), (left, room - image.shape[1] - left), (0, 0))
    wide = np.pad(image, sides, constant_values=255)
    return np.concatenate([np.asarray(strip), wide], axis=0)


def _fitted(caption, font, room):
    """Cuts a caption in its middle: the ends tell classes apart."""
    kept = len(caption)
    text = caption
    while font.getlength(text) > room and kept > 2:
        kept -= 1
        end = kept // 2
        text = f"{caption[: kept - end]}…{caption[len(caption) - end :]}"
    return text


@cache
def _font():
    folder = Path(matplotlib.get_data_path(), "fonts", "ttf")
    return ImageFont.truetype(str(folder / "DejaVuSans.ttf"), FONT_SIZE)


def _size(path):
    try:
        return image_size(path)
    except InputError:
        return None


def _read(path):
    try:
        return read_image(path)
    except InputError:
        return None
