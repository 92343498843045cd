"""The network that tells good features from features with noise, or known defects."""

import numpy as np
import pytest

from anomaly import discriminator
from anomaly.discriminator import Discriminator, check_discriminator
from anomaly.noise_learner import NoiseLearner
from anomaly.train import train
from goodparts.command import InputError

ALL = np.ones((4, 5), bool)


def test_the_distances_are_those_of_the_formula():
    random = np.random.default_rng(0)
    learnt = Discriminator(
        mean=random.normal(size=3).astype(np.float32),
        scale=random.uniform(1, 2, 3).astype(np.float32),
        place=np.float32(2.0),
        hidden=random.normal(size=(5, 7)).astype(np.float32),
        hidden_bias=random.normal(size=7).astype(np.float32),
        output=random.normal(size=7).astype(np.float32),
        output_bias=np.float32(0.3),
    )
    assert check_discriminator(learnt) is None
    features = random.normal(size=(4, 5, 3)).astype(np.float32)
    found = discriminator.measure(features, learnt)
    for row, column in ((0, 0), (3, 4), (2, 1)):
        values = (features[row, column] - learnt.mean) / learnt.scale
        middle = [*values, 2 * row / 5, 2 * column / 5] @ learnt.hidden
        middle = middle + learnt.hidden_bias
        middle = np.maximum(middle, 0.2 * middle)
        odds = middle @ learnt.output + 0.3
        good = 1 / (1 + np.exp(odds))
        assert found[row, column] == pytest.approx(-np.log(good), abs=1e-4)
    wrong = learnt._replace(hidden=learnt.hidden[1:])
    assert "hidden must have a row" in check_discriminator(wrong)


def grids(number, seed=0):
    """Features whose third channel is the sum of the others."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(number, 4, 5, 2))
    third = values.sum(axis=-1, keepdims=True)
    return np.concatenate([values, third], axis=-1).astype(np.float32)


def learner_of(good, **options):
    learner = NoiseLearner(len(good), has_place=False, **options)
    for number, image in enumerate(good):
        learner.add(image, ALL, is_held=number % 5 == 0)
    return learner


@pytest.fixture(scope="module")
def against_noise():
    return learner_of(grids(200)).learnt()


@pytest.mark.slow  # fewer steps do not learn it
def test_what_departs_from_good_features_scores_higher(against_noise):
    good = discriminator.measure(grids(1, seed=5)[0], against_noise)
    odd = grids(1, seed=5)[0]
    odd[..., 2] += 1.5  # each channel alone is usual
    far = discriminator.measure(odd, against_noise)
    assert far.mean() > 2 * good.mean()


@pytest.mark.slow
@pytest.mark.parametrize("has_mask", [True, False])
def test_known_defects_score_higher_than_without_knowing_them(against_noise, has_mask):
    """Defects that lie so near to good features that noise alone misses them."""

    def defective(seed):
        image, mask = grids(1, seed=seed)[0], np.zeros((4, 5), bool)
        image[0, 0], mask[0, 0] = (0.3, 0.3, 0.9), True
        return image, mask

    learner = learner_of(grids(200), num_defective=20)
    for seed in range(20):
        image, mask = defective(100 + seed)
        learner.add_defect(image, ALL, mask if has_mask else None)
    known = discriminator.measure(defective(7)[0], learner.learnt())
    before = discriminator.measure(defective(7)[0], against_noise)
    rest = np.median(known.ravel()[1:])
    if has_mask:
        assert known[0, 0] > before[0, 0] and known[0, 0] > 2 * rest
    else:
        assert known[0, 0] > rest


def test_there_must_be_defects_to_learn_from(make_dataset, tmp_path):
    folder = make_dataset(classes=("good",)).folder
    with pytest.raises(InputError, match="has no defective parts in train"):
        train(
            model="feature_noise",
            data=folder,
            runs=tmp_path / "runs",
            weights="none",
            image_size=(32, 32),
            known_defects=True,
        )
    assert not list((tmp_path / "runs").glob("*"))
