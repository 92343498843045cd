"""Distances to what is good, and the score of an image."""

import numpy as np
import pytest

from anomaly import gaussian, memory_bank
from anomaly.detector import score_of
from anomaly.learners import BankLearner, GaussianLearner
from anomaly.memory_bank import MemoryBank, check_bank, places

ALL = np.ones((4, 5), bool)


def bank_of(patches, place=2.0):
    mean = np.full(np.shape(patches)[1] - 2, 1, np.float32)
    patches = np.asarray(patches, np.float32)
    return MemoryBank(patches, mean, 2 * mean, np.float32(place))


def test_distances_are_those_of_a_slow_loop():
    random = np.random.default_rng(0)
    bank = bank_of(random.normal(size=(50, 5)))
    features = random.normal(size=(4, 5, 3)).astype(np.float32)
    found = memory_bank.measure(features, bank)
    for row in range(4):
        for column in range(5):
            values = [*(features[row, column] - 1) / 2, 2 * row / 5, 2 * column / 5]
            slow = np.linalg.norm(bank.patches - values, axis=1).min()
            assert found[row, column] == pytest.approx(slow, abs=1e-5)


def test_places_are_in_widths():
    assert places(2, 4)[-1].tolist() == [0.25, 0.75]


def images(number, seed=0):
    random = np.random.default_rng(seed)
    steps = np.arange(20).reshape(4, 5, 1)
    return [
        (steps + random.normal(size=(4, 5, 3))).astype(np.float32)
        for _ in range(number)
    ]


@pytest.mark.parametrize("has_place", [True, False])
def test_a_bank_of_all_patches_knows_each(has_place):
    learner = BankLearner(6, [2, 1], 1000, has_place=has_place, seed=0)
    for image in images(6):
        learner.add(image, ALL)
    bank = learner.learnt()
    assert bank.patches.shape == (6 * 20, 5) and check_bank(bank) is None
    assert memory_bank.measure(images(6)[3], bank).max() < 2e-3
    assert (bank.place > 0) == has_place
    turned = memory_bank.measure(images(6)[3][::-1], bank)
    assert (turned.max() > 0.1) == has_place  # known patches, in other places


def test_cells_beside_the_part_are_not_learnt():
    is_part = ALL.copy()
    is_part[:2] = False
    learner = BankLearner(2, [3], 1000, has_place=False, seed=0)
    for image in images(2):
        learner.add(image, is_part)
    assert len(learner.learnt().patches) == 2 * 10


def test_layers_count_alike():
    learner = BankLearner(6, [2, 1], 1000, has_place=False, seed=0)
    for image in images(6):
        learner.add(image * [1, 1, 1000], ALL)
    bank = learner.learnt()
    raw = bank.patches[:, :3] * bank.scale + bank.mean
    first, second = (raw / bank.scale)[:, :2], (raw / bank.scale)[:, 2:]
    assert (first**2).sum(axis=1).mean() == pytest.approx(1, rel=1e-3)
    assert (second**2).sum(axis=1).mean() == pytest.approx(1, rel=1e-3)


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr("anomaly.learners.MAX_PATCHES", 30)
    learner = BankLearner(10, [3], 1000, has_place=False, seed=0)
    for image in images(10):
        learner.add(image, ALL)
    assert len(learner.learnt().patches) == 30


def test_the_gaussian_is_that_of_the_neighbourhood(monkeypatch):
    monkeypatch.setattr("anomaly.learners.SHRINKAGE", 0.0)
    learner = GaussianLearner()
    good = images(200)
    for image in good:
        learner.add(image, ALL)
    learnt = learner.learnt()
    image = images(1, seed=5)[0]
    found = gaussian.measure(image, learnt)
    around = np.stack(good)[:, 1:4, 2:5].reshape(-1, 3).astype(np.float64)
    apart = image[2, 3] - around.mean(axis=0)
    inverse = np.linalg.inv(np.cov(around.T, bias=True))
    assert found[2, 3] == pytest.approx(np.sqrt(apart @ inverse @ apart / 3), rel=1e-3)


def test_what_is_far_from_good_is_far():
    learner = GaussianLearner()
    for image in images(50):
        learner.add(image, ALL)
    image = images(1, seed=5)[0]
    image[1, 1] += 50
    found = gaussian.measure(image, learner.learnt())
    assert found.argmax() == 6 and found.max() > 5 * np.median(found)


def test_two_neighbours_weigh_more_than_one_cell():
    one, two = np.zeros((6, 6)), np.zeros((6, 6))
    one[2, 2] = 1
    two[2, 2:4] = 1
    assert 0 < score_of(one) < score_of(two) < 1
