"""Overlap, coding and suppression of boxes against slow loops."""

import math

import numpy as np
import pytest
from slow_boxes import random_boxes, slow_iou, slow_keep_highest

from segmentation.boxes import (
    MAX_LOG_SIZE,
    ROI_WEIGHTS,
    clip_boxes,
    decode,
    encode,
    iou,
    keep_highest,
)


def test_iou_is_that_of_a_loop():
    boxes, others = random_boxes(20), random_boxes(30, seed=1)
    found = iou(boxes[:, None], others[None])
    assert found.max() > 0.3 and (found == 0).any()
    for row, one in enumerate(boxes):
        for column, other in enumerate(others):
            assert found[row, column] == pytest.approx(slow_iou(one, other))


def test_widths_have_no_pixel_more():
    """Corners are continuous: two boxes side by side do not overlap."""
    assert iou(np.array([0.0, 0, 4, 4]), np.array([4.0, 0, 8, 4])) == 0
    assert iou(np.array([0.0, 0, 4, 4]), np.array([0.0, 0, 4, 4])) == 1


def test_iou_of_nothing_is_a_number():
    assert iou(np.zeros(4), np.zeros(4)) == 0


@pytest.mark.parametrize("weights", [(1, 1, 1, 1), ROI_WEIGHTS])
def test_coding_is_reversed(weights):
    boxes, anchors = random_boxes(50), random_boxes(50, seed=1)
    found = decode(encode(boxes, anchors, weights), anchors, weights)
    assert np.allclose(found, boxes, atol=1e-4)


def test_a_code_by_hand():
    anchor, box = np.array([10.0, 10, 30, 20]), np.array([15.0, 12, 25, 32])
    expected = [0, 7 / 10, math.log(0.5), math.log(2)]
    assert np.allclose(encode(box, anchor), expected, atol=1e-6)
    weighted = encode(box, anchor, ROI_WEIGHTS)
    assert np.allclose(weighted, np.multiply(expected, ROI_WEIGHTS), atol=1e-5)


def test_growth_is_bounded_and_finite():
    found = decode(np.array([0.0, 0, 500, 500]), np.array([0.0, 0, 16, 16]))
    assert np.allclose(found[2:] - found[:2], 16 * math.exp(MAX_LOG_SIZE))
    assert np.isfinite(encode(np.zeros(4), np.zeros(4))).all()


def test_boxes_are_cut_off_at_the_border():
    found = clip_boxes(np.array([[-5.0, -1, 200, 50], [1, 2, 3, 4]]), (40, 60))
    assert found.tolist() == [[0, 0, 60, 40], [1, 2, 3, 4]]


@pytest.mark.parametrize("most", [0.3, 0.5, 0.7])
def test_suppression_is_that_of_a_loop(most):
    boxes = np.concatenate([random_boxes(60), random_boxes(60) + 1.5])
    scores = np.random.default_rng(3).permutation(120) / 120
    found = keep_highest(boxes, scores, most).tolist()
    assert found == slow_keep_highest(boxes, scores, most)
    assert 10 < len(found) < 120


def test_suppression_of_none():
    assert keep_highest(np.zeros((0, 4)), np.zeros(0), 0.5).tolist() == []


def test_equal_scores_keep_their_order():
    boxes = np.array([[0.0, 0, 4, 4], [0, 0, 4, 4], [9, 9, 12, 12]])
    assert keep_highest(boxes, np.ones(3), 0.5).tolist() == [0, 2]
