"""Found and true instances of each image, and how far they overlap.

Everything that is measured of instances is computed from `Pairing`s, so that the masks
are decoded and compared only once.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evaluation.found_instances import as_instances, read_found
from evaluation.predictor import Instances
from preprocessing.images import image_size
from preprocessing.instances import Instance, instance_mask, read_instances

if TYPE_CHECKING:
    import pandas as pd

    from preprocessing.manifest import Dataset

MAX_FOUND = 100  # instances of a class in an image; COCO also ignores the others


class Listed(NamedTuple):
    """The instances of an image without their masks, found ones by falling score.

    Attributes:
        labels: `(n,)`, class names.
        scores: `(n,)`; 1 for true instances.
        boxes: `(n, 4)`: x, y, width and height in pixels.
        areas: `(n,)`, pixels of the masks, or of the boxes if there are no masks.
    """

    labels: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray


class Pairing(NamedTuple):
    """The instances of one image.

    Attributes:
        sample_id: Name of the image.
        group: Index of its group, from 0.
        found, true: The instances.
        ious: Intersections over union `(found, true)` of "box" and, if both sides have
            masks, of "mask".
    """

    sample_id: str
    group: int
    found: Listed
    true: Listed
    ious: dict[str, np.ndarray]


def pair_instances(
    run_folder: str | os.PathLike[str],
    dataset: Dataset,
    table: pd.DataFrame,
    *,
    normal_class: str | None,
) -> list[Pairing] | None:
    """Pairs the instances of a run with the true ones, image by image.

    Args:
        run_folder: With instances.json.
        dataset: With images and instances.
        table: Predictions table of one split.
        normal_class: The class of good parts. Images of another class without instances
            are left out, because the position of their defects is unknown.

    Returns:
        One for each image, with its index among the sorted groups of the table; None
        if the data set has no instances.
    """
    truth = read_instances(dataset.folder / "instances.json")
    if not any(truth.values()):
        return None
    found, rows = read_found(run_folder), dataset.manifest.set_index("sample_id")
    _, groups = np.unique(table["group"].to_numpy(str), return_inverse=True)
    pairings = []
    columns = table["sample_id"], table["label"]
    for group, sample, label in zip(groups, *columns, strict=True):
        true = truth.get(sample, [])
        if true or label == normal_class:
            size = image_size(dataset.folder / rows.at[sample, "path"])
            seen = as_instances(found.get(sample, []))
            pairings.append(pair(sample, int(group), seen, true_instances(true, size)))
    return pairings


def true_instances(true: list[Instance], size: tuple[int, int]) -> Instances:
    """`Instances` of the truth in an image of `size` (height, width).

    They have masks if all of them have polygons.
    """
    masks = None
    if true and all(each["polygons"] for each in true):
        masks = np.stack([instance_mask(each, size) for each in true])
    return Instances(
        np.array([each["bbox"] for each in true], np.float64).reshape(-1, 4),
        np.ones(len(true)),
        [each["label"] for each in true],
        masks,
    )


def pair(sample_id: str, group: int, found: Instances, true: Instances) -> Pairing:
    """Compares the instances of one image.

    Args:
        sample_id: Name of the image.
        group: Index of its group.
        found: Of each class the MAX_FOUND most certain ones are used.
        true: The truth.
    """
    found = most_certain(found)
    ious = {"box": box_ious(found.boxes, true.boxes)}
    if all(side.masks is not None for side in (found, true) if side.labels):
        ious["mask"] = ious["box"]  # empty
        if found.masks is not None and true.masks is not None and ious["box"].size:
            ious["mask"] = mask_ious(found.masks, true.masks)
    return Pairing(sample_id, group, _listed(found), _listed(true), ious)


def most_certain(found: Instances) -> Instances:
    """The MAX_FOUND most certain instances of each class, the best first."""
    counts: Counter[str] = Counter()
    kept = []
    for index in np.argsort(-found.scores, kind="stable"):
        counts[found.labels[index]] += 1
        if counts[found.labels[index]] <= MAX_FOUND:
            kept.append(index)
    return found.subset(np.array(kept, int))


def _listed(instances):
    areas = np.prod(instances.boxes[:, 2:], axis=1)
    if instances.masks is not None:
        areas = instances.masks.sum(axis=(1, 2)).astype(np.float64)
    labels = np.array(instances.labels, object)
    return Listed(labels, np.asarray(instances.scores, float), instances.boxes, areas)


def box_ious(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Intersections over union `(n, m)` of boxes `(n, 4)` and `(m, 4)`."""
    low = np.maximum(found[:, None, :2], true[None, :, :2])
    ends = (
        found[:, None, :2] + found[:, None, 2:],
        true[None, :, :2] + true[None, :, 2:],
    )
    both = np.prod(np.clip(np.minimum(*ends) - low, 0, None), axis=2)
    areas = np.prod(found[:, 2:], axis=1)[:, None] + np.prod(true[:, 2:], axis=1)
    return np.divide(both, areas - both, out=np.zeros(both.shape), where=both > 0)


def mask_ious(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Intersections over union `(n, m)` of bool masks `(n, height, width)` and
    `(m, height, width)`.
    """
    areas = found.sum(axis=(1, 2))
    values = np.zeros((len(found), len(true)))
    for column, mask in enumerate(true):
        rows = np.flatnonzero(mask.any(axis=1))
        if not rows.size:
            continue
        columns = np.flatnonzero(mask.any(axis=0))
        inside = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        both = (found[:, *inside] & mask[inside]).sum(axis=(1, 2))
        values[:, column] = both / (areas + mask.sum() - both)
    return values


def match(
    ious: np.ndarray, same: np.ndarray, thresholds: np.ndarray | list[float]
) -> np.ndarray:
    """Matches found instances with true ones, the most certain first.

    Each takes the free true instance with the largest intersection over union; what is
    left to the less certain ones does not change a match, so a score threshold may also
    be applied afterwards.

    Args:
        ious: `(found, true)`, found ones by falling score.
        same: Bool `(found, true)`: the pairs that may match, usually of one class.
        thresholds: Least intersections over union `(t,)`.

    Returns:
        `(found, t)`: the index of the true instance, or -1.

    Reference:
        evaluateImg in pycocotools/cocoeval.py: of equal ones the last is taken.
    """
    least = np.asarray(thresholds)
    matches = np.full((len(ious), len(least)), -1)
    if not ious.size:
        return matches
    free = np.ones((len(least), ious.shape[1]), bool)
    for row, values in enumerate(np.where(same, ious, -1.0)):
        open_values = np.where(free, values, -1.0)[:, ::-1]
        best = ious.shape[1] - 1 - open_values.argmax(axis=1)
        hit = open_values.max(axis=1) >= least
        matches[row, hit] = best[hit]
        free[hit, best[hit]] = False
    return matches


def same_class(pairing: Pairing) -> np.ndarray:
    """Bool `(found, true)`: the pairs of one class."""
    return pairing.found.labels[:, None] == pairing.true.labels[None]
