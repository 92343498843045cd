import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ensemble.combiners import (
    COMBINERS,
    combine,
    fit_combiner,
    hard_vote,
    learn_weights,
    soft_vote,
    weighted_vote,
)

THREE = np.array(  # three members, two samples, three classes
    [
        [[0.6, 0.3, 0.1], [0.5, 0.4, 0.1]],
        [[0.4, 0.5, 0.1], [0.1, 0.8, 0.1]],
        [[0.5, 0.1, 0.4], [0.2, 0.3, 0.5]],
    ]
)


def test_hard_vote_by_hand():
    votes = hard_vote(THREE)
    # sample 0: votes 2, 1, 0 and mean .5, .3, .2 -> (2.5, 1.3, 0.2) / 4
    assert votes[0] == pytest.approx([0.625, 0.325, 0.05])
    # sample 1: one vote each, sums .8, 1.5, .7 -> the second class
    assert votes[1].argmax() == 1
    assert votes.sum(1) == pytest.approx([1, 1])


def test_soft_and_weighted_by_hand():
    assert soft_vote(THREE)[0] == pytest.approx([0.5, 0.3, 0.2])
    # 0.5 * .6 + 0.25 * .4 + 0.25 * .5 = .525
    assert weighted_vote(THREE, [0.5, 0.25, 0.25])[0, 0] == pytest.approx(0.525)


def test_weights_go_to_the_member_that_is_right():
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 200)
    good = np.full((200, 3), 0.1)
    good[np.arange(200), labels] = 0.8
    noise = random.dirichlet([1, 1, 1], 200)
    weights = learn_weights(np.stack([noise, good, noise[::-1]]), labels)
    assert weights.sum() == pytest.approx(1) and weights[1] > 0.9


def fitted_combination(name, probabilities, labels, groups, classes):
    fitted = fit_combiner(name, probabilities, labels, groups, classes)
    return combine(name, probabilities, fitted, classes)


@settings(deadline=None, max_examples=15, derandomize=True)
@given(st.sampled_from(COMBINERS), st.integers(0, 1000))
def test_order_of_classes_members_and_rows_never_changes_a_decision(name, seed):
    random = np.random.default_rng(seed)
    classes = np.array(["a", "b", "c"])
    probabilities = random.dirichlet([0.5] * 3, (3, 60))
    labels = classes[random.integers(0, 3, 60)]
    groups = np.array([f"g{i:02d}" for i in range(60)])
    first = fitted_combination(name, probabilities, labels, groups, classes)
    turn, members = random.permutation(3), random.permutation(3)
    other = fitted_combination(
        name, probabilities[members][:, :, turn], labels, groups, classes[turn]
    )
    assert np.allclose(first[:, turn], other, atol=1e-4)
    rows = random.permutation(60)
    third = fitted_combination(
        name, probabilities[:, rows], labels[rows], groups[rows], classes
    )
    # an SVM is solved row by row, down to 1e-3 in its own units
    assert np.allclose(first[rows], third, atol=5e-3 if name == "svm" else 1e-4)
