"""Metrics over weighted samples: with weights 1, and with those of a bootstrap.

Every function takes an array with leading axes for resamples and returns one value per
resample, so that a metric and its interval are computed by the same code.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

LOG_LOSS_FLOOR = 1e-7  # one sure and wrong answer must not make the loss infinite


def group_confusions(
    labels: Iterable[str],
    predicted: Iterable[str],
    groups: np.ndarray,
    classes: Sequence[str],
) -> np.ndarray:
    """Counts (true, predicted) pairs in each group.

    Args:
        labels, predicted: Class names, `(samples,)`.
        groups: Index of each sample's group, `(samples,)`, from 0.
        classes: Class names, the order of both matrix axes.

    Returns:
        Integer array `(groups, classes, classes)`, rows true, columns predicted.
    """
    position = {name: index for index, name in enumerate(classes)}
    rows = np.array([position[name] for name in labels])
    columns = np.array([position[name] for name in predicted])
    counts = np.zeros((groups.max() + 1, len(classes), len(classes)), np.int64)
    np.add.at(counts, (groups, rows, columns), 1)
    return counts


def accuracy(confusion: np.ndarray) -> np.ndarray:
    """Accuracy of confusion matrices `(..., classes, classes)`."""
    return ratio(np.trace(confusion, axis1=-2, axis2=-1), confusion.sum((-2, -1)))


def recall(confusion: np.ndarray) -> np.ndarray:
    """`(..., classes)`: correct predictions / parts of a class; NaN for an absent
    class.
    """
    return ratio(_diagonal(confusion), confusion.sum(-1))


def precision(confusion: np.ndarray) -> np.ndarray:
    """`(..., classes)`: correct predictions / predictions of a class; NaN for none."""
    return ratio(_diagonal(confusion), confusion.sum(-2))


def f1(confusion: np.ndarray) -> np.ndarray:
    """`(..., classes)`: harmonic mean of recall and precision; NaN without parts."""
    parts = confusion.sum(-1)
    score = ratio(2 * _diagonal(confusion), parts + confusion.sum(-2))
    return np.where(parts > 0, score, np.nan)


def balanced_accuracy(confusion: np.ndarray) -> np.ndarray:
    """Mean recall over the classes that have parts."""
    return _mean(recall(confusion))


def macro_f1(confusion: np.ndarray) -> np.ndarray:
    """Mean F1 over the classes that have parts."""
    return _mean(f1(confusion))


def auroc(
    defect_scores: np.ndarray, is_defect: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Probability that a defective part scores above a good one; ties count half.

    Args:
        defect_scores: `(samples,)`.
        is_defect: Bool, `(samples,)`.
        weights: `(..., samples)`.

    Returns:
        `(...)`; NaN where one kind has no weight.
    """
    order = np.argsort(defect_scores, kind="stable")
    sorted_scores = defect_scores[order]
    starts = np.flatnonzero(np.r_[True, np.diff(sorted_scores) > 0])
    weights = weights[..., order]
    defects = np.add.reduceat(weights * is_defect[order], starts, axis=-1)
    goods = np.add.reduceat(weights * ~is_defect[order], starts, axis=-1)
    goods_below = np.cumsum(goods, axis=-1) - goods
    won = (defects * (goods_below + goods / 2)).sum(-1)
    return ratio(won, defects.sum(-1) * goods.sum(-1))


def rejected(
    defect_scores: np.ndarray, is_defect: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The ROC curve: what each threshold rejects, from none to all.

    Returns:
        `(goods, defects)`: the weight of each kind that is rejected,
        `(..., distinct scores + 1)`, rising.
    """
    order = np.argsort(-defect_scores, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(defect_scores[order]) < 0])
    weights = weights[..., order]
    curves = []
    for kind in (~is_defect, is_defect):
        added = np.add.reduceat(weights * kind[order], starts, axis=-1)
        none = np.zeros((*added.shape[:-1], 1))
        curves.append(np.concatenate([none, np.cumsum(added, axis=-1)], axis=-1))
    return curves[0], curves[1]


def recall_at(
    goods: np.ndarray, defects: np.ndarray, max_false_reject_rate: float
) -> np.ndarray:
    """Recall of defects at the best threshold within a false reject rate.

    This is a point of the ROC curve: the threshold is the best one for these parts.

    Args:
        goods, defects: The curve, see `rejected`.
        max_false_reject_rate: Share of good parts that may be rejected, in `[0, 1]`.

    Returns:
        `(...)`; NaN where one kind has no weight.
    """
    is_allowed = within_rate(goods, max_false_reject_rate)
    caught = np.where(is_allowed, defects, 0).max(-1)
    caught = np.where(goods[..., -1] > 0, caught, np.nan)
    return ratio(caught, defects[..., -1])


def within_rate(goods: np.ndarray, max_false_reject_rate: float) -> np.ndarray:
    """Bool: the thresholds of the curve that keep the false reject rate."""
    return goods <= max_false_reject_rate * goods[..., -1:] + 1e-9  # 1e-9 of a part


def cross_entropies(probabilities: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """-log of the probability given to the true class, at least 1e-7, of each sample.

    Args:
        probabilities: `(samples, classes)`.
        positions: Index of the true class, `(samples,)`.
    """
    given = probabilities[np.arange(len(positions)), positions]
    return -np.log(np.clip(given, LOG_LOSS_FLOOR, 1))


def balanced_weights(indices: np.ndarray, num_classes: int) -> np.ndarray:
    """`(classes,)`: sample weights that give all classes the same total weight.

    The mean over the samples is 1.

    Args:
        indices: Class of each sample, `(samples,)`; a class may have none.
        num_classes: How many there are.
    """
    counts = np.bincount(indices, minlength=num_classes)
    return len(indices) / (np.count_nonzero(counts) * np.maximum(counts, 1))


def mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted mean of `(samples,)` for weights `(..., samples)`; NaN for none."""
    return ratio(weights @ values, weights.sum(-1))


def share(hit: np.ndarray, among: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted share of the samples `among` that are also `hit`; NaN for none."""
    return ratio((weights * (hit & among)).sum(-1), (weights * among).sum(-1))


def _diagonal(confusion):
    return np.diagonal(confusion, axis1=-2, axis2=-1)


def ratio(part: npt.ArrayLike, whole: npt.ArrayLike) -> np.ndarray:
    """`part / whole`, arrays of any shapes that fit; NaN where there is no whole."""
    part, whole = np.broadcast_arrays(
        np.asarray(part, np.float64), np.asarray(whole, np.float64)
    )
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _mean(values):
    present = ~np.isnan(values)
    return ratio(np.where(present, values, 0).sum(-1), present.sum(-1))
