import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from evaluation import metrics

# rows true, columns answered: of 10 good 8 right, of 5 bad 4 right
CONFUSION = np.array([[8, 2], [1, 4]])


def test_hand_computed():
    assert metrics.accuracy(CONFUSION) == pytest.approx(12 / 15)
    assert metrics.recall(CONFUSION) == pytest.approx([8 / 10, 4 / 5])
    assert metrics.precision(CONFUSION) == pytest.approx([8 / 9, 4 / 6])
    # F1 = 2 * hits / (parts + answers): 16 / (10 + 9) and 8 / (5 + 6)
    assert metrics.f1(CONFUSION) == pytest.approx([16 / 19, 8 / 11])
    assert metrics.macro_f1(CONFUSION) == pytest.approx((16 / 19 + 8 / 11) / 2)
    assert metrics.balanced_accuracy(CONFUSION) == pytest.approx(0.8)


def test_a_class_without_parts_is_left_out_of_the_means():
    confusion = np.array([[3, 0, 1], [0, 0, 0], [0, 0, 2]])
    assert np.isnan(metrics.recall(confusion)[1])
    assert metrics.balanced_accuracy(confusion) == pytest.approx((3 / 4 + 1) / 2)
    # F1: 6 / (4 + 3) and 4 / (2 + 3)
    assert metrics.macro_f1(confusion) == pytest.approx((6 / 7 + 4 / 5) / 2)


def test_auroc_by_hand():
    scores = np.array([0.1, 0.4, 0.4, 0.8])
    is_defect = np.array([False, False, True, True])
    # pairs (defect, good): 0.4-0.1 won, 0.4-0.4 half, 0.8-0.1 and 0.8-0.4 won
    assert metrics.auroc(scores, is_defect, np.ones(4)) == pytest.approx(3.5 / 4)
    assert np.isnan(metrics.auroc(scores, np.zeros(4, bool), np.ones(4)))


def test_the_roc_curve_by_hand():
    scores = np.array([0.1, 0.4, 0.4, 0.8])
    is_defect = np.array([False, False, True, True])
    # thresholds: none, 0.8, 0.4 (both that tie at once), 0.1
    goods, defects = metrics.rejected(scores, is_defect, np.ones(4))
    assert goods.tolist() == [0, 0, 1, 2] and defects.tolist() == [0, 1, 2, 2]
    rates = [0, 0.49, 0.5, 1]
    assert [metrics.recall_at(goods, defects, rate) for rate in rates] == [
        0.5,
        0.5,
        1,
        1,
    ]


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.2, 0.5])
def test_recall_at_agrees_with_trying_every_threshold(rate):
    random = np.random.default_rng(3)
    scores = random.integers(0, 12, 60) / 12
    is_defect = random.random(60) < 0.4
    weights = random.integers(0, 4, (6, 60))
    curve = metrics.rejected(scores, is_defect, weights)
    for row, found in zip(weights, metrics.recall_at(*curve, rate), strict=True):
        best = 0.0
        for threshold in [*np.unique(scores), np.inf]:
            hit = scores >= threshold
            if row[hit & ~is_defect].sum() <= rate * row[~is_defect].sum():
                best = max(best, row[hit & is_defect].sum() / row[is_defect].sum())
        assert found == pytest.approx(best)


def test_cross_entropy_agrees_with_sklearn():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(3), 30)
    positions = random.integers(0, 3, 30)
    losses = metrics.cross_entropies(probabilities, positions)
    expected = reference.log_loss(positions, probabilities, labels=[0, 1, 2])
    assert metrics.mean(losses, np.ones(30)) == pytest.approx(expected)


def test_share():
    hit = np.array([True, True, False, False])
    among = np.array([True, False, True, False])
    # among the first and third, with weights 1 and 3, only the first is hit
    assert metrics.share(hit, among, np.array([1, 9, 3, 9])) == pytest.approx(1 / 4)
    assert np.isnan(metrics.share(hit, np.zeros(4, bool), np.ones(4)))


def random_table(seed):
    random = np.random.default_rng(seed)
    labels = random.choice(["a", "b", "c"], 60)
    answers = np.where(random.random(60) < 0.6, labels, random.choice(["a", "b"], 60))
    groups = np.unique(random.integers(0, 12, 60), return_inverse=True)[1]
    draws = random.integers(1, 4, (5, groups.max() + 1))
    return labels, answers, groups, draws


@pytest.mark.parametrize("seed", range(4))
def test_class_metrics_agree_with_sklearn_on_every_resample(seed):
    labels, answers, groups, draws = random_table(seed)
    by_group = metrics.group_confusions(labels, answers, groups, ["a", "b", "c"])
    resampled = np.tensordot(draws, by_group, axes=1)
    for draw, weights in enumerate(draws[:, groups]):
        expected = {
            metrics.accuracy: reference.accuracy_score(
                labels, answers, sample_weight=weights
            ),
            metrics.balanced_accuracy: reference.balanced_accuracy_score(
                labels, answers, sample_weight=weights
            ),
            metrics.macro_f1: reference.f1_score(
                labels, answers, average="macro", sample_weight=weights, zero_division=0
            ),
        }
        for metric, value in expected.items():
            assert metric(resampled)[draw] == pytest.approx(value), metric.__name__


@pytest.mark.parametrize("seed", range(4))
def test_auroc_agrees_with_sklearn_with_ties_and_weights(seed):
    random = np.random.default_rng(seed)
    scores = random.integers(0, 8, 50) / 8
    is_defect = random.random(50) < 0.4
    weights = random.integers(0, 4, (6, 50))
    expected = [
        reference.roc_auc_score(is_defect, scores, sample_weight=row) for row in weights
    ]
    assert metrics.auroc(scores, is_defect, weights) == pytest.approx(expected)


@given(
    st.lists(st.tuples(st.integers(-50, 50), st.booleans()), min_size=2, max_size=30)
)
def test_auroc_depends_on_the_order_only(pairs):
    scores = np.array([score for score, _ in pairs], float)
    is_defect = np.array([defect for _, defect in pairs])
    once = np.ones(len(pairs))
    value = metrics.auroc(scores, is_defect, once)
    stretched = metrics.auroc(np.exp(scores / 10), is_defect, once)
    turned = metrics.auroc(-scores, is_defect, once)
    np.testing.assert_allclose(stretched, value)
    np.testing.assert_allclose(turned, 1 - value, atol=1e-12)


def test_weights_with_which_classes_weigh_alike():
    indices = np.array([0, 0, 0, 2])  # class 1 has no sample
    weights = metrics.balanced_weights(indices, 3)
    assert weights[[0, 2]].tolist() == [4 / 6, 4 / 2]
    assert weights[indices].mean() == 1
