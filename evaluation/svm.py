"""A support vector machine with calibrated probabilities, as plain arrays.

scikit-learn trains it; what is kept and used afterwards is arrays alone, so that it
can be stored without pickle and run without scikit-learn.
"""

from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.svm import SVC

from preprocessing.command import InputError
from preprocessing.split import grouped_folds

KERNELS = ("rbf", "linear", "sigmoid")
C_VALUES = (1.0, 10.0, 100.0)


class Svm(NamedTuple):
    """One-against-one SVM on standardised features, then a softmax layer.

    Attributes:
        classes: Names, `(classes,)`.
        kernel: One of KERNELS.
        gamma: Kernel width.
        mean, scale: Of the features, `(features,)`.
        vectors: Support vectors, `(vectors, features)`.
        pair_weights: `(vectors, pairs)`; pairs of classes in the order 01, 02, 12, ...
        pair_bias: `(pairs,)`.
        softmax_weights: `(pairs, classes)`.
        softmax_bias: `(classes,)`.
    """

    classes: np.ndarray
    kernel: np.ndarray
    gamma: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    vectors: np.ndarray
    pair_weights: np.ndarray
    pair_bias: np.ndarray
    softmax_weights: np.ndarray
    softmax_bias: np.ndarray


def fit_svm(features, labels, groups, *, kernel="rbf", c_values=C_VALUES, seed=0):
    """Fits an SVM; C and the probabilities come from grouped cross-validation.

    Args:
        features: `(samples, features)`.
        labels: Class names, `(samples,)`; classes weigh alike however many samples.
        groups: Samples of one group are never on both sides of a fold.
        kernel: One of KERNELS; gamma is 1 / features on standardised features.
        c_values: The C with the best balanced accuracy out of fold is taken.
        seed: Of the folds.

    Reference:
        Platt, Probabilistic Outputs for Support Vector Machines, 1999: the sigmoid is
        fitted on decisions out of fold; here a softmax for many classes.
    """
    labels = np.asarray(labels, str)
    classes = np.unique(labels)
    if len(classes) < 2:
        raise InputError(f"An SVM needs two classes. Received: {', '.join(classes)}.")
    mean, spread = features.mean(0), features.std(0)
    scale = np.where(spread > 1e-9, spread, 1.0)
    values = (features - mean) / scale
    folds = grouped_folds(labels, groups, seed=seed)
    best = max(
        (_out_of_fold(values, labels, folds, classes, kernel, c) for c in c_values),
        key=lambda trial: trial.accuracy,
    )
    softmax = _fit_softmax(best.decisions, labels, classes)
    return Svm(
        classes=classes,
        kernel=np.array(kernel),
        gamma=np.array(1 / values.shape[1]),
        mean=mean,
        scale=scale,
        **_arrays(_svc(kernel, best.c, values, labels), classes),
        softmax_weights=softmax[0],
        softmax_bias=softmax[1],
    )


def svm_probabilities(svm, features):
    """Probabilities `(samples, classes)` in the order of `svm.classes`."""
    decisions = svm_decisions(svm, features)
    logits = decisions @ svm.softmax_weights + svm.softmax_bias
    logits -= logits.max(axis=1, keepdims=True)
    odds = np.exp(logits)
    return odds / odds.sum(axis=1, keepdims=True)


def svm_decisions(svm, features):
    """One-against-one decisions `(samples, pairs)`; positive for the first class."""
    values = (features - svm.mean) / svm.scale
    return _decide(values, svm.vectors, svm.pair_weights, svm.pair_bias, svm)


def save_svm(file, svm):
    """Writes the arrays to an open binary file or path as npz."""
    np.savez_compressed(file, **svm._asdict())


def load_svm(file):
    with np.load(file, allow_pickle=False) as arrays:
        return Svm(**{name: arrays[name] for name in Svm._fields})


class _Trial(NamedTuple):
    c: float
    accuracy: float
    decisions: np.ndarray


def _svc(kernel, c, values, labels):
    gamma = 1 / values.shape[1]
    svc = SVC(kernel=kernel, C=c, gamma=gamma, class_weight="balanced")
    return svc.fit(values, labels)


def _out_of_fold(values, labels, folds, classes, kernel, c):
    """Decisions of every sample by an SVM that has not seen its group."""
    shown = _svc(kernel, c, values, labels)
    decisions = _svc_decisions(shown, classes, values)
    predicted = shown.predict(values)
    for fold in range(folds.max() + 1 if folds.any() else 0):
        judged = folds == fold
        if set(labels[~judged]) != set(classes):
            continue
        svc = _svc(kernel, c, values[~judged], labels[~judged])
        decisions[judged] = _svc_decisions(svc, classes, values[judged])
        predicted[judged] = svc.predict(values[judged])
    return _Trial(c, balanced_accuracy_score(labels, predicted), decisions)


def _svc_decisions(svc, classes, values):
    arrays = _arrays(svc, classes)
    return _decide(values, arrays["vectors"], arrays["pair_weights"],
                   arrays["pair_bias"], svc)  # fmt: skip


def _arrays(svc, classes):
    """libsvm's packed coefficients as one weight column per pair of classes."""
    count = len(classes)
    owner = np.repeat(np.arange(count), svc.n_support_)
    pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    weights = np.zeros((len(owner), len(pairs)))
    for column, (first, second) in enumerate(pairs):
        of_first, of_second = owner == first, owner == second
        weights[of_first, column] = svc.dual_coef_[second - 1, of_first]
        weights[of_second, column] = svc.dual_coef_[first, of_second]
    sign = -1.0 if count == 2 else 1.0  # scikit-learn turns the sign for two classes
    return {
        "vectors": np.asarray(svc.support_vectors_),
        "pair_weights": sign * weights,
        "pair_bias": sign * svc.intercept_,
    }


def _decide(values, vectors, pair_weights, pair_bias, kernel_of):
    kernel, gamma = str(kernel_of.kernel), float(kernel_of.gamma)
    products = values @ vectors.T
    if kernel == "rbf":
        distances = (values**2).sum(1)[:, None] + (vectors**2).sum(1) - 2 * products
        products = np.exp(-gamma * np.maximum(distances, 0))
    elif kernel == "sigmoid":
        products = np.tanh(gamma * products)
    return products @ pair_weights + pair_bias


def _fit_softmax(decisions, labels, classes):
    """Weights `(pairs, classes)` and bias of a softmax on the decisions."""
    logistic = LogisticRegression(C=1.0, max_iter=2000).fit(decisions, labels)
    weights, bias = logistic.coef_.T, logistic.intercept_
    if len(classes) == 2:
        zero = np.zeros_like(weights)
        return np.hstack([zero, weights]), np.r_[0.0, bias]
    return weights, bias
