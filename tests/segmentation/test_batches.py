"""Order of the epochs, padding of the batches, and that seeds decide both."""

import numpy as np
import pytest
from networks_of import CANVAS, NUM_TRUTHS, batch_of, truth_of

from preprocessing.manifest import read_dataset
from segmentation.batches import (
    LEAST_BATCHES,
    TruthBatches,
    epoch_order,
    loop_augmentation,
    truth_batch,
)
from segmentation.canvas import FILL
from segmentation.truth import TruthStore, training_rows


def test_defects_come_once_and_good_parts_take_turns():
    is_defective = np.arange(400) < 100
    orders = [epoch_order(is_defective, 4, seed=0, epoch=epoch) for epoch in range(12)]
    for order in orders:
        assert order.shape == (50, 4)
        assert sorted(order[order < 100].ravel().tolist()) == list(range(100))
    good = {index for order in orders for index in order.ravel().tolist()} - {
        *range(100)
    }
    assert len(good) > 280  # of 300
    assert not (orders[0] == orders[1]).all()
    again = epoch_order(is_defective, 4, seed=0, epoch=3)
    assert (again == orders[3]).all()


def test_few_images_are_repeated():
    order = epoch_order(np.array([True, False, False]), 4, seed=0, epoch=0)
    assert order.shape == (LEAST_BATCHES, 4)
    counts = np.bincount(order.ravel(), minlength=3)
    assert counts[0] == 30 and counts[1] + counts[2] == 30 and min(counts) > 5


def test_a_batch_is_filled_up():
    boxes = [(10, 8, 30, 20)]
    batch = batch_of([truth_of(boxes, [2], size=(48, 90)), truth_of([])])
    assert batch["images"].shape == (2, *CANVAS, 3)
    assert batch["images"].dtype == batch["masks"].dtype == np.uint8
    assert (batch["images"][0, 48:] == FILL).all()
    assert batch["sizes"].tolist() == [[48, 90], list(CANVAS)]
    assert batch["labels"].tolist() == [[2, 0, 0], [0, 0, 0]]
    assert batch["boxes"][0].tolist() == [[10, 8, 30, 20], [0] * 4, [0] * 4]
    assert batch["masks"][0, 0].sum() == 240 and batch["masks"][0, 1:].sum() == 0
    assert batch["has_outline"].sum() == 1
    assert (batch["anchor_label"][1] == 0).all() and (
        batch["anchor_label"][0] > 0
    ).any()


def test_more_truths_than_there_is_room_for():
    boxes = [(number, 0, number + 5, 5) for number in range(0, 50, 10)]
    batch = batch_of([truth_of(boxes)])
    assert batch["labels"].shape == (1, NUM_TRUTHS) and (batch["labels"] == 1).all()


@pytest.fixture(scope="module")
def batches(holes):
    dataset = read_dataset(holes)
    store = TruthStore(dataset, training_rows(dataset), CANVAS)
    from segmentation.anchors import RATIOS, SIZES, Anchors, place_anchors

    return TruthBatches(
        store,
        place_anchors(CANVAS, Anchors(SIZES, RATIOS)),
        num_truths=2,
        noise_length=20,
        augmentation=loop_augmentation(dataset),
        seed=0,
    )


def same(first, second):
    return all(np.array_equal(first[name], second[name]) for name in first)


def test_a_batch_depends_on_seed_and_place_alone(batches):
    order = np.array([[0, 20, 30, 5], [1, 21, 31, 6], [2, 22, 32, 7]])
    first, again = (list(batches.train(order, 3)) for _ in range(2))
    assert len(first) == 3 and all(map(same, first, again))
    other = list(batches.train(order, 4))
    assert not same(first[0], other[0])


def test_held_out_images_are_never_changed(batches):
    first, again = (list(batches.judge(np.arange(6), 4)) for _ in range(2))
    assert len(first) == 2 and all(map(same, first, again))
    assert (first[1]["images"][2:] == first[0]["images"][:2]).all()  # filled up


def test_flips_are_the_default_and_a_recipe_is_followed(dataset):
    usual = loop_augmentation(dataset)
    assert set(usual.flips) == {"horizontal", "vertical", "none"} and not usual.rotation
    recipe = {"flips": ["horizontal"], "rotation": 90, "brightness": [0.5, 1.5]}
    found = loop_augmentation(
        dataset._replace(info={**dataset.info, "augmentation": recipe})
    )
    assert found.flips == ("horizontal", "none") and found.rotation == 10
    assert found.brightness == (0.8, 1.2)


def test_an_unknown_size_is_not_guessed():
    with pytest.raises(ValueError):
        truth_batch(
            [truth_of([], size=(100, 100))],
            CANVAS,
            np.zeros((1, 4), np.float32),
            num_truths=1,
            noise_length=1,
            seeds=[0],
        )
