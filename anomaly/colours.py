"""Learns the colours of good parts."""

from __future__ import annotations

import numpy as np

from anomaly.bundled import LEARNT
from anomaly.colour_table import LEVELS, STEPS, ColourTable, colours_of
from anomaly.job import Job, tell_left_out
from anomaly.view import look
from goodparts.command import progress
from preprocessing.images import read_image

LEAST_IMAGES = 2  # that show a colour, for it to be one of good parts; of one, 1


def learn(job: Job) -> None:
    """Writes the table of the colours that good images of train show."""
    num_images = np.zeros(LEVELS, np.int32)  # that show each colour
    num_seen = 0
    for path in progress(job.rows["path"], "colours", len(job.rows)):
        canvas = look(job.view, read_image(job.dataset.folder / path))
        if canvas is not None:
            colours = colours_of(canvas.pixels)
            shown = colours[True if canvas.is_part is None else canvas.is_part]
            is_there = np.zeros(LEVELS, bool)
            is_there[tuple(shown.reshape(-1, 3).T)] = True
            num_images += is_there
            num_seen += 1
    tell_left_out(job, len(job.rows) - num_seen)
    table = table_of(num_images >= min(LEAST_IMAGES, num_seen))
    np.savez(job.folder / LEARNT, **table._asdict())


def table_of(is_good: np.ndarray) -> ColourTable:
    """The table of distances to good colours.

    Args:
        is_good: Bool of the shape LEVELS.
    """
    from scipy.ndimage import distance_transform_edt

    return ColourTable(distance_transform_edt(~is_good, STEPS).astype(np.float32))
