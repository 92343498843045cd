"""Which anchors of an image the proposals are trained on, and what they should say."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from segmentation.boxes import encode, iou

POSITIVE, NEGATIVE = 0.7, 0.3  # IoU from which, and below which, an anchor counts
NUM_SAMPLED, MOST_POSITIVE = 256, 128  # anchors of an image
NO_LABEL = -1


class AnchorTargets(NamedTuple):
    """The sampled anchors of an image, filled up to NUM_SAMPLED.

    Attributes:
        places: Their numbers, int32 `(sampled,)`.
        label: 1 for a defect, 0 for none, NO_LABEL for places that are only filled up.
        target: `boxes.encode` of the truth of those with a defect, `(sampled, 4)`.
    """

    places: np.ndarray
    label: np.ndarray
    target: np.ndarray


def match_anchors(
    boxes: np.ndarray, anchors: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Labels of all anchors and the truth that each overlaps most.

    Positive are those with an IoU of POSITIVE or more, and of every truth the best.
    Without a truth all are negative.

    Args:
        boxes: Of the truths, `(truths, 4)`.
        anchors: `(anchors, 4)`.

    Returns:
        `(labels, matched)`: int8 of 1, 0 or NO_LABEL, and int, both `(anchors,)`.
    """
    best, matched = np.zeros(len(anchors)), np.zeros(len(anchors), int)
    is_best = np.zeros(len(anchors), bool)
    for number, box in enumerate(boxes):
        overlaps = iou(anchors, box)
        matched[overlaps > best] = number
        best = np.maximum(best, overlaps)
        highest = overlaps.max()
        if highest > 0:
            ties = overlaps >= highest - 1e-6
            is_best |= ties
            matched[ties & (overlaps >= best)] = number
    labels = np.full(len(anchors), NO_LABEL, np.int8)
    labels[best < NEGATIVE] = 0
    labels[(best >= POSITIVE) | is_best] = 1
    return labels, matched


def sample_anchors(
    boxes: np.ndarray, anchors: np.ndarray, random: np.random.Generator
) -> AnchorTargets:
    """Draws the anchors that an image is trained on, at most half of them positive."""
    labels, matched = match_anchors(boxes, anchors)
    positive, negative = (np.flatnonzero(labels == value) for value in (1, 0))
    positive = random.permutation(positive)[:MOST_POSITIVE]
    negative = _draw(negative, NUM_SAMPLED - len(positive), random)
    chosen = np.concatenate([positive, negative])
    places = np.zeros(NUM_SAMPLED, np.int32)
    label = np.full(NUM_SAMPLED, NO_LABEL, np.int32)
    target = np.zeros((NUM_SAMPLED, 4), np.float32)
    places[: len(chosen)] = chosen
    label[: len(chosen)] = labels[chosen]
    if len(positive):
        target[: len(positive)] = encode(boxes[matched[positive]], anchors[positive])
    return AnchorTargets(places, label, target)


def _draw(values, most, random):
    """Some of many values, without the time that a permutation of all takes."""
    if len(values) <= most:
        return values
    return values[random.choice(len(values), most, replace=False, shuffle=False)]
