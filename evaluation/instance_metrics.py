"""Metrics for found instances, which are matched with the true ones once per image."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evaluation.found_instances import as_instances, read_found
from evaluation.metrics import ratio
from preprocessing.images import image_size
from preprocessing.instances import instance_mask, read_instances

if TYPE_CHECKING:
    import pandas as pd

    from preprocessing.manifest import Dataset

MIN_IOU = 0.5  # from here on an instance is found


class Matches(NamedTuple):
    """Counts of each group, `(groups,)`.

    Attributes:
        num_true: Instances of the truth.
        num_found: Number of these that were found.
        num_false: Number of found instances that match no true one.
        num_images: Images.
        total_iou: Sum of the IoU of the found ones.
    """

    num_true: np.ndarray
    num_found: np.ndarray
    num_false: np.ndarray
    num_images: np.ndarray
    total_iou: np.ndarray

    @property
    def num_groups_with_defects(self) -> int:
        return int((self.num_true > 0).sum())


def match_instances(
    run_folder: str | os.PathLike[str],
    dataset: Dataset,
    table: pd.DataFrame,
    *,
    normal_class: str | None,
) -> Matches | None:
    """Matches the instances of a run with the true ones, image by image.

    The most certain one is matched first, with the unmatched true instance of its class
    that has the largest intersection over union, at least MIN_IOU; by masks if the run
    has them, else by boxes.

    Args:
        run_folder: With instances.json.
        dataset: With images and instances.
        table: Predictions table of one split.
        normal_class: The class of good parts. Images of another class without instances
            are left out, because the position of their defects is unknown.

    Returns:
        `Matches` of the groups in alphabetical order, or None where the data set has
        no instances.
    """
    truth = read_instances(dataset.folder / "instances.json")
    if not any(truth.values()):
        return None
    found, rows = read_found(run_folder), dataset.manifest.set_index("sample_id")
    names, groups = np.unique(table["group"].to_numpy(str), return_inverse=True)
    counts = np.zeros((len(Matches._fields), len(names)))
    columns = table["sample_id"], table["label"]
    for group, sample, label in zip(groups, *columns, strict=True):
        true = truth.get(sample, [])
        if not true and label != normal_class:
            continue
        seen = as_instances(found.get(sample, []))
        size = image_size(dataset.folder / rows.at[sample, "path"])
        overlaps = [value for value in _match(true, seen, size) if value > 0]
        false = len(seen.scores) - len(overlaps)
        counts[:, group] += len(true), len(overlaps), false, 1, sum(overlaps)
    return Matches(*counts)


def _match(true, seen, size):
    """The IoU of each found instance with its match; 0 without a match."""
    free = list(range(len(true)))
    for index in np.argsort(-seen.scores, kind="stable"):
        best, taken = MIN_IOU, None
        for other in free:
            if true[other]["label"] == seen.labels[index]:
                overlap = _iou(true[other], seen, index, size)
                if overlap >= best:
                    best, taken = overlap, other
        if taken is not None:
            free.remove(taken)
            yield best
        else:
            yield 0.0


def _iou(true, seen, index, size):
    if seen.masks is None:
        return _box_iou(np.asarray(true["bbox"], float), seen.boxes[index])
    mask = instance_mask(true, size)
    both = (mask & seen.masks[index]).sum()
    return both / max(1, (mask | seen.masks[index]).sum())


def _box_iou(one, other):
    low = np.maximum(one[:2], other[:2])
    high = np.minimum(one[:2] + one[2:], other[:2] + other[2:])
    both = np.prod(np.clip(high - low, 0, None))
    return both / (np.prod(one[2:]) + np.prod(other[2:]) - both)


def detection_rate(matches: Matches, draws: np.ndarray) -> np.ndarray:
    """Fraction of true instances that were found, for draws `(resamples, groups)`."""
    return ratio(draws @ matches.num_found, draws @ matches.num_true)


def false_alarms_per_image(matches: Matches, draws: np.ndarray) -> np.ndarray:
    """Number of found instances per image that match no true one."""
    return ratio(draws @ matches.num_false, draws @ matches.num_images)


def mean_iou(matches: Matches, draws: np.ndarray) -> np.ndarray:
    """Mean intersection over union of the instances that were found."""
    return ratio(draws @ matches.total_iou, draws @ matches.num_found)
