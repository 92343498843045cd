"""What training does in tensors is what predicting does in NumPy, or a slow loop."""

import numpy as np
import pytest
from networks_of import CANVAS, SETTINGS
from slow_boxes import random_boxes, slow_iou, slow_keep_highest

from networks.quiet_keras import keras
from segmentation import detector, sampling, tensors
from segmentation.anchors import STRIDES, num_cells, place_anchors
from segmentation.boxes import ROI_WEIGHTS, decode, encode, iou

ops = keras.ops


def as_numpy(value):
    return keras.ops.convert_to_numpy(value)


def test_boxes_in_tensors():
    boxes, anchors = (random_boxes(20, seed=seed).astype(np.float32) for seed in (0, 1))
    assert np.allclose(as_numpy(iou(boxes, anchors, ops)), iou(boxes, anchors))
    deltas = encode(boxes, anchors, ROI_WEIGHTS)
    found = as_numpy(encode(ops.array(boxes), anchors, ROI_WEIGHTS, ops))
    assert np.allclose(found, deltas, atol=1e-5)
    found = as_numpy(decode(ops.array(deltas), anchors, ROI_WEIGHTS, ops))
    assert np.allclose(found, boxes, atol=1e-4)


def test_pick_is_of_each_image():
    values = np.arange(24.0).reshape(2, 4, 3)
    found = as_numpy(tensors.pick(ops.array(values), np.array([[3, 0], [1, 1]])))
    assert (found == values[[[0], [1]], [[3, 0], [1, 1]]]).all()


@pytest.mark.parametrize("most", [0.5, 0.7])
def test_suppression_keeps_what_the_loop_keeps(most):
    boxes = np.concatenate([random_boxes(60), random_boxes(60) + 1.5])
    scores = 1 - np.arange(120) / 120
    found = as_numpy(tensors.suppress(ops.array(boxes[None], "float32"), most))[0]
    assert np.flatnonzero(found).tolist() == slow_keep_highest(boxes, scores, most)


def test_suppression_of_a_chain_takes_turns():
    """Each box covers the next alone: the first, the third and so on stay."""
    boxes = np.array([[10.0 * n, 0, 10.0 * n + 30, 10] for n in range(6)])
    found = as_numpy(tensors.suppress(ops.array(boxes[None], "float32"), 0.4))[0]
    assert found.tolist() == [1, 0, 1, 0, 1, 0]


def random_maps(channels=5, seed=0):
    random = np.random.default_rng(seed)
    return [
        random.normal(size=(rows, columns, channels)).astype(np.float32)
        for rows, columns in num_cells(CANVAS)[:-1]
    ]


@pytest.mark.parametrize("num_bins", [7, 14])
def test_roi_align_is_that_of_numpy(num_bins):
    boxes = np.array(
        [
            [[3, 4, 20, 30], [0, 0, 96, 64], [-9, -5, 12, 9]],
            [[90, 60, 96, 64], [5, 5, 5.5, 5.2], [0, 0, 0, 0]],
        ],
        np.float32,
    )
    large = boxes * np.float32(4)  # these are read from higher levels
    for each in (boxes, large):
        maps = [random_maps(seed=seed) for seed in (0, 1)]
        together = [np.stack(level) for level in zip(*maps, strict=True)]
        found = as_numpy(tensors.align_boxes(together, ops.array(each), num_bins))
        for image in (0, 1):
            expected = sampling.align_boxes(maps[image], each[image], STRIDES, num_bins)
            assert np.allclose(found[image], expected, atol=1e-4)


def test_masks_are_cropped_to_the_proposal():
    mask = np.zeros((1, 40, 60), np.uint8)
    mask[0, 10:20, 20:40] = 1
    boxes = [[20, 10, 40, 20], [10, 10, 30, 20], [20, 5, 40, 25], [0, 0, 5, 5]]
    masks = np.repeat(mask, len(boxes), axis=0)
    found = as_numpy(tensors.crop_masks(masks, ops.array(boxes, "float32"), 28))
    assert found[0].all() and not found[3].any()
    assert not found[1][:, :14].any() and found[1][:, 14:].all()
    rows = found[2].all(axis=1)
    assert rows.tolist() == [False] * 7 + [True] * 14 + [False] * 7


def test_a_cropped_mask_can_be_pasted_back():
    rows, columns = np.mgrid[:60, :80]
    mask = ((rows - 30) ** 2 / 400 + (columns - 35) ** 2 / 900) < 1
    box = np.array([4.0, 8, 68, 52])
    small = as_numpy(
        tensors.crop_masks(mask[None].astype(np.uint8), ops.array(box[None]), 28)
    )[0]
    again = sampling.paste_mask(small, box, mask.shape)
    assert (again & mask).sum() / (again | mask).sum() > 0.95


def test_proposals_are_those_of_numpy():
    random = np.random.default_rng(0)
    anchors = place_anchors(SETTINGS.canvas, SETTINGS.anchors)
    objectness = random.normal(size=(2, len(anchors))).astype(np.float32)
    deltas = random.normal(0, 0.3, (2, len(anchors), 4)).astype(np.float32)
    sizes = np.array([[64, 96], [50, 60]], np.float32)
    boxes, is_there = tensors.propose(
        ops.array(objectness), ops.array(deltas), anchors, ops.array(sizes), SETTINGS
    )
    boxes, is_there = as_numpy(boxes), as_numpy(is_there)
    assert boxes.shape == (2, tensors.num_proposals(SETTINGS), 4)
    for image in (0, 1):
        cells = detector.Cells([], objectness[image], deltas[image])
        size = tuple(sizes[image].astype(int))
        expected = detector.propose(cells, anchors, size, SETTINGS)
        found = boxes[image][is_there[image]][: len(expected)]
        assert np.allclose(found[:50], expected[:50], atol=1e-3)
        assert (found.max(axis=0) <= [*size[::-1]] * 2).all() and found.min() >= 0


def draw(proposals, truths, labels, seed=0, num_rois=16, num_positive=4):
    noise = np.random.default_rng(seed).random((1, len(proposals) + len(truths)))
    found = tensors.sample_rois(
        ops.array(proposals[None], "float32"),
        ops.array(np.ones((1, len(proposals)), bool)),
        ops.array(truths[None], "float32"),
        ops.array(labels[None], "int32"),
        ops.array(noise, "float32"),
        num_rois=num_rois,
        num_positive=num_positive,
    )
    return [as_numpy(each)[0] for each in found]


def test_sampled_rois_are_matched_as_in_a_loop():
    truths, labels = random_boxes(3, seed=5), np.array([2, 0, 1])  # one is padding
    proposals = np.concatenate([truths + 0.1, random_boxes(40)])
    boxes, found, matched, weights = draw(proposals, truths, labels)
    assert weights[:4].all() and (found[:4] > 0).all() and (found[4:] == 0).all()
    for box, label, number, weight in zip(boxes, found, matched, weights, strict=True):
        overlaps = [slow_iou(box, truth) for truth in truths[[0, 2]]]
        if weight:
            assert (max(overlaps) >= 0.5) == (label > 0)
        if weight and label:
            assert number == [0, 2][int(np.argmax(overlaps))]
            assert label == labels[number]


def test_padding_is_never_drawn():
    truths, labels = random_boxes(3, seed=5), np.array([2, 0, 1])
    drawn = draw(random_boxes(40), truths, labels, num_rois=43)
    boxes = drawn[0][drawn[3] > 0]
    is_drawn = [np.isclose(boxes, truth).all(axis=1).any() for truth in truths]
    assert is_drawn == [True, False, True] and len(boxes) > 38


def test_truths_are_among_the_proposals():
    """Where no proposal comes near, the heads still see the defect."""
    truths, labels = np.array([[50.0, 50, 52, 53]]), np.array([1])
    boxes, found, _, weights = draw(random_boxes(40), truths, labels)
    assert boxes[0].tolist() == [50, 50, 52, 53] and found[0] == 1
    assert weights[:4].tolist() == [1, 0, 0, 0]  # no other is one


def test_without_truth_all_rois_are_background():
    boxes, found, _, weights = draw(
        random_boxes(40), np.zeros((2, 4)), np.zeros(2, int)
    )
    assert (found == 0).all() and weights[:4].sum() == 0 and weights[4:].all()


def test_the_noise_decides():
    truths, labels = random_boxes(3, seed=5), np.array([2, 1, 1])
    first, again, other = (
        draw(random_boxes(60), truths, labels, seed=seed)[0] for seed in (0, 0, 1)
    )
    assert (first == again).all() and not (first == other).all()
