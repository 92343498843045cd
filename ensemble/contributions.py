"""The contribution of each member: ensemble without it, shared errors, best case."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ensemble.combiners import COMBINERS, UNFITTED
from ensemble.cross_fit import CrossFit, validate_losses
from evaluation import metrics
from evaluation.intervals import interval, paired_interval, resample_groups

if TYPE_CHECKING:
    from ensemble.members import Members


def describe(members: Members, fit: CrossFit, chosen: str) -> dict[str, Any]:
    """Computes figures for assessing an ensemble, as plain data for ensemble.json.

    Nothing is chosen by these figures, so they may use `test`.

    Returns:
        A dict of `metric` (macro_f1, or auroc of detectors alone), `combiners` (each
        with its figure on validate, out of fold, and on test), `members` (each with its
        own figure on test, its calibration and what it adds to the ensemble),
        `best_member` and `gain` (over the member that is best on validate; None where
        validate has no defects and nothing is best there), `both_wrong` (share of test
        images that two members both get wrong) and `oracle` (share that at least one of
        them gets right).
    """
    test = _Judge(members, fit, ~fit.is_validate)
    validate = _Judge(members, fit, fit.is_validate)
    own = fit.answers.probabilities
    if members.classifiers:  # as they are: detectors among them name no class
        own = members.probabilities
    best = max(range(len(own)), key=lambda i: validate.figure(own[i])["value"] or 0.0)
    losses, _ = validate_losses(fit)
    wrong = np.array([test.answers(each) != test.indices for each in own])
    full, names = fit.combined[chosen], [run.name for run in members.runs]
    return {
        "chosen": chosen,
        "metric": test.metric,
        "combiners": [
            {
                "combiner": name,
                "validate": validate.figure(combined),
                "validate_log_loss": float(losses[name].mean()),
                "test": test.figure(combined),
                "test_accuracy": test.accuracy(test.answers(combined)),
            }
            for name, combined in fit.combined.items()
        ],
        "members": [
            {
                "member": name,
                "calibration": calibration["kind"],
                "test": test.figure(own[index]) if index < len(own) else None,
                "gain": test.gain(
                    full,
                    _without(members, fit, chosen, index),
                    num_rivals=len(names),
                ),
            }
            for index, (name, calibration) in enumerate(
                zip(names, fit.calibrations, strict=True)
            )
        ],
        "best_member": names[best],
        "gain": test.gain(full, own[best]) if members.has_defects else None,
        "both_wrong": (wrong.astype(float) @ wrong.T / wrong.shape[1]).tolist(),
        "oracle": test.share(~wrong.all(axis=0)),
    }


def _without(members, fit, chosen, index):
    """The combiner output without one member; None if it is the only one."""
    answers = fit.answers
    num_classifiers = len(answers.probabilities)
    if index < num_classifiers == 1:
        return None
    if index < num_classifiers:
        rest = np.delete(answers.probabilities, index, axis=0)
        answers = answers._replace(probabilities=rest)
    else:
        rest = np.delete(answers.defect_chances, index - num_classifiers, axis=0)
        answers = answers._replace(defect_chances=rest)
    combiner, validate = COMBINERS[chosen], np.flatnonzero(fit.is_validate)
    if not members.has_defects:
        return combiner.combine(answers, UNFITTED)
    learnt = combiner.fit(answers.of(validate), fit.truth.of(validate))
    return combiner.combine(answers, learnt)


class _Judge:
    """Figures for one split, all on the same resamples of its groups.

    The metric is macro-F1 of the most probable class, or AUROC of detectors alone.
    """

    def __init__(self, members, fit, rows):
        self.rows = rows
        self.metric = "macro_f1" if members.classifiers else "auroc"
        self.classes = np.arange(len(members.classes))
        known = fit.truth.of(rows)
        self.indices = known.indices
        names, self.groups = np.unique(known.groups, return_inverse=True)
        self.num_groups = len(names)
        self.draws = resample_groups(len(names)).astype(np.float32)
        self.groups_of_classes = [
            len(np.unique(self.groups[self.indices == index]))
            for index in np.unique(self.indices)
        ]

    def answers(self, probabilities):
        """Predicted class indices `(samples,)` of all samples."""
        return probabilities[self.rows].argmax(axis=1)

    def _values(self, probabilities):
        """The metric on the samples, then on each resample."""
        if self.metric == "macro_f1":
            return self._of_confusion(metrics.macro_f1, self.answers(probabilities))
        scores, is_defect = probabilities[self.rows][:, 1], self.indices == 1
        once = metrics.auroc(scores, is_defect, np.ones(len(scores)))
        resampled = [
            metrics.auroc(scores, is_defect, draw[self.groups]) for draw in self.draws
        ]
        return np.append(once, resampled)

    def _of_confusion(self, metric, answers):
        counts = np.zeros((self.num_groups, len(self.classes) ** 2), np.float32)
        cells = self.indices * len(self.classes) + answers
        np.add.at(counts, (self.groups, cells), 1)
        both = np.vstack([counts.sum(0), self.draws @ counts])
        shape = (-1, len(self.classes), len(self.classes))
        return metric(both.reshape(shape))

    def figure(self, probabilities):
        """The metric with its interval."""
        values = self._values(probabilities)
        rests_on = self.groups_of_classes
        if self.metric == "auroc":
            rests_on = min(rests_on) if len(rests_on) == 2 else 0
        return interval(values[0], values[1:], rests_on)

    def accuracy(self, answers):
        values = self._of_confusion(metrics.accuracy, answers)
        return interval(values[0], values[1:], self.num_groups)

    def share(self, is_hit):
        others = (self.indices + 1) % len(self.classes)
        return self.accuracy(np.where(is_hit, self.indices, others))

    def gain(self, probabilities, others, *, num_rivals=1):
        """The paired difference of the metric to that of others; None without others.

        The interval is widened so that all of `num_rivals` hold together with 95 %
        (Bonferroni).
        """
        if others is None:
            return None
        values = self._values(probabilities) - self._values(others)
        differs = self.answers(probabilities) != self.answers(others)
        apart = np.unique(self.groups[differs]).size
        if self.metric == "auroc":
            apart = min(self.groups_of_classes)
        found = paired_interval(values, num_rivals=num_rivals)
        return {**found, "num_groups_apart": int(apart)}
