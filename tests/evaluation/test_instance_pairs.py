import numpy as np
import pytest

from evaluation.instance_pairs import (
    MAX_FOUND,
    box_ious,
    mask_ious,
    match,
    most_certain,
    pair,
    true_instances,
)
from evaluation.predictor import Instances


def boxes(*rows):
    return np.array(rows, float).reshape(-1, 4)


def found(*rows, masks=None):
    """`Instances` of rows of box, score and label."""
    return Instances(
        boxes(*(box for box, _, _ in rows)),
        np.array([score for _, score, _ in rows]),
        [label for _, _, label in rows],
        masks,
    )


def test_ious_of_boxes_by_hand():
    one, others = boxes((0, 0, 4, 4)), boxes((0, 0, 4, 4), (2, 0, 4, 4), (4, 0, 4, 4))
    # of the second 8 of 24 pixels; the third only touches
    assert box_ious(one, others).tolist() == [[1, 1 / 3, 0]]
    assert box_ious(boxes(), others).shape == (0, 3)
    assert box_ious(boxes((1, 1, 0, 0)), boxes((1, 1, 0, 0))).tolist() == [[0]]


def test_ious_of_masks_are_those_of_their_pixels():
    random = np.random.default_rng(0)
    one, other = random.random((5, 9, 7)) > 0.6, random.random((4, 9, 7)) > 0.6
    other[3] = False
    expected = [
        [(a & b).sum() / max(1, (a | b).sum()) if b.any() else 0.0 for b in other]
        for a in one
    ]
    assert np.allclose(mask_ious(one, other), expected, atol=1e-12)


def slow_match(ious, same, least):
    """One found instance after the other, as COCO's evaluateImg is written."""
    taken, matches = set(), []
    for row in range(len(ious)):
        best, partner = least, -1
        for column in range(ious.shape[1]):
            if column in taken or not same[row, column] or ious[row, column] < best:
                continue
            best, partner = ious[row, column], column
        taken.add(partner)
        taken.discard(-1)
        matches.append(partner)
    return matches


def test_matches_are_those_of_the_slow_reference():
    random = np.random.default_rng(1)
    for _ in range(200):
        shape = random.integers(0, 6), random.integers(0, 6)
        ious = np.round(random.random(shape), 1)  # with ties
        same = random.random(shape) > 0.3
        thresholds = [0.3, 0.5, 1.0]
        matches = match(ious, same, thresholds)
        for column, least in enumerate(thresholds):
            assert matches[:, column].tolist() == slow_match(ious, same, least)


def test_the_most_certain_of_each_class_are_kept():
    many = [((0, 0, 2, 2), 0.001 * n, "a") for n in range(MAX_FOUND + 5)]
    kept = most_certain(found(*many, ((0, 0, 2, 2), 0.5, "b")))
    assert kept.labels.count("a") == MAX_FOUND and kept.labels[0] == "b"
    assert kept.scores.min() == pytest.approx(0.005)
    assert (np.diff(kept.scores) <= 0).all()


def test_masks_are_compared_where_both_sides_have_them():
    mask = np.ones((1, 4, 4), bool)
    with_mask = found(((0, 0, 4, 4), 0.9, "a"), masks=mask)
    box_only, none = found(((0, 0, 4, 4), 0.9, "a")), found()
    assert set(pair("x", 0, with_mask, with_mask).ious) == {"box", "mask"}
    assert set(pair("x", 0, box_only, with_mask).ious) == {"box"}
    assert set(pair("x", 0, with_mask, box_only).ious) == {"box"}
    assert set(pair("x", 0, with_mask, none).ious) == {"box", "mask"}
    assert set(pair("x", 0, none, box_only).ious) == {"box"}
    assert pair("x", 0, with_mask, none).found.areas.tolist() == [16]


def test_the_truth_has_masks_if_all_of_it_has_polygons():
    outlined = {
        "label": "a",
        "bbox": [1, 1, 2, 2],
        "polygons": [[1, 1, 2, 1, 2, 2, 1, 2]],
    }
    boxed = {"label": "a", "bbox": [0, 0, 3, 3], "polygons": []}
    assert true_instances([outlined], (5, 5)).masks.sum() == 4
    assert true_instances([outlined, boxed], (5, 5)).masks is None
    assert true_instances([], (5, 5)).boxes.shape == (0, 4)
