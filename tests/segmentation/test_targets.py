"""Which anchors are trained on, against a slow loop."""

import numpy as np
import pytest
from slow_boxes import random_boxes, slow_iou

from segmentation.anchors import RATIOS, SIZES, Anchors, place_anchors
from segmentation.boxes import decode
from segmentation.targets import NO_LABEL, NUM_SAMPLED, match_anchors, sample_anchors

ANCHORS = place_anchors((64, 64), Anchors(SIZES, RATIOS))
NONE = np.zeros((0, 4), np.float32)


def test_matching_is_that_of_a_loop():
    boxes = random_boxes(6, side=30)
    labels, matched = match_anchors(boxes, ANCHORS)
    overlaps = np.array([[slow_iou(a, box) for box in boxes] for a in ANCHORS])
    best = overlaps.max(axis=1)
    is_best = (overlaps >= overlaps.max(axis=0) - 1e-6).any(axis=1)
    expected = np.where(best < 0.3, 0, NO_LABEL)
    expected = np.where((best >= 0.7) | is_best, 1, expected)
    assert (labels == expected).all()
    assert {0, 1, NO_LABEL} == set(labels.tolist())
    sure = (labels == 1) & ~is_best
    assert (matched[sure] == overlaps.argmax(axis=1)[sure]).all()
    found = overlaps[np.arange(len(ANCHORS)), matched]
    assert np.allclose(found[labels == 1], best[labels == 1], atol=1e-6)


def test_every_truth_has_an_anchor():
    """Also a tiny one, and one larger than all anchors."""
    boxes = np.array([[10, 10, 11, 11.5], [0, 0, 64, 64], [60, 1, 64, 5]], np.float32)
    labels, matched = match_anchors(boxes, ANCHORS)
    assert set(matched[labels == 1].tolist()) == {0, 1, 2}


def test_without_truth_all_are_background():
    labels, _ = match_anchors(NONE, ANCHORS)
    assert (labels == 0).all()
    found = sample_anchors(NONE, ANCHORS, np.random.default_rng(0))
    assert (found.label == 0).all() and len(set(found.places.tolist())) == NUM_SAMPLED


def test_at_most_half_of_the_sample_is_positive():
    boxes = random_boxes(60, side=50).astype(np.float32)
    found = sample_anchors(boxes, ANCHORS, np.random.default_rng(0))
    labels, matched = match_anchors(boxes, ANCHORS)
    assert (found.label == 1).sum() == min(128, (labels == 1).sum())
    assert (found.label == labels[found.places]).all()
    is_positive = found.label == 1
    chosen = found.places[is_positive]
    again = decode(found.target[is_positive], ANCHORS[chosen])
    assert np.allclose(again, boxes[matched[chosen]], atol=1e-3)
    assert (found.target[~is_positive] == 0).all()


def test_a_small_canvas_is_filled_up():
    few = ANCHORS[-30:]
    found = sample_anchors(NONE, few, np.random.default_rng(0))
    assert (found.label == 0).sum() == 30 and (found.label == NO_LABEL).sum() == 226


def test_the_seed_decides():
    first, again, other = (
        sample_anchors(NONE, ANCHORS, np.random.default_rng(seed)).places
        for seed in (0, 0, 1)
    )
    assert (first == again).all() and not (first == other).all()


@pytest.mark.parametrize("box", [(-5, -5, 8, 8), (50, 50, 90, 90)])
def test_boxes_over_the_border(box):
    found = sample_anchors(
        np.array([box], np.float32), ANCHORS, np.random.default_rng(0)
    )
    assert (found.label == 1).any() and np.isfinite(found.target).all()
