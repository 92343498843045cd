"""How well defects of held-out images are found, to choose the epoch that is kept.

The loss alone would choose too early: it rises again while masks and classes still get
better, because the scores become more certain than they should be.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from segmentation.anchors import place_anchors
from segmentation.detector import Networks, Settings, find_defects
from segmentation.truth import Truth

IOUS = (0.5, 0.75)  # from which an instance is found; the mean of both counts


class Compared(NamedTuple):
    """What was found in an image, and how it overlaps the truth.

    Attributes:
        scores: Of the found instances, the highest first, `(n,)`.
        overlaps: IoU of their masks with those of the truths, `(n, truths)`; 0 where
            the classes differ.
    """

    scores: np.ndarray
    overlaps: np.ndarray


def held_out_precision(
    truths: Iterable[Truth], networks: Networks, settings: Settings
) -> float:
    """The average precision of masks on held-out images, the mean over IOUS."""
    anchors = place_anchors(settings.canvas, settings.anchors)
    compared = []
    for truth in truths:
        found, _ = find_defects(truth.image, networks, settings, anchors)
        labels = np.array([settings.labels.index(x) + 1 for x in found.labels], int)
        overlaps = mask_iou(np.asarray(found.masks), truth.masks)
        overlaps *= labels[:, None] == truth.labels
        compared.append(Compared(found.scores, overlaps))
    return float(np.mean([average_precision(compared, least) for least in IOUS]))


def mask_iou(masks: np.ndarray, others: np.ndarray) -> np.ndarray:
    """IoU of bool masks `(n, height, width)` with `(m, height, width)`: `(n, m)`."""
    size = masks.shape[1] * masks.shape[2]
    flat, other = (
        each.reshape(len(each), size).astype(np.float32) for each in (masks, others)
    )
    both = flat @ other.T
    either = flat.sum(axis=1)[:, None] + other.sum(axis=1) - both
    return both / np.maximum(either, 1)


def average_precision(images: list[Compared], least: float) -> float:
    """Area below the curve of precision over recall, of all classes together.

    In each image the most certain instance is matched first, with the free truth that
    it overlaps most, by `least` or more.

    Args:
        images: What was found in each image.
        least: IoU from which an instance is found.

    Returns:
        0 to 1; 0 without a truth.
    """
    num_truths = sum(each.overlaps.shape[1] for each in images)
    scores = np.concatenate([each.scores for each in images])
    is_right = np.concatenate([_matched(each.overlaps, least) for each in images])
    is_right = is_right[np.argsort(-scores, kind="stable")]
    if num_truths == 0 or not is_right.any():
        return 0.0
    precision = np.cumsum(is_right) / np.arange(1, len(is_right) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float(precision[is_right].sum() / num_truths)


def _matched(overlaps, least):
    """Whether each found instance has a truth of its own, bool `(n,)`."""
    free = np.ones(overlaps.shape[1], bool)
    found = np.zeros(len(overlaps), bool)
    for row, values in enumerate(overlaps):
        values = np.where(free, values, 0.0)
        if values.size and values.max() >= least:
            found[row] = True
            free[values.argmax()] = False
    return found
