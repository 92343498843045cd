"""Calibration of the members on `validate`, which makes their outputs comparable.

A calibration is plain data, as stored in calibration.json. All classes have equal
weight. scipy and scikit-learn are only imported for fitting, because bundles run
without them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evaluation.metrics import cross_entropies
from goodparts.fields import check_choice, check_list, check_number, check_object

if TYPE_CHECKING:
    from ensemble.combiners import Truth

MEMBER_FLOOR = 1e-6  # of a probability: no member rules a class out altogether
GOOD_DEVIATIONS = 3.0
LARGEST = 500.0  # of log odds, so that exp has a value
TEMPERATURES = (0.05, 20.0)
MAX_STEPS = 1_000_000  # of an isotonic calibration
ISOTONIC_GROUPS = (
    1000  # with fewer, its steps are luck, as scikit-learn's guide says too
)


class Calibration(NamedTuple):
    """A kind of calibration: how to fit it and how to apply it."""

    fit: Callable[[np.ndarray, Truth], dict[str, Any]]
    apply: Callable[[np.ndarray, Mapping[str, Any]], np.ndarray]


def sharpen(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Divides the logits by a temperature; below 1, probabilities become more extreme.

    Args:
        probabilities: `(samples, classes)`.
        temperature: Above 0.
    """
    logits = np.log(np.clip(probabilities, MEMBER_FLOOR, 1)) / temperature
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def fit_temperature(probabilities: np.ndarray, truth: Truth) -> float:
    """Fits the temperature with the lowest log loss; it never changes the predicted
    class.

    The targets are smoothed as if there were one more group of each class (Platt's
    targets): otherwise, without a mistake on `validate`, the probabilities would become
    as extreme as the bound allows.

    Args:
        probabilities: `(samples, classes)`.
        truth: `combiners.Truth` of the samples.

    Reference:
        Guo et al., On Calibration of Modern Neural Networks, ICML 2017. Platt,
        Probabilistic Outputs for Support Vector Machines, 1999.
    """
    from scipy.optimize import minimize_scalar

    shares = truth.weights / len(truth.indices)
    num_groups, num_classes = len(np.unique(truth.groups)), probabilities.shape[1]
    targets = np.full(probabilities.shape, 1 / (num_groups + num_classes))
    targets[np.arange(len(targets)), truth.indices] += num_groups / (
        num_groups + num_classes
    )

    def loss(log_temperature):
        found = sharpen(probabilities, np.exp(log_temperature))
        logs = np.log(np.clip(found, MEMBER_FLOOR, 1))
        return -(shares @ (targets * logs).sum(axis=1))

    answer = minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded")
    return float(np.exp(answer.x))


def fit_isotonic(probabilities: np.ndarray, truth: Truth) -> dict[str, Any]:
    """Fits a rising step function for each class against the rest; the sum is scaled to
    1.

    Reference:
        Zadrozny and Elkan, Transforming classifier scores into accurate multiclass
        probability estimates, KDD 2002.
    """
    from sklearn.isotonic import IsotonicRegression

    steps = []
    for index, values in enumerate(probabilities.T):
        is_class = truth.indices == index
        # one part more of either kind, so that nothing is ever held for certain
        floor = 1 / (is_class.sum() + 2)
        model = IsotonicRegression(y_min=floor, y_max=1 - floor)
        model.fit(values, is_class, sample_weight=truth.weights)
        steps.append([model.X_thresholds_.tolist(), model.y_thresholds_.tolist()])
    return {"steps": steps}


def apply_isotonic(probabilities: np.ndarray, learnt: Mapping[str, Any]) -> np.ndarray:
    found = [
        np.interp(values, *steps)
        for values, steps in zip(probabilities.T, learnt["steps"], strict=True)
    ]
    found = np.clip(np.stack(found, axis=1), MEMBER_FLOOR, 1)
    return found / found.sum(axis=1, keepdims=True)


def fit_detector(scores: np.ndarray, is_defect: np.ndarray) -> dict[str, float]:
    """Logistic regression from a detector's defect score to P(defect).

    Without defects, a score that is GOOD_DEVIATIONS standard deviations above the mean
    of the good parts is set to 50 %.

    Reference:
        Platt, Probabilistic Outputs for Support Vector Machines, 1999.
    """
    from sklearn.linear_model import LogisticRegression

    mean, scale = float(scores.mean()), float(scores.std()) or 1.0
    if not is_defect.any():
        return {"mean": mean, "scale": scale, "weight": 1.0, "bias": -GOOD_DEVIATIONS}
    model = LogisticRegression(class_weight="balanced")
    model.fit(((scores - mean) / scale)[:, None], is_defect)
    return {
        "mean": mean,
        "scale": scale,
        "weight": float(model.coef_[0, 0]),
        "bias": float(model.intercept_[0]),
    }


def apply_detector(scores: np.ndarray, learnt: Mapping[str, Any]) -> np.ndarray:
    values = (scores - learnt["mean"]) / learnt["scale"]
    odds = learnt["weight"] * values + learnt["bias"]
    return 1 / (1 + np.exp(-np.clip(odds, -LARGEST, LARGEST)))


KINDS = {
    "temperature": Calibration(
        lambda probabilities, truth: {
            "temperature": fit_temperature(probabilities, truth)
        },
        lambda probabilities, learnt: sharpen(probabilities, learnt["temperature"]),
    ),
    "isotonic": Calibration(fit_isotonic, apply_isotonic),
}


def check_calibration(learnt: Any, where: str, *, num_classes: int | None) -> None:
    """Raises InputError unless it is a calibration that was fitted here.

    Args:
        learnt: The calibration as stored in JSON.
        where: Name used in error messages.
        num_classes: Number of classes of the classifier; None for a detector.
    """
    if num_classes is None:
        check_object(learnt, where, "mean", "scale", "weight", "bias")
        for name in ("mean", "weight", "bias"):
            check_number(learnt[name], f"{where}.{name}")
        check_number(learnt["scale"], f"{where}.scale", 1e-300)
        return
    check_object(learnt, where, "kind")
    check_choice(learnt["kind"], f"{where}.kind", KINDS)
    if learnt["kind"] == "temperature":
        check_object(learnt, where, "temperature")
        check_number(learnt["temperature"], f"{where}.temperature", 1e-6, 1e6)
        return
    check_object(learnt, where, "steps")
    check_list(learnt["steps"], f"{where}.steps", num_classes, num_classes)
    for number, steps in enumerate(learnt["steps"]):
        at = f"{where}.steps[{number}]"
        check_list(steps, at, 2, 2)
        check_list(steps[0], f"{at}[0]", 1, MAX_STEPS)
        check_list(steps[1], f"{at}[1]", len(steps[0]), len(steps[0]))
        for value in [*steps[0], *steps[1]]:
            check_number(value, at, 0, 1)


def choose_kind(probabilities: np.ndarray, truth: Truth, folds: np.ndarray) -> str:
    """Chooses the kind with the lower log loss out of fold; with few groups,
    temperature.

    Args:
        probabilities: Probabilities of one member, `(samples, classes)`.
        truth: `combiners.Truth` of the samples.
        folds: `(samples,)`, -1 for samples that no fold holds out.
    """
    if len(np.unique(truth.groups[folds >= 0])) < ISOTONIC_GROUPS:
        return "temperature"
    losses = {}
    for name, kind in KINDS.items():
        total = 0.0
        for fold in range(folds.max() + 1):
            judged = folds == fold
            learnt = kind.fit(probabilities[~judged], truth.of(~judged))
            found = kind.apply(probabilities[judged], learnt)
            losses_here = cross_entropies(found, truth.indices[judged])
            total += truth.weights[judged] @ losses_here
        losses[name] = total
    return min(losses, key=lambda name: losses[name])
