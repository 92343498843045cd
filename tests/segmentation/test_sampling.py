"""RoIAlign and pasting against golden values and slow loops."""

import math

import numpy as np
import pytest

from segmentation.sampling import align, align_boxes, level_of, paste_mask

RAMP = np.arange(25.0).reshape(5, 5, 1)


def test_golden_value():
    """Detectron2 and tensorpack give the same for this box on this map."""
    found = align(RAMP, np.array([1.0, 1, 3, 3]), 4)[..., 0]
    assert found[0].tolist() == [4.5, 5, 5.5, 6]
    assert found[-1].tolist() == [12, 12.5, 13, 13.5]


def slow_value(features, y, x):
    """Bilinear between centres of cells; 0 more than a cell outside."""
    rows, columns, channels = features.shape
    if y < -1 or y > rows or x < -1 or x > columns:
        return np.zeros(channels)
    y, x = min(max(y, 0), rows - 1), min(max(x, 0), columns - 1)
    top, left = math.floor(y), math.floor(x)
    value = np.zeros(channels)
    for row, part in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, share in ((left, 1 - (x - left)), (left + 1, x - left)):
            if part * share > 0:
                value += part * share * features[row, column]
    return value


def slow_align(features, box, num_bins):
    width, height = (box[2] - box[0]) / num_bins, (box[3] - box[1]) / num_bins
    found = np.zeros((num_bins, num_bins, features.shape[2]))
    for row in range(num_bins):
        for column in range(num_bins):
            values = [
                slow_value(
                    features,
                    box[1] + (row + part) * height - 0.5,
                    box[0] + (column + share) * width - 0.5,
                )
                for part in (0.25, 0.75)
                for share in (0.25, 0.75)
            ]
            found[row, column] = np.mean(values, axis=0)
    return found


@pytest.mark.parametrize(
    "box",
    [
        (1.3, 2.1, 6.2, 7.9),
        (-3, -2, 4, 5),  # over the border
        (5, 4, 14, 20),
        (2.2, 2.2, 2.3, 2.25),  # smaller than a cell
        (0, 0, 9, 8),
        (-9, -9, -5, -5),  # beside the map
    ],
)
@pytest.mark.parametrize("num_bins", [7, 14])
def test_align_is_that_of_a_loop(box, num_bins):
    features = np.random.default_rng(0).normal(size=(8, 9, 3))
    expected = slow_align(features, box, num_bins)
    assert np.allclose(align(features, np.array(box), num_bins), expected, atol=1e-5)


def test_boxes_are_read_from_their_level():
    boxes = np.array([[0, 0, 50, 50], [0, 0, 120, 120], [0, 0, 230, 230], [0, 0, 2, 2]])
    assert level_of(boxes.astype(float)).tolist() == [2, 3, 4, 2]
    assert level_of(np.array([0.0, 0, 5000, 5000])) == 5
    maps = [np.full((64 // stride, 64 // stride, 1), stride) for stride in (1, 2, 4, 8)]
    found = align_boxes(maps, boxes.astype(float), (4, 8, 16, 32), 2)
    assert found[:, 0, 0, 0].tolist() == [1, 2, 4, 1]


def slow_paste(mask, box, size):
    """Each pixel's centre, mapped into the mask; 0 beyond its border."""
    pasted = np.zeros(size, bool)
    rows, columns = mask.shape
    framed = np.pad(mask, 2)
    for row in range(size[0]):
        for column in range(size[1]):
            y = (row + 0.5 - box[1]) / (box[3] - box[1]) * rows - 0.5
            x = (column + 0.5 - box[0]) / (box[2] - box[0]) * columns - 0.5
            if -1 < y < rows and -1 < x < columns:
                value = slow_value(framed[..., None], y + 2, x + 2)[0]
                pasted[row, column] = value >= 0.5
    return pasted


@pytest.mark.parametrize(
    "box", [(3.2, 4.7, 20.1, 15.5), (-4, -3, 9, 12), (10, 12, 29, 40), (5, 6, 6, 7)]
)
def test_paste_is_that_of_a_loop(box):
    mask = np.random.default_rng(1).random((28, 28))
    expected = slow_paste(mask, box, (24, 26))
    assert (paste_mask(mask, np.array(box, float), (24, 26)) == expected).all()


def test_a_full_mask_is_its_box():
    found = paste_mask(np.ones((28, 28)), np.array([2.0, 3, 6, 5]), (8, 8))
    expected = np.zeros((8, 8), bool)
    expected[3:5, 2:6] = True
    assert (found == expected).all()


@pytest.mark.parametrize("box", [(30, 30, 40, 40), (-9, -9, -1, -1), (3, 3, 3, 3)])
def test_nothing_to_paste(box):
    assert not paste_mask(np.ones((28, 28)), np.array(box, float), (24, 26)).any()
