"""The average precision that chooses the epoch, against values by hand and a loop."""

import numpy as np
import pytest
from networks_of import SETTINGS, truth_of

from segmentation.judge import Compared, average_precision, mask_iou


def image_of(scores, overlaps):
    return Compared(
        np.array(scores, float),
        np.array(overlaps, float).reshape(len(scores), -1 if len(scores) else 1),
    )


def test_a_curve_by_hand():
    """Right, wrong, right of three truths: 1/3 at precision 1, 1/3 at 2/3."""
    images = [
        image_of([0.9, 0.7], [[0.8, 0], [0, 0.6]]),
        image_of([0.8], [[0.3]]),
    ]
    assert average_precision(images, 0.5) == pytest.approx((1 + 2 / 3) / 3)
    assert average_precision(images, 0.75) == pytest.approx(1 / 3)


def test_a_truth_is_found_once():
    twice = [image_of([0.9, 0.8], [[0.9], [0.95]])]
    assert average_precision(twice, 0.5) == 1  # what follows costs no precision
    first = [image_of([0.9, 0.8, 0.7], [[0.9, 0], [0.95, 0], [0, 0.9]])]
    assert average_precision(first, 0.5) == pytest.approx((1 + 2 / 3) / 2)


def test_false_alarms_on_good_parts_count():
    truth = image_of([0.5], [[0.9]])
    good = Compared(np.array([0.9]), np.zeros((1, 0)))
    assert average_precision([truth], 0.5) == 1
    assert average_precision([truth, good], 0.5) == pytest.approx(1 / 2)


def test_nothing_found_or_nothing_there():
    nothing = Compared(np.zeros(0), np.zeros((0, 2)))
    assert average_precision([nothing], 0.5) == 0
    assert average_precision([Compared(np.array([0.9]), np.zeros((1, 0)))], 0.5) == 0


def test_overlaps_of_masks():
    first = truth_of([(0, 0, 10, 10), (20, 20, 30, 40)]).masks
    second = truth_of([(5, 0, 15, 10)]).masks
    found = mask_iou(first, second)
    assert np.allclose(found, [[50 / 150], [0]])
    assert mask_iou(first[:0], second).shape == (0, 1)
    assert SETTINGS.canvas == first.shape[1:]
