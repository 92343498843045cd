"""Fits combiners on `validate` with out-of-fold predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ensemble.calibration import KINDS, choose_kind, fit_detector
from ensemble.combiners import COMBINERS, UNFITTED, Answers, Learnt, Truth, calibrate
from evaluation.metrics import cross_entropies
from preprocessing.splitting.split import grouped_folds

if TYPE_CHECKING:
    from ensemble.members import Members


class CrossFit(NamedTuple):
    """Combiners fitted on all of `validate`, and their predictions.

    Attributes:
        calibrations: One per member, see `calibrate`.
        answers: Calibrated `Answers` of all samples.
        truth: Truth of all samples.
        is_validate: Bool, `(samples,)`.
        folds: Folds of the validate samples; -1 for what no fold could hold out.
        learnt: By combiner, the arrays fitted on all of validate.
        combined: By combiner, probabilities `(samples, classes)`: out of fold on
            validate, fitted on all of validate elsewhere.
    """

    calibrations: list[dict[str, Any]]
    answers: Answers
    truth: Truth
    is_validate: np.ndarray
    folds: np.ndarray
    learnt: dict[str, Learnt]
    combined: dict[str, np.ndarray]


def cross_fit(members: Members, names: Sequence[str], *, seed: int = 0) -> CrossFit:
    """Calibrates the members and fits combiners over them.

    Args:
        members: Aligned.
        names: Keys of COMBINERS.
        seed: Seed of the folds.
    """
    samples = members.samples
    truth = Truth(
        indices=members.targets,
        groups=samples["group"].to_numpy(str),
        num_classes=len(members.classes),
        seed=seed,
    )
    is_validate = (samples["split"] == "validate").to_numpy()
    validate = np.flatnonzero(is_validate)
    folds = grouped_folds(truth.indices[validate], truth.groups[validate], seed=seed)
    kinds = [
        choose_kind(found[validate], truth.of(validate), folds)
        for found in members.probabilities
    ]

    def fit(rows):
        calibrations = _fit_calibrations(members, kinds, truth, rows)
        answers = calibrate(
            members.probabilities, members.defect_scores, calibrations, members.normal
        )
        if not members.has_defects:
            return calibrations, answers, {name: UNFITTED for name in names}
        known, right = answers.of(rows), truth.of(rows)
        learnt = {name: COMBINERS[name].fit(known, right) for name in names}
        return calibrations, answers, learnt

    calibrations, answers, learnt = fit(validate)
    combined = {name: COMBINERS[name].combine(answers, learnt[name]) for name in names}
    for fold in range(folds.max() + 1):
        judged = validate[folds == fold]
        _, unseen, by_rest = fit(validate[folds != fold])
        for name in names:
            found = COMBINERS[name].combine(unseen.of(judged), by_rest[name])
            combined[name][judged] = found
    return CrossFit(calibrations, answers, truth, is_validate, folds, learnt, combined)


def _fit_calibrations(members, kinds, truth, rows):
    known = truth.of(rows)
    classifiers = [
        {"kind": kind} | KINDS[kind].fit(found[rows], known)
        for kind, found in zip(kinds, members.probabilities, strict=True)
    ]
    is_defect = known.indices != members.normal
    detectors = [
        {"kind": "logistic"} | fit_detector(scores[rows], is_defect)
        for scores in members.defect_scores
    ]
    return classifiers + detectors


def validate_losses(fit: CrossFit) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """By combiner, the log loss out of fold of each held-out sample, by equal class
    weights.

    Returns:
        A dict of arrays `(held-out samples,)`, and the group of each of them. Samples
        that no fold could hold out are left out, unless there are no others.
    """
    validate = np.flatnonzero(fit.is_validate)
    judged = validate[fit.folds >= 0] if (fit.folds >= 0).any() else validate
    known = fit.truth.of(judged)
    losses = {
        name: known.weights * cross_entropies(combined[judged], known.indices)
        for name, combined in fit.combined.items()
    }
    return losses, known.groups


def choose_combiner(fit: CrossFit) -> str:
    """The simplest combiner whose loss on validate is as good as the best one's.

    A combiner is as good as the best one if the mean difference is within one standard
    error, by groups. COMBINERS are ordered from simple to complex.

    Reference:
        Breiman et al., Classification and Regression Trees, 1984: the one standard
        error rule.
    """
    losses, groups = validate_losses(fit)
    best = min(losses, key=lambda name: losses[name].sum())
    _, group_index = np.unique(groups, return_inverse=True)
    for name in COMBINERS:
        if name in losses:
            apart = np.bincount(group_index, weights=losses[name] - losses[best])
            if apart.sum() <= np.sqrt(len(apart)) * apart.std():
                return name
    return best
