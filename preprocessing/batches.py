"""The rows of a manifest as batches for a predictor: images, or clips of frames."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from preprocessing.clips import clip_windows
from preprocessing.datasets import ImageStore, prediction_batch
from preprocessing.images import read_image, resize

if TYPE_CHECKING:
    import pandas as pd


def row_batches(
    folder: Path,
    rows: pd.DataFrame,
    image_size: tuple[int, int] | None,
    num_frames: int = 1,
) -> Iterator[tuple[range, np.ndarray]]:
    """Yields `(positions, images)` for all rows, in order.

    Args:
        folder: Folder of the data set.
        rows: Manifest table.
        image_size: `(height, width)` to resize to; None for the original size.
        num_frames: Frames in a clip; the clip of a row ends with it, and contains only
            frames of its own split.

    Yields:
        Positions of rows, and their uint8 RGB images `(batch, height, width, 3)`, or
        clips `(batch, num_frames, height, width, 3)`.
    """
    paths = [folder / path for path in rows["path"]]
    if num_frames > 1:
        is_still = rows["clip"] == ""
        clips = rows["clip"].where(is_still, rows["clip"] + " of " + rows["split"])
        windows = clip_windows(rows.assign(clip=clips), num_frames)
        yield from _clips(paths, windows, image_size)
    elif image_size is None:
        yield from _alike(map(read_image, paths))
    else:
        start = 0
        for images in ImageStore(paths, image_size).batches():
            yield range(start, start + len(images)), images
            start += len(images)


def _clips(paths, windows, image_size):
    """The clips of rows; of one clip all frames are of one size."""

    @lru_cache(maxsize=2 * windows.shape[1])
    def read(place):
        image = read_image(paths[place])
        return image if image_size is None else resize(image, image_size)

    yield from _alike(np.stack([read(place) for place in window]) for window in windows)


def _alike(images):
    """Images, or clips, that follow each other and are of one size together."""
    start = 0
    for shape, alike in itertools.groupby(images, key=lambda image: image.shape):
        *num_frames, height, width, _ = shape
        size = max(1, prediction_batch((height, width)) // (*num_frames, 1)[0])
        while part := list(itertools.islice(alike, size)):
            yield range(start, start + len(part)), np.stack(part)
            start += len(part)
