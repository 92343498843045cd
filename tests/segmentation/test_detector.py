"""The detector with networks that say what they are told."""

import numpy as np
import pytest
from networks_of import CANVAS, SETTINGS

from goodparts.command import InputError
from segmentation.anchors import num_cells, place_anchors
from segmentation.boxes import RPN_WEIGHTS, encode
from segmentation.detector import (
    BOX_BINS,
    MAX_FOUND,
    Networks,
    class_probabilities,
    find_defects,
    propose,
    settings_as_json,
    settings_of,
    take_apart,
)

ANCHORS = place_anchors(SETTINGS.canvas, SETTINGS.anchors)
NUM_CELLS = sum(rows * columns for rows, columns in num_cells(CANVAS))


def cells_of(boxes):
    """An output of the pyramid that proposes some boxes, the first most surely."""
    cells = np.zeros((NUM_CELLS, SETTINGS.channels + 15), np.float32)
    objectness = np.full(len(ANCHORS), -9.0, np.float32)
    deltas = np.zeros((len(ANCHORS), 4), np.float32)
    for rank, box in enumerate(boxes):
        anchor = 40 + 11 * rank
        objectness[anchor] = 5 - rank
        deltas[anchor] = encode(np.array(box, float), ANCHORS[anchor], RPN_WEIGHTS)
    cells[:, SETTINGS.channels :] = np.concatenate(
        [objectness.reshape(NUM_CELLS, 3), deltas.reshape(NUM_CELLS, 12)], axis=1
    )
    return cells


def networks_that(boxes, logits):
    """Networks that propose boxes and classify them in order; masks are left halves."""

    def box_head(features):
        assert features.shape == (
            SETTINGS.num_rois,
            BOX_BINS * BOX_BINS * SETTINGS.channels,
        )
        output = np.zeros((SETTINGS.num_rois, 3 + 8), np.float32)
        output[:, 0] = 20.0  # background
        output[: len(logits), :3] = logits
        return output

    def mask_head(features):
        mask = np.full((28, 28, 2), -9.0, np.float32)
        mask[:, :14] = 9.0
        return mask

    return Networks(lambda image: cells_of(boxes), box_head, mask_head)


IMAGE = np.zeros((32, 48, 3), np.uint8)  # half of the canvas


def find(boxes, logits):
    return find_defects(IMAGE, networks_that(boxes, logits), SETTINGS, ANCHORS)


def test_boxes_classes_and_masks_in_pixels_of_the_image():
    boxes = [(10, 20, 50, 40), (60, 4, 90, 60)]
    found, scores = find(boxes, [(0, 1, 4), (0, 3, 0)])
    assert found.labels == ["scratch", "hole"]
    assert np.allclose(found.boxes, [[5, 10, 20, 10], [30, 2, 15, 28]], atol=0.05)
    expected = np.exp([4, 3]) / [1 + np.exp(1) + np.exp(4), 2 + np.exp(3)]
    assert np.allclose(found.scores, expected)
    assert scores.max() == pytest.approx(found.scores[0])
    first = np.zeros((32, 48), bool)
    first[10:20, 5:15] = True
    assert (found.masks[0] == first).all()


def test_equal_boxes_of_a_class_are_one_and_of_two_classes_two():
    boxes = [(10, 20, 50, 40), (14, 23, 53, 43)]
    same, _ = find(boxes, [(0, 4, 0), (0, 3, 0)])
    other, _ = find(boxes, [(0, 4, -9), (0, -9, 3)])
    assert same.labels == ["hole"] and other.labels == ["hole", "scratch"]


def test_nothing_is_found_but_there_is_a_score():
    found, scores = find([(10, 20, 50, 40)], [(6, 0, 1)])
    assert found.labels == [] and found.boxes.shape == (0, 4)
    assert found.masks.shape == (0, 32, 48)
    assert 0 < scores[0] < scores[1] < 0.05


def test_instances_are_limited():
    boxes = [(x, y, x + 4, y + 4) for y in range(0, 60, 5) for x in range(0, 90, 5)]
    found, _ = find(boxes[:100], [(0, 4, -9)] * 100)
    assert len(found.labels) == MAX_FOUND


def test_boxes_over_the_border_are_cut_off():
    found, _ = find([(-20, -8, 30, 200)], [(0, 4, -9)])
    assert np.allclose(found.boxes, [[0, 0, 15, 32]], atol=0.05)


def test_proposals_beside_the_image_are_none():
    """The canvas is wider than the image."""
    boxes = [(60, 4, 90, 60)]
    cells = take_apart(cells_of(boxes), SETTINGS)
    found = propose(cells, ANCHORS, (64, 50), SETTINGS)
    assert len(found) and found[:, 2].max() <= 50
    assert (found[:, 2:] > found[:, :2]).all()


def test_a_network_that_diverged_is_said_so():
    cells = cells_of([])
    cells[3, 2] = np.nan
    networks = networks_that([], [])._replace(pyramid=lambda image: cells)
    with pytest.raises(InputError, match="diverged"):
        find_defects(IMAGE, networks, SETTINGS, ANCHORS)


def test_settings_as_json():
    record = settings_as_json(SETTINGS) | {"family": "segmentation"}
    assert settings_of(record) == SETTINGS


CLASSES = ["good", "hole", "scratch"]


def probabilities(hole, scratch, labels=("hole", "scratch"), classes=CLASSES):
    scores = np.array([hole, scratch])
    return class_probabilities(scores, labels, classes, "good")


def test_probabilities_by_hand():
    found = probabilities(0.8, 0.2)
    assert found.sum() == pytest.approx(1)
    assert np.allclose(found, [0.2, 0.8 * 4 / 4.25, 0.8 * 0.25 / 4.25])
    assert probabilities(0.0, 0.0).tolist() == [1, 0, 0]
    assert np.allclose(probabilities(1.0, 0.0), [0, 1, 0], atol=1e-5)


def test_labels_that_are_no_class_count_for_every_other():
    found = probabilities(0.3, 0.8, labels=("hole", "pore"))
    assert np.allclose(found, [0.2, 0.4, 0.4])
    found = probabilities(0.3, 0.8, labels=("x", "y"), classes=["bad", "good"])
    assert np.allclose(found, [0.8, 0.2])
