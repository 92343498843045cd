"""The combiners: how the predictions of several members are combined.

Each takes probabilities `(members, samples, classes)` and gives `(samples, classes)`;
the order of members and of classes does not matter. The fitted state of a combiner is a
dict of arrays. COMBINERS begins with the simplest. scipy and scikit-learn are only
imported for fitting, because bundles run without them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ensemble.calibration import (
    KINDS,
    MEMBER_FLOOR,
    TEMPERATURES,
    apply_detector,
    fit_temperature,
    sharpen,
)
from evaluation.metrics import balanced_weights, cross_entropies
from goodparts.arrays import check_arrays
from svm import Svm, check_svm, draw_samples, fit_svm, svm_probabilities

MAX_SVM_SAMPLES, MAX_LOGISTIC_SAMPLES = 1000, 5000
GAMMAS = {"linear": (1.0,), "sigmoid": (1.0,), "rbf": (0.25, 1.0, 4.0)}
LOGISTIC_C = 1.0
UNFITTED = {"temperature": 1.0, "veto": 0.0}  # of "soft", without anything to fit on
VETO_STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)

Learnt = dict[str, Any]  # arrays and single numbers, by name


class Answers(NamedTuple):
    """The outputs of the members for the same samples.

    Attributes:
        probabilities: Probabilities of the classifiers, `(members, samples, classes)`.
        defect_chances: Defect chances of the one-class detectors, `(detectors,
            samples)`, in `[0, 1]`.
        normal: Index of the class of good parts.
    """

    probabilities: np.ndarray
    defect_chances: np.ndarray
    normal: int

    def of(self, rows: np.ndarray) -> Answers:
        """The same for some of the samples."""
        return self._replace(
            probabilities=self.probabilities[:, rows],
            defect_chances=self.defect_chances[:, rows],
        )

    def features(self) -> np.ndarray:
        """All outputs as features, `(samples, members * classes + detectors)`."""
        return np.concatenate([*self.probabilities, self.defect_chances.T], axis=1)


def calibrate(
    probabilities: Sequence[np.ndarray] | np.ndarray,
    defect_scores: Sequence[np.ndarray] | np.ndarray,
    calibrations: Sequence[Mapping[str, Any]],
    normal: int,
) -> Answers:
    """Calibrates the outputs of each member and returns them as `Answers`.

    Without classifiers, detectors become classifiers of good and defective parts.

    Args:
        probabilities: Probabilities of the classifiers, `(classifiers, samples,
            classes)`.
        defect_scores: Defect scores of the detectors, `(detectors, samples)`.
        calibrations: Calibrations of the classifiers, then of the detectors.
        normal: Index of the class of good parts.
    """
    num_classifiers = len(probabilities)
    calibrated = [
        KINDS[calibration["kind"]].apply(found, calibration)
        for calibration, found in zip(calibrations, probabilities, strict=False)
    ]
    chances = [
        apply_detector(scores, calibration)
        for calibration, scores in zip(
            calibrations[num_classifiers:], defect_scores, strict=True
        )
    ]
    if not num_classifiers:
        chances = np.stack(chances)
        return Answers(np.stack([1 - chances, chances], axis=2), chances[:0], normal=0)
    calibrated = np.stack(calibrated)
    chances = np.array(chances).reshape(len(chances), calibrated.shape[1])
    return Answers(calibrated, chances, normal)


class Truth(NamedTuple):
    """The labels: class indices and groups, `(samples,)`, and class names."""

    indices: np.ndarray
    groups: np.ndarray
    num_classes: int
    seed: int

    def of(self, rows: np.ndarray) -> Truth:
        return self._replace(indices=self.indices[rows], groups=self.groups[rows])

    @property
    def weights(self) -> np.ndarray:
        """Sample weights of mean 1 that give all classes the same total weight."""
        return balanced_weights(self.indices, self.num_classes)[self.indices]


class Combiner(NamedTuple):
    """How to fit a combiner to `Answers` and `Truth`, and how to apply it."""

    fit: Callable[[Answers, Truth], Learnt]
    combine: Callable[[Answers, Learnt], np.ndarray]


def hard_vote(probabilities: np.ndarray, *, ties: str = "sum") -> np.ndarray:
    """Fraction of the members that vote for a class.

    Args:
        probabilities: `(members, samples, classes)`.
        ties: How ties are resolved: by the larger "sum" of probabilities, or by the
            vote of the "first" member, as in some published systems.
    """
    num_members, _, num_classes = probabilities.shape
    votes = np.eye(num_classes)[probabilities.argmax(axis=2)]
    second = probabilities.mean(axis=0)
    if ties == "first":
        rank = np.arange(num_members, 0, -1) / (num_members + 1)
        second = (votes * rank[:, None, None]).max(axis=0)
    found = votes.sum(axis=0) + second
    return found / found.sum(axis=1, keepdims=True)


def soft_vote(probabilities: np.ndarray) -> np.ndarray:
    """Mean of the members' probabilities."""
    return probabilities.mean(axis=0)


def weighted_vote(probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted mean; weights `(members,)` sum to 1."""
    return np.tensordot(weights, probabilities, axes=1)


def product(probabilities: np.ndarray) -> np.ndarray:
    """Geometric mean of the probabilities; each member can rule out a class."""
    logs = np.log(np.clip(probabilities, MEMBER_FLOOR, 1)).mean(axis=0)
    found = np.exp(logs - logs.max(axis=1, keepdims=True))
    return found / found.sum(axis=1, keepdims=True)


def learn_weights(answers: Answers, truth: Truth) -> Learnt:
    """Fits weights on the simplex and a temperature with the lowest log loss.

    Without the temperature, the loss would prefer the most confident member to the best
    mixture, because a mean of confident predictions is less confident. All classes have
    equal weight.
    """
    from scipy.optimize import minimize

    probabilities = answers.probabilities
    is_right = np.eye(truth.num_classes)[truth.indices]
    shares = truth.weights / len(truth.indices)

    def loss(values):
        weights, temperature = values[:-1], np.exp(values[-1])
        mixed = np.clip(weighted_vote(probabilities, weights), MEMBER_FLOOR, 1)
        found = sharpen(mixed, temperature)
        right = np.maximum((found * is_right).sum(axis=1), MEMBER_FLOOR)
        slope = shares[:, None] * (found - is_right) / temperature  # of the log mixture
        by_weight = np.tensordot(probabilities, slope / mixed, axes=2)
        by_temperature = -(slope * np.log(mixed)).sum()
        return -(shares @ np.log(right)), np.r_[by_weight, by_temperature]

    num_members = len(probabilities)
    answer = minimize(
        loss,
        np.r_[np.full(num_members, 1 / num_members), 0.0],
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * num_members + [tuple(np.log(TEMPERATURES))],
        constraints={"type": "eq", "fun": lambda values: values[:-1].sum() - 1},
    )
    weights = np.clip(answer.x[:-1], 0, 1)
    return {"weights": weights / weights.sum()}


def fit_logistic(answers: Answers, truth: Truth) -> Learnt:
    """Fits a logistic regression on the probabilities with equal class weights."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=LOGISTIC_C, class_weight="balanced", max_iter=5000)
    drawn = draw_samples(truth.indices, MAX_LOGISTIC_SAMPLES, seed=truth.seed)
    model.fit(answers.features()[drawn], truth.indices[drawn])
    weights, bias = model.coef_, model.intercept_
    if len(weights) == 1:  # two classes: what it says of the second
        weights, bias = np.r_[-weights, weights] / 2, np.r_[-bias, bias] / 2
    full_weights = np.zeros((truth.num_classes, weights.shape[1]))
    full_bias = np.full(truth.num_classes, -np.inf)  # a class not seen
    full_weights[model.classes_], full_bias[model.classes_] = weights, bias
    return {"weights": full_weights, "bias": full_bias}


def logistic(answers: Answers, learnt: Learnt) -> np.ndarray:
    logits = answers.features() @ learnt["weights"].T + learnt["bias"]
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def fit_svm_of(kernel: str) -> Callable[[Answers, Truth], Learnt]:
    """The `fit` of an SVM meta-learner with a kernel of `svm.fit_svm`."""

    def fit(answers, truth):
        names = np.array([f"{index:06d}" for index in range(truth.num_classes)])
        svm = fit_svm(
            answers.features(),
            names[truth.indices],
            truth.groups,
            kernel=kernel,
            gammas=GAMMAS[kernel],
            max_samples=MAX_SVM_SAMPLES,
            seed=truth.seed,
        )
        return svm._asdict()

    return fit


def svm(answers: Answers, learnt: Learnt) -> np.ndarray:
    machine = Svm(**learnt)
    combined = np.zeros(answers.probabilities.shape[1:])
    places = machine.classes.astype(int)
    combined[:, places] = svm_probabilities(machine, answers.features())
    return combined


def vote(
    rule: Callable[..., np.ndarray],
    learn: Callable[[Answers, Truth], Learnt] = lambda answers, truth: {},
) -> Combiner:
    """Builds a combiner from a rule over probabilities, with calibration and veto.

    A mean of confident predictions is less confident: a final temperature, fitted on
    `validate`, corrects this without changing the predicted class. Detectors can veto
    "good": P(good) is limited to 1 - strength * P(defect) of the most certain detector,
    and the other classes keep their proportions. The strength is the one with the
    lowest log loss on `validate`, 0 for a detector without information.

    Args:
        rule: Function from probabilities `(members, samples, classes)` and the fitted
            arrays, by name, to `(samples, classes)`.
        learn: Function that fits a dict of arrays to `Answers` and `Truth`.
    """

    def fit(answers, truth):
        learnt = learn(answers, truth)
        voted = rule(answers.probabilities, **learnt)
        temperature = fit_temperature(voted, truth)
        voted, strength = sharpen(voted, temperature), 0.0
        if len(answers.defect_chances):
            strength = min(
                VETO_STRENGTHS,
                key=lambda each: (
                    truth.weights
                    @ cross_entropies(_veto(voted, answers, each), truth.indices)
                ),
            )
        return learnt | {"temperature": temperature, "veto": strength}

    def combine(answers, learnt):
        learnt = dict(learnt)
        temperature, strength = learnt.pop("temperature"), learnt.pop("veto")
        voted = sharpen(rule(answers.probabilities, **learnt), temperature)
        return _veto(voted, answers, strength) if strength > 0 else voted

    return Combiner(fit, combine)


def _veto(voted, answers, strength):
    most = 1 - strength * answers.defect_chances.max(axis=0)
    allowed = np.minimum(voted[:, answers.normal], most)
    rest = np.clip(voted, MEMBER_FLOOR, 1)
    rest[:, answers.normal] = 0
    rest *= ((1 - allowed) / rest.sum(axis=1))[:, None]
    rest[:, answers.normal] = allowed
    return rest


COMBINERS = {
    "soft": vote(soft_vote),
    "hard": vote(hard_vote),
    "product": vote(product),
    "weighted": vote(weighted_vote, learn_weights),
    "logistic": Combiner(fit_logistic, logistic),
    "svm_linear": Combiner(fit_svm_of("linear"), svm),
    "svm": Combiner(fit_svm_of("rbf"), svm),
    "svm_sigmoid": Combiner(fit_svm_of("sigmoid"), svm),
}


def check_learnt(
    learnt: Mapping[str, np.ndarray],
    combiner: str,
    where: str,
    *,
    num_classifiers: int,
    num_detectors: int,
    num_classes: int,
) -> None:
    """Raises InputError unless the arrays are valid for a combiner.

    Args:
        learnt: Arrays by name.
        combiner: A key of COMBINERS.
        where: Name of the file in error messages.
        num_classifiers, num_detectors: Members of either kind; detectors alone are
            combined as classifiers of good and defective parts.
        num_classes: Number of classes of the ensemble.
    """
    if not num_classifiers:
        num_classifiers, num_detectors, num_classes = num_detectors, 0, 2
    num_features = num_classifiers * num_classes + num_detectors
    if combiner.startswith("svm"):
        check_svm(learnt, where, num_features=num_features)
        return
    sizes = {
        "members": num_classifiers,
        "classes": num_classes,
        "features": num_features,
    }
    shapes: dict[str, tuple[str, ...]] = {"temperature": (), "veto": ()}
    if combiner == "logistic":
        shapes = {"weights": ("classes", "features"), "bias": ("classes",)}
    elif combiner == "weighted":
        shapes["weights"] = ("members",)
    infinite = ("bias",) if combiner == "logistic" else ()  # of a class not seen
    check_arrays(learnt, shapes, where, sizes=sizes, infinite=infinite)
