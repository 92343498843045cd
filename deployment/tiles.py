"""Instances of large images, found in overlapping tiles and in the whole image.

A model that reduces large images misses small defects. In tiles it sees them at full
resolution; it is not trained again. What several views found of one defect is merged.

Reference:
    Akyon et al., Slicing Aided Hyper Inference, ICIP 2022.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import cv2
import numpy as np

from evaluation.predictor import Answer, Instances
from goodparts.command import InputError
from goodparts.files import PathLike

OVERLAP = 0.2  # of neighbouring tiles
MIN_SHARE = 0.5  # intersection over the smaller box, from which two may be one
MERGE_FROM = 0.1  # score; less certain ones are left out instead of merged


class _Candidate(NamedTuple):
    """An instance of one or several views; its mask is the part from `corner` on."""

    views: frozenset[int]
    box: np.ndarray  # x0, y0, x1, y1
    score: float
    label: str
    corner: tuple[int, int]  # row and column
    mask: np.ndarray | None


def tiled(
    answer: Callable[[np.ndarray], Answer], size: int
) -> Callable[[np.ndarray], Answer]:
    """A function from an image to its `Answer` by tiles and the whole image.

    Instances of different views are merged if they have one class, their boxes overlap
    by MIN_SHARE of the smaller one, and their masks overlap or touch. Those of one view
    are never merged. Score and probabilities are those of the view with the highest
    defect score; the anomaly map is that of the whole image.

    Args:
        answer: From uint8 RGB `(height, width, 3)` of any size to its `Answer`.
        size: Side of a tile in pixels.
    """

    def answer_in_tiles(image: np.ndarray) -> Answer:
        height, width = image.shape[:2]
        answers = [answer(image)]
        if answers[0].instances is None:
            raise InputError("The model finds no instances. Omit --tiles.")
        corners = [(0, 0)]
        for rows, columns in tiles(height, width, size):
            answers.append(answer(np.ascontiguousarray(image[rows, columns])))
            corners.append((rows.start, columns.start))
        found = [
            candidate
            for view, (said, corner) in enumerate(zip(answers, corners, strict=True))
            for candidate in _candidates(view, said.instances, corner)
        ]
        scores = [
            -np.inf if a.defect_score is None else a.defect_score for a in answers
        ]
        worst = answers[int(np.argmax(scores))]
        return worst._replace(
            anomaly_map=answers[0].anomaly_map,
            instances=_as_instances(merge(found), (height, width)),
        )

    return answer_in_tiles


def check_tiles(image: np.ndarray, size: int, *, name: PathLike) -> None:
    """Raises InputError if an image is not larger than a tile; `name` is its file."""
    height, width = image.shape[:2]
    if max(height, width) <= size:
        raise InputError(
            f"{name} has {width} x {height} pixels and is not larger than a tile of "
            f"{size} x {size}. Give a smaller --tiles, or omit it."
        )


def tiles(height: int, width: int, size: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of tiles that cover an image.

    They overlap by OVERLAP; the last one of a row or column is moved inward.
    """
    for top in _starts(height, size):
        for left in _starts(width, size):
            yield (
                slice(top, min(top + size, height)),
                slice(left, min(left + size, width)),
            )


def _starts(length, size):
    if length <= size:
        return [0]
    step = size - round(OVERLAP * size)
    return [*range(0, length - size, step), length - size]


def _candidates(view, instances, corner):
    top, left = corner
    for index, (x, y, width, height) in enumerate(instances.boxes):
        box = np.array([x, y, x + width, y + height]) + [left, top, left, top]
        mask, place = None, corner
        if instances.masks is not None:
            mask, (row, column) = _cut(instances.masks[index])
            place = top + row, left + column
        label, score = instances.labels[index], float(instances.scores[index])
        yield _Candidate(frozenset([view]), box, score, label, place, mask)


def _cut(mask):
    """The part of a mask in its bounding box, and the row and column of its corner."""
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return np.array(mask[y : y + height, x : x + width], bool), (y, x)


def merge(candidates: list[_Candidate]) -> list[_Candidate]:
    """Merges what different views found of one defect, the most certain first."""
    left = sorted(candidates, key=lambda each: -each.score)
    merged = []
    while left:
        top = left.pop(0)
        has_grown = True
        while has_grown:
            has_grown, others = False, []
            for other in left:
                if not _is_one(top, other):
                    others.append(other)
                elif other.score >= MERGE_FROM:
                    top, has_grown = _union(top, other), True
            left = others
        merged.append(top)
    return merged


def _is_one(one, other):
    if one.label != other.label or one.views & other.views:
        return False
    low, high = np.maximum(one.box, other.box)[:2], np.minimum(one.box, other.box)[2:]
    both = np.prod(np.clip(high - low, 0, None))
    smaller = min(np.prod(each.box[2:] - each.box[:2]) for each in (one, other))
    if both < MIN_SHARE * smaller or both == 0:
        return False
    return one.mask is None or other.mask is None or _touch(one, other)


def _touch(one, other):
    """Whether two masks overlap, or have pixels next to each other."""
    canvas, corner = _canvas(one, other)
    first = np.pad(_pasted(one, canvas, corner), 1).astype(np.uint8)
    second = np.pad(_pasted(other, canvas, corner), 1)
    wider = cv2.dilate(first, np.ones((3, 3), np.uint8))
    return bool((wider.astype(bool) & second).any())


def _union(one, other):
    mask, corner = None, one.corner
    if one.mask is not None and other.mask is not None:
        canvas, corner = _canvas(one, other)
        mask = _pasted(one, canvas, corner) | _pasted(other, canvas, corner)
    low, high = np.minimum(one.box, other.box)[:2], np.maximum(one.box, other.box)[2:]
    box, views = np.concatenate([low, high]), one.views | other.views
    return one._replace(views=views, box=box, corner=corner, mask=mask)


def _canvas(one, other):
    """Size and corner of the smallest rectangle round two masks."""
    corners = np.array([one.corner, other.corner])
    ends = corners + [one.mask.shape, other.mask.shape]
    corner = corners.min(axis=0)
    return tuple(ends.max(axis=0) - corner), tuple(corner)


def _pasted(candidate, size, corner):
    mask = np.zeros(size, bool)
    row, column = candidate.corner[0] - corner[0], candidate.corner[1] - corner[1]
    height, width = candidate.mask.shape
    mask[row : row + height, column : column + width] = candidate.mask
    return mask


def _as_instances(merged, size):
    boxes = np.array([each.box for each in merged], np.float64).reshape(-1, 4)
    boxes[:, 2:] -= boxes[:, :2]
    masks = None
    if all(each.mask is not None for each in merged):
        masks = np.zeros((len(merged), *size), bool)
        for index, each in enumerate(merged):
            masks[index] = _pasted(each, size, (0, 0))
    scores = np.array([each.score for each in merged], np.float64)
    return Instances(boxes, scores, [each.label for each in merged], masks)
