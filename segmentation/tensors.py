"""Proposals, sampling and RoIAlign of a whole batch in `keras.ops`, for the training.

All shapes are static. Boxes that do not exist are marked instead of left out. No
gradient passes through a box.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from networks.quiet_keras import keras
from segmentation.anchors import STRIDES, num_cells
from segmentation.boxes import decode, iou
from segmentation.detector import PROPOSAL_IOU, Settings
from segmentation.sampling import FIRST_LEVEL, bin_weights, level_of

ops = keras.ops

CANDIDATES = 200  # of each level, before suppression
NUM_PROPOSALS = 200  # after it
ROUNDS = 6  # of suppression, see `suppress`
MATCHED = 0.5  # IoU with a truth from which a RoI shows it
NOWHERE = -1e9  # score of what does not exist


class Rois(NamedTuple):
    """The RoIs that the heads are trained on: first those with a defect.

    Attributes:
        boxes: `(batch, rois, 4)`.
        labels: Class of each, `(batch, rois)` int; 0 is background.
        matched: Number of the truth that each overlaps most, `(batch, rois)` int.
        weights: 1, or 0 for places that no box was found for, `(batch, rois)`.
    """

    boxes: Any
    labels: Any
    matched: Any
    weights: Any


def pick(values: Any, indices: Any) -> Any:
    """`values[b, indices[b]]` for every b: `(batch, n, ...)` to `(batch, k, ...)`."""
    num_images, length = ops.shape(values)[0], values.shape[1]
    flat = ops.reshape(values, (-1, *values.shape[2:]))
    starts = ops.cast(ops.arange(num_images) * length, "int32")
    return ops.take(flat, ops.cast(indices, "int32") + starts[:, None], axis=0)


def suppress(boxes: Any, most: float) -> Any:
    """Non-maximum suppression of boxes that are sorted by score.

    Each round repeats: kept is what no kept box before it covers. After as many rounds
    as the longest chain of boxes that cover each other it is what the usual loop keeps;
    with few rounds it differs from it for a few boxes of low scores.

    Args:
        boxes: `(batch, n, 4)`, the highest score first.
        most: Largest IoU of two that are kept.

    Returns:
        1.0 for those kept, else 0.0, `(batch, n)`.

    Reference:
        Zheng et al., Enhancing geometric factors in model learning and inference for
        object detection, 2021 (Cluster-NMS).
    """
    covers = iou(boxes[:, :, None], boxes[:, None], ops) > most
    is_before = np.triu(np.ones((boxes.shape[1], boxes.shape[1]), np.float32), 1)
    covers = ops.multiply(ops.cast(covers, "float32"), is_before)
    kept = ops.ones_like(boxes[..., 0])
    for _ in range(ROUNDS):
        kept = ops.cast(ops.einsum("bi,bij->bj", kept, covers) < 0.5, "float32")
    return kept


def propose(
    objectness: Any, deltas: Any, anchors: np.ndarray, sizes: Any, settings: Settings
) -> tuple[Any, Any]:
    """The proposals of each image.

    Args:
        objectness: `(batch, anchors)`, logits.
        deltas: `(batch, anchors, 4)`.
        anchors: `(anchors, 4)`.
        sizes: `(batch, 2)`: height and width of the image on the canvas.
        settings: The settings.

    Returns:
        `(boxes, is_there)`: `(batch, n, 4)` and bool `(batch, n)`.
    """
    limits = ops.stack([sizes[:, 1], sizes[:, 0]] * 2, axis=-1)[:, None]
    boxes, scores, start = [], [], 0
    for rows, columns in num_cells(settings.canvas):
        stop = start + rows * columns * len(settings.anchors.ratios)
        most = min(CANDIDATES, stop - start)
        best, places = ops.top_k(objectness[:, start:stop], most)
        of_anchors = ops.take(
            ops.convert_to_tensor(anchors[start:stop]), places, axis=0
        )
        found = decode(pick(deltas[:, start:stop], places), of_anchors, xp=ops)
        found = ops.minimum(ops.maximum(found, 0.0), limits)
        sides = found[..., 2:] - found[..., :2]
        is_there = suppress(found, PROPOSAL_IOU) * ops.cast(
            ops.min(sides, axis=-1) > 0, "float32"
        )
        boxes.append(found)
        scores.append(ops.where(is_there > 0, best, NOWHERE))
        start = stop
    boxes, scores = ops.concatenate(boxes, axis=1), ops.concatenate(scores, axis=1)
    best, places = ops.top_k(scores, min(NUM_PROPOSALS, scores.shape[1]))
    return pick(boxes, places), best > NOWHERE


def num_proposals(settings: Settings) -> int:
    """How many boxes `propose` returns."""
    num_ratios = len(settings.anchors.ratios)
    found = sum(
        min(CANDIDATES, rows * columns * num_ratios)
        for rows, columns in num_cells(settings.canvas)
    )
    return min(NUM_PROPOSALS, found)


def sample_rois(
    proposals: Any,
    is_there: Any,
    truths: Any,
    labels: Any,
    noise: Any,
    *,
    num_rois: int,
    num_positive: int,
) -> Rois:
    """Draws the RoIs of each image, among them at most `num_positive` with a defect.

    Args:
        proposals, is_there: See `propose`.
        truths: Boxes `(batch, truths, 4)`; they are added to the proposals.
        labels: Classes of the truths from 1, int `(batch, truths)`; 0 for none.
        noise: Random numbers of 0 to 1 that decide, `(batch, truths + proposals)`.
        num_rois: In each image.
        num_positive: Of these.
    """
    boxes = ops.concatenate([truths, proposals], axis=1)
    is_there = ops.concatenate([labels > 0, is_there], axis=1)
    overlaps = iou(boxes[:, :, None], truths[:, None], ops)
    overlaps = ops.where(labels[:, None] > 0, overlaps, -1.0)
    matched = ops.argmax(overlaps, axis=-1)
    is_match = ops.max(overlaps, axis=-1) >= MATCHED
    noise = ops.where(is_there, noise, -1.0)
    parts = []
    for wanted, count in (
        (is_match, num_positive),
        (ops.logical_not(is_match), num_rois - num_positive),
    ):
        drawn, places = ops.top_k(ops.where(wanted, noise, -1.0), count)
        parts.append((ops.cast(drawn >= 0, "float32"), places))
    weights, places = (
        ops.concatenate(part, axis=1) for part in zip(*parts, strict=True)
    )
    matched = pick(matched, places)
    is_positive = np.arange(num_rois) < num_positive
    return Rois(
        ops.stop_gradient(pick(boxes, places)),
        ops.where(is_positive, pick(labels, matched), 0),
        matched,
        weights,
    )


def align_boxes(maps: Sequence[Any], boxes: Any, num_bins: int) -> Any:
    """RoIAlign of the boxes of a batch, each from the level that fits its size.

    Args:
        maps: P2 to P5, each `(batch, rows, columns, channels)`.
        boxes: `(batch, n, 4)` in pixels of the canvas.
        num_bins: In each direction.

    Returns:
        `(batch, n, num_bins, num_bins, channels)`.
    """
    levels, aligned = level_of(boxes, ops), 0.0
    for number, each in enumerate(maps, FIRST_LEVEL):
        rows, columns = each.shape[1:3]
        left, top, right, bottom = ops.unstack(
            boxes / STRIDES[number - FIRST_LEVEL], 4, axis=-1
        )
        is_mine = ops.cast(levels == number, "float32")[..., None, None]
        down = bin_weights(top, bottom, num_bins, rows, ops) * is_mine
        across = bin_weights(left, right, num_bins, columns, ops)
        part = ops.einsum("brph,bhwc->brpwc", down, each)
        aligned += ops.einsum("brqw,brpwc->brpqc", across, part)
    return aligned


def crop_masks(masks: Any, boxes: Any, side: int) -> Any:
    """The part of each mask in its box, at `side` x `side`, as 0.0 and 1.0.

    Args:
        masks: `(n, height, width)`, 0 or 1.
        boxes: `(n, 4)` in pixels.
        side: In each direction.
    """
    left, top, right, bottom = ops.unstack(boxes, 4, axis=-1)
    down = bin_weights(top, bottom, side, masks.shape[1], ops)
    across = bin_weights(left, right, side, masks.shape[2], ops)
    part = ops.einsum("nph,nhw->npw", down, ops.cast(masks, "float32"))
    cropped = ops.einsum("nqw,npw->npq", across, part)
    return ops.cast(cropped >= 0.5, "float32")
