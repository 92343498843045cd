"""Detects whether all parts have the same pose, so that rotations would mislead."""

import numpy as np

from preprocessing.images import read_image
from preprocessing.manifest import Dataset, is_copy
from preprocessing.splitting.near_duplicates import fingerprint

NUM_LOOKED_AT = 200
CLEARLY = 0.25  # of correlation


def has_fixed_pose(dataset: Dataset) -> bool:
    """Whether the train images agree far better with their mean than when mirrored.

    Under a fixed camera, the position of a feature can distinguish the classes; then
    only small rotations and no flips should be used for augmentation.

    Args:
        dataset: Data set; some of its original train images are used.
    """
    rows = dataset.rows("train")
    paths = rows["path"][~is_copy(rows)]
    paths = paths.iloc[:: max(1, len(paths) // NUM_LOOKED_AT)]
    grey = np.stack(
        [fingerprint(read_image(dataset.folder / path)).thumbnail for path in paths]
    ).astype(np.float64)
    grey -= grey.mean((1, 2), keepdims=True)
    grey /= np.maximum(np.linalg.norm(grey, axis=(1, 2), keepdims=True), 1e-9)
    mean = grey.mean(0) / max(np.linalg.norm(grey.mean(0)), 1e-9)
    mirrored = (mean[::-1], mean[:, ::-1], mean[::-1, ::-1])
    agreement = [(grey * view).sum((1, 2)).mean() for view in (mean, *mirrored)]
    return agreement[0] - max(agreement[1:]) > CLEARLY
