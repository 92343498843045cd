"""Slow, plain loops that the tests of boxes and anchors compare with."""

import numpy as np


def random_boxes(number, seed=0, side=40):
    random = np.random.default_rng(seed)
    low = random.uniform(0, side, (number, 2))
    return np.concatenate([low, low + random.uniform(0.5, side / 2, (number, 2))], 1)


def slow_iou(one, other):
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    both = max(width, 0) * max(height, 0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return both / (areas - both)


def slow_keep_highest(boxes, scores, most):
    left = sorted(range(len(boxes)), key=lambda index: -scores[index])
    kept = []
    while left:
        best = left.pop(0)
        kept.append(best)
        left = [x for x in left if slow_iou(boxes[best], boxes[x]) <= most]
    return kept
