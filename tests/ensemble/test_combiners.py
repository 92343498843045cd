import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ensemble.combiners import (
    COMBINERS,
    Answers,
    Truth,
    hard_vote,
    learn_weights,
    product,
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
    # where ties go to the first member, the first class
    assert hard_vote(THREE, ties="first").argmax(1).tolist() == [0, 0]


def test_soft_and_weighted_and_product_by_hand():
    assert soft_vote(THREE)[0] == pytest.approx([0.5, 0.3, 0.2])
    # 0.5 * .6 + 0.25 * .4 + 0.25 * .5 = .525
    assert weighted_vote(THREE, [0.5, 0.25, 0.25])[0, 0] == pytest.approx(0.525)
    # cube roots of .12, .015, .004: .4932, .2466, .1587, of sum .8986
    assert product(THREE)[0] == pytest.approx([0.549, 0.274, 0.177], abs=1e-3)


def draw(*, num_samples=60, num_classes=3, num_members=3, detectors=0, seed=0):
    """Random answers, better than chance, and the truth."""
    random = np.random.default_rng(seed)
    indices = np.r_[np.arange(num_classes), random.integers(0, num_classes, 500)]
    indices = indices[:num_samples]
    logits = random.normal(size=(num_members, num_samples, num_classes))
    logits[:, np.arange(num_samples), indices] += 1
    odds = np.exp(logits)
    chances = np.clip(
        0.1 + 0.8 * (indices > 0) + random.normal(0, 0.1, (detectors, num_samples)),
        0.01,
        0.99,
    ).reshape(detectors, num_samples)
    answers = Answers(odds / odds.sum(2, keepdims=True), chances, normal=0)
    groups = np.array([f"g{i:03d}" for i in range(num_samples)])
    return answers, Truth(indices, groups, num_classes, seed=0)


def test_weights_go_to_the_member_that_is_right():
    _, truth = draw(num_samples=200)
    random = np.random.default_rng(0)
    good = np.full((200, 3), 0.1)
    good[np.arange(200), truth.indices] = 0.8
    noise = random.dirichlet([1, 1, 1], 200)
    answers = Answers(np.stack([noise, good, noise[::-1]]), np.zeros((0, 200)), 0)
    weights = learn_weights(answers, truth)["weights"]
    assert weights.sum() == pytest.approx(1) and weights[1] > 0.9


def test_many_independent_members_are_mixed_not_the_surest_picked():
    answers, truth = draw(num_samples=500, num_members=8)
    sure = answers.probabilities[0] ** 2  # as good as the others, only surer
    answers.probabilities[0] = sure / sure.sum(1, keepdims=True)
    weights = learn_weights(answers, truth)["weights"]
    assert weights.max() < 0.4
    mixed = weighted_vote(answers.probabilities, weights).argmax(1) == truth.indices
    alone = answers.probabilities[0].argmax(1) == truth.indices
    assert mixed.mean() > alone.mean() + 0.1


@pytest.mark.parametrize("name", ["soft", "hard", "product", "weighted"])
def test_a_vote_means_what_it_says(name):
    answers, truth = draw(num_samples=500, num_members=8)
    learnt = COMBINERS[name].fit(answers, truth)
    fresh, fresh_truth = draw(num_samples=500, num_members=8, seed=1)
    combined = COMBINERS[name].combine(fresh, learnt)
    is_right = combined.argmax(1) == fresh_truth.indices
    # the mean of eight members is 0.4 less sure than it is right
    assert combined.max(1).mean() == pytest.approx(is_right.mean(), abs=0.05)


@pytest.mark.parametrize("name", COMBINERS)
def test_a_detector_can_veto_good(name):
    answers, truth = draw(num_samples=200, detectors=1)
    learnt = COMBINERS[name].fit(answers, truth)
    alarmed = answers._replace(defect_chances=np.full((1, 200), 0.999))
    calm, warned = (COMBINERS[name].combine(a, learnt) for a in (answers, alarmed))
    assert np.allclose(warned.sum(1), 1)
    was_good = calm.argmax(1) == 0
    assert was_good.any() and (warned[was_good, 0] < calm[was_good, 0]).all()
    if name in ("soft", "hard", "product", "weighted"):
        most = 1 - learnt["veto"] * 0.999
        assert learnt["veto"] > 0 and (warned[:, 0] <= most + 1e-9).all()
        rest, before = (
            found[:, 1:] / found[:, 1:].sum(1, keepdims=True)
            for found in (warned, calm)
        )
        assert np.allclose(rest, before, atol=1e-4)


@pytest.mark.parametrize("name", ["soft", "hard", "product", "weighted"])
def test_a_detector_that_tells_nothing_does_no_harm(name):
    answers, truth = draw(num_samples=300, num_members=8)
    noise = np.random.default_rng(5).normal(0.5, 0.01, (2, 300))
    learnt = COMBINERS[name].fit(answers._replace(defect_chances=noise), truth)
    alone = COMBINERS[name].fit(answers, truth)
    found = COMBINERS[name].combine(answers._replace(defect_chances=noise), learnt)
    expected = COMBINERS[name].combine(answers, alone)
    assert (found.argmax(1) == expected.argmax(1)).mean() > 0.99


@settings(deadline=None, max_examples=16, derandomize=True)
@given(
    st.sampled_from(["soft", "hard", "product", "weighted", "logistic"]),
    st.integers(0, 1000),
    st.integers(0, 1),
)
def test_order_of_classes_members_and_rows_never_changes_a_decision(
    name, seed, detectors
):
    """An SVM is solved row by row: for it `align` keeps one order, see test_train."""
    answers, truth = draw(seed=seed, detectors=detectors)
    random = np.random.default_rng(seed)
    members, rows, turn = (random.permutation(count) for count in (3, 60, 3))
    places = np.argsort(turn)

    def combined(answers, truth):
        return COMBINERS[name].combine(answers, COMBINERS[name].fit(answers, truth))

    first = combined(answers, truth)
    probabilities = answers.probabilities[members][:, rows][:, :, turn]
    other = combined(
        Answers(probabilities, answers.defect_chances[:, rows], int(places[0])),
        truth.of(rows)._replace(indices=places[truth.indices[rows]]),
    )
    assert np.allclose(first[rows][:, turn], other, atol=2e-3)
