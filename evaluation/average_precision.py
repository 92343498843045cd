"""COCO's average precision of instances, on the sample and on resamples of groups.

The instances are matched once per image; a resample only changes how often an image
counts. With each image once the values are those of pycocotools.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from evaluation.instance_pairs import Pairing, match, same_class
from evaluation.metrics import ratio

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
AT = {"ap": slice(None), "ap50": slice(0, 1), "ap75": slice(5, 6)}  # of these
RECALLS = np.linspace(0.0, 1.0, 101)  # where the precision is read
MAX_VALUES = 4_000_000  # weights of instances in resamples, held in memory at once


class Ranking(NamedTuple):
    """The found instances of one class in all images, by falling score.

    Attributes:
        groups: Index of the group of each, `(n,)`.
        is_true: Bool `(n, thresholds)`: whether it matches at IOU_THRESHOLDS.
        num_true: True instances of each group, `(groups,)`.
    """

    groups: np.ndarray
    is_true: np.ndarray
    num_true: np.ndarray


def rank(
    pairings: Iterable[Pairing], kind: str, classes: Sequence[str], num_groups: int
) -> dict[str, Ranking]:
    """The `Ranking` of each class.

    Args:
        pairings: Instances of the images.
        kind: "box" or "mask".
        classes: Names of the classes to rank.
        num_groups: Number of groups.
    """
    parts: dict[str, list[tuple[np.ndarray, ...]]] = {name: [] for name in classes}
    num_true = {name: np.zeros(num_groups) for name in classes}
    for each in pairings:
        matches = match(each.ious[kind], same_class(each), IOU_THRESHOLDS) >= 0
        for name in set(each.found.labels) & set(classes):
            own = each.found.labels == name
            groups = np.full(own.sum(), each.group)
            parts[name].append((each.found.scores[own], groups, matches[own]))
        for name in set(each.true.labels) & set(classes):
            num_true[name][each.group] += (each.true.labels == name).sum()
    return {name: _ranking(parts[name], num_true[name]) for name in classes}


def _ranking(parts, num_true):
    none = np.zeros(0), np.zeros(0, int), np.zeros((0, len(IOU_THRESHOLDS)), bool)
    columns = zip(*[none, *parts], strict=True)
    scores, groups, matches = (np.concatenate(column) for column in columns)
    order = np.argsort(-scores, kind="stable")
    return Ranking(groups[order], matches[order], num_true)


def precisions(ranking: Ranking, draws: np.ndarray) -> np.ndarray:
    """The average precision of one class at each of IOU_THRESHOLDS.

    Args:
        ranking: Of the class.
        draws: `(resamples, groups)`, how often each group was drawn.

    Returns:
        `(resamples, thresholds)`; NaN without true instances.

    Reference:
        accumulate in pycocotools/cocoeval.py, all areas, 100 detections.
    """
    values = np.zeros((len(draws), len(IOU_THRESHOLDS)))
    step = max(1, MAX_VALUES // max(1, len(ranking.groups)))
    for start in range(0, len(draws), step):
        rows = slice(start, start + step)
        weights = draws[rows][:, ranking.groups]
        ranks = np.cumsum(weights, axis=1, dtype=weights.dtype)
        for column, hit in enumerate(ranking.is_true.T):
            hits = np.cumsum(weights[:, hit], axis=1)
            values[rows, column] = _read(hits, ranks[:, hit], draws[rows], ranking)
    values[draws @ ranking.num_true == 0] = np.nan
    return values


def mean_over_classes(values: np.ndarray) -> np.ndarray:
    """`(resamples,)`: the mean of `(classes, resamples)` without NaN."""
    is_there = ~np.isnan(values)
    return ratio(np.where(is_there, values, 0).sum(0), is_there.sum(0))


def _read(hits, ranks, draws, ranking):
    """The mean of the precision at RECALLS, where it may only fall with the recall.

    Args:
        hits: Weight of the true ones up to each true one, `(resamples, true)`.
        ranks: Weight of all found ones up to each true one.
    """
    if not hits.shape[1]:
        return 0.0
    recalls = ratio(hits, (draws @ ranking.num_true)[:, None])
    precision = np.nan_to_num(ratio(hits, ranks))
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    reached = np.searchsorted(RECALLS, recalls, side="right")
    steps = np.diff(reached, prepend=0, axis=1)
    return (best * steps).sum(axis=1) / len(RECALLS)
