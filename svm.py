"""A support vector machine with calibrated probabilities, as plain arrays.

scikit-learn trains it; what is kept and used afterwards is arrays alone, so that it
can be stored without pickle and run without scikit-learn, which is imported where
something is learnt.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from goodparts.arrays import check_arrays, file_name, read_arrays
from goodparts.command import InputError
from goodparts.files import PathLike
from goodparts.machine import num_cpus

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

KERNELS = ("rbf", "linear", "sigmoid")
C_VALUES = (1.0, 10.0, 100.0)
GAMMAS = (0.25, 1.0, 4.0)  # times 1 / (features * their variance)
MAX_SAMPLES = 5000  # an SVM costs more than their square
SOFTMAX_C = 1.0
AT_ONCE = 5000  # samples decided together, as each is held against every vector


class Svm(NamedTuple):
    """One-against-one SVM, then a softmax layer.

    Attributes:
        classes: Names, `(classes,)`.
        kernel: "rbf", "linear" or "sigmoid".
        gamma: Kernel width.
        mean, scale: Taken from the features and divided by, `(features,)`.
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


SHAPES = {
    "classes": ("classes",),
    "kernel": (),
    "gamma": (),
    "mean": ("features",),
    "scale": ("features",),
    "vectors": ("vectors", "features"),
    "pair_weights": ("vectors", "pairs"),
    "pair_bias": ("pairs",),
    "softmax_weights": ("pairs", "classes"),
    "softmax_bias": ("classes",),
}


def fit_svm(
    features: ArrayLike,
    labels: ArrayLike,
    groups: ArrayLike,
    *,
    kernel: str = "rbf",
    c_values: Sequence[float] = C_VALUES,
    gammas: Sequence[float] = GAMMAS,
    standardise: bool = True,
    balanced: bool = True,
    max_samples: int = MAX_SAMPLES,
    seed: int = 0,
) -> Svm:
    """Fits an SVM; C, gamma and the probabilities come from grouped cross-validation.

    A class with one group cannot be held out: its own decisions are then in-sample.
    If no class can, all are; the first C and the middle gamma are taken then, and the
    softmax is held close to even so that it does not promise more than it knows.

    Args:
        features: `(samples, features)`.
        labels: Class names, `(samples,)`.
        groups: Samples of one group are never on both sides of a fold.
        kernel: "rbf", "linear" or "sigmoid".
        c_values, gammas: Of their pairs the one whose answers have the best balanced
            accuracy out of fold is taken, of equals the first. Gammas are multiples
            of 1 / (features * their variance); a linear kernel has none.
        standardise: Whether every feature is brought to mean 0 and deviation 1.
        balanced: Whether classes weigh alike however many samples they have.
        max_samples: If there are more samples, this many are drawn, the same fraction
            of every class.
        seed: Seed of the folds and of the draw.

    Reference:
        Platt, Probabilistic Outputs for Support Vector Machines, 1999: the sigmoid is
        fitted on decisions out of fold; here a softmax for many classes.
    """
    from preprocessing.splitting.split import grouped_folds

    features, labels = np.asarray(features), np.asarray(labels, str)
    classes = np.unique(labels)
    if len(classes) < 2:
        raise InputError(f"An SVM needs two classes. Received: {', '.join(classes)}.")
    drawn = draw_samples(labels, max_samples, seed=seed)
    features, labels, groups = features[drawn], labels[drawn], np.asarray(groups)[drawn]
    mean, scale = np.zeros(features.shape[1]), np.ones(features.shape[1])
    if standardise:
        mean, spread = features.mean(0), features.std(0)
        scale = np.where(spread > 1e-9, spread, 1.0)
    values = (features - mean) / scale
    folds = grouped_folds(labels, groups, seed=seed)
    if kernel == "linear":
        gammas = gammas[:1]
    if (folds < 0).all():  # in-sample, the loosest fit would always look best
        c_values, gammas = c_values[:1], gammas[len(gammas) // 2 :][:1]
    unit = 1 / max(values.shape[1] * values.var(), 1e-12)
    pairs = list(itertools.product(c_values, gammas))

    def attempt(pair):
        c, gamma = pair
        machine = {
            "kernel": kernel,
            "C": c,
            "gamma": gamma * unit,
            "class_weight": "balanced" if balanced else None,
        }
        return _try(machine, values, labels, folds)

    with ThreadPoolExecutor(num_cpus()) as pool:
        trials = list(pool.map(attempt, pairs))
    best = max(trials, key=lambda trial: trial.accuracy)
    return Svm(
        classes=classes,
        kernel=np.array(kernel),
        gamma=np.array(best.svc.gamma),
        mean=mean,
        scale=scale,
        **_arrays(best.svc, classes),
        **_softmax_arrays(best.softmax),
    )


def draw_samples(labels: np.ndarray, max_samples: int, *, seed: int) -> np.ndarray:
    """Positions of at most so many samples, of every class the same share, or one."""
    if len(labels) <= max_samples:
        return np.arange(len(labels))
    random, share = np.random.default_rng(seed), max_samples / len(labels)
    drawn = []
    for label in np.unique(labels):
        places = random.permutation(np.flatnonzero(labels == label))
        drawn.append(places[: max(1, int(share * len(places)))])
    return np.sort(np.concatenate(drawn))


def svm_probabilities(svm: Svm, features: np.ndarray) -> np.ndarray:
    """Probabilities `(samples, classes)` in the order of `svm.classes`."""
    decisions = svm_decisions(svm, features)
    logits = decisions @ svm.softmax_weights + svm.softmax_bias
    logits -= logits.max(axis=1, keepdims=True)
    odds = np.exp(logits)
    return odds / odds.sum(axis=1, keepdims=True)


def svm_decisions(svm: Svm, features: np.ndarray) -> np.ndarray:
    """One-against-one decisions `(samples, pairs)`; positive for the first class."""
    values = (features - svm.mean) / svm.scale
    parts = np.split(values, range(AT_ONCE, len(values), AT_ONCE))
    return np.concatenate(
        [
            _decide(part, svm.vectors, svm.pair_weights, svm.pair_bias, svm)
            for part in parts
        ]
    )


def save_svm(file: PathLike | IO[bytes], svm: Svm) -> None:
    """Writes the arrays to an open binary file or path as npz."""
    np.savez_compressed(file, **svm._asdict())


def load_svm(file: PathLike | IO[bytes]) -> Svm:
    """The SVM that `save_svm` wrote.

    Raises:
        InputError: If the file is damaged or holds something else.
    """
    arrays = read_arrays(file, *Svm._fields)
    check_svm(arrays, file_name(file))
    return Svm(**arrays)


def check_svm(
    arrays: Mapping[str, np.ndarray], where: str, *, num_features: int | None = None
) -> None:
    """Raises InputError unless arrays are those of an `Svm`.

    Args:
        arrays: By name.
        where: What messages call the file.
        num_features: That it must take; any number if None.
    """
    sizes = {} if num_features is None else {"features": num_features}
    check_arrays(arrays, SHAPES, where, sizes=sizes, text=("classes", "kernel"))
    num_classes, num_pairs = arrays["softmax_weights"].shape[::-1]
    if arrays["kernel"].item() not in KERNELS or num_pairs != math.comb(num_classes, 2):
        raise InputError(
            f"{where} must contain a kernel of {', '.join(KERNELS)} and weights for "
            f"every pair of classes. Received: {arrays['kernel'].item()!r:.40}, "
            f"{num_pairs} pairs of {num_classes} classes."
        )


class _Trial(NamedTuple):
    """A fitted `SVC` and the `LogisticRegression` on its decisions."""

    accuracy: float
    svc: SVC
    softmax: LogisticRegression


def _try(machine, values, labels, folds):
    """Fits on all samples, and the softmax on decisions about groups not seen."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    classes = np.unique(labels)
    svc = SVC(**machine).fit(values, labels)
    decisions = _svc_decisions(svc, classes, values)
    for fold in range(folds.max() + 1):
        judged = folds == fold
        other = SVC(**machine).fit(values[~judged], labels[~judged])
        decisions[judged] = _svc_decisions(other, classes, values[judged])
    held = folds >= 0
    judged = held if held.any() else ~held
    # a class that was never held out has to be known to the softmax all the same
    shown = held | ~np.isin(labels, labels[held])
    strength = SOFTMAX_C if held.any() else 1 / len(labels)
    softmax = LogisticRegression(
        C=strength, class_weight=machine["class_weight"], max_iter=2000
    )
    softmax.fit(decisions[shown], labels[shown])
    answers = softmax.predict(decisions[judged])
    is_right = answers == labels[judged]
    recalls = [is_right[labels[judged] == n].mean() for n in np.unique(labels[judged])]
    return _Trial(np.mean(recalls), svc, softmax)


def _svc_decisions(svc, classes, values):
    arrays = _arrays(svc, classes)
    return _decide(
        values, arrays["vectors"], arrays["pair_weights"], arrays["pair_bias"], svc
    )


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


def _softmax_arrays(softmax):
    """Weights `(pairs, classes)` and bias, a column for each class of two too."""
    weights, bias = softmax.coef_.T, softmax.intercept_
    if len(softmax.classes_) == 2:
        weights, bias = np.hstack([np.zeros_like(weights), weights]), np.r_[0.0, bias]
    return {"softmax_weights": weights, "softmax_bias": bias}
