"""What each member brings: the ensemble without it, shared errors, the best case."""

import numpy as np

from ensemble.combiners import COMBINERS
from ensemble.cross_fit import validate_losses
from evaluation import metrics
from evaluation.intervals import interval, resample_groups


def describe(members, fit, chosen):
    """Everything that helps to judge an ensemble, as plain data for ensemble.json.

    Nothing is chosen by it, so it may read `test`.

    Returns:
        A dict of `combiners` (each with its figures on validate, out of fold, and on
        test), `members` (each with its own macro-F1 on test, its calibration and what
        the ensemble gains by it), `best_member` and `gain` (over the member that is
        best on validate), `both_wrong` (share of test images that two members both
        get wrong) and `oracle` (share that at least one classifier gets right).
    """
    test = _Judge(members, fit, ~fit.is_validate)
    validate = _Judge(members, fit, fit.is_validate)
    full = test.answers(fit.combined[chosen])
    names = [run.name for run in members.runs]
    answers = [test.answers(found) for found in members.probabilities]
    best = max(
        range(len(answers)),
        key=lambda index: validate.macro_f1(
            validate.answers(members.probabilities[index])
        )["value"],
    )
    losses, _ = validate_losses(fit)
    wrong = np.array([each != test.indices for each in answers])
    return {
        "chosen": chosen,
        "combiners": [
            {
                "combiner": name,
                "validate_macro_f1": validate.macro_f1(validate.answers(combined)),
                "validate_log_loss": float(losses[name].mean()),
                "test_macro_f1": test.macro_f1(test.answers(combined)),
                "test_accuracy": test.accuracy(test.answers(combined)),
            }
            for name, combined in fit.combined.items()
        ],
        "members": [
            {
                "member": name,
                "calibration": calibration["kind"],
                "macro_f1": test.macro_f1(answers[index])
                if index < len(answers)
                else None,
                "gain": test.gain(
                    full,
                    _without(members, fit, chosen, index, test),
                    num_rivals=len(names),
                ),
            }
            for index, (name, calibration) in enumerate(
                zip(names, fit.calibrations, strict=True)
            )
        ],
        "best_member": names[best],
        "gain": test.gain(full, answers[best]),
        "both_wrong": (wrong.astype(float) @ wrong.T / wrong.shape[1]).tolist(),
        "oracle": test.share(~wrong.all(axis=0)),
    }


def _without(members, fit, chosen, index, test):
    """Answers on test of the combiner fitted without one member; None for no other."""
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
    learnt = combiner.fit(answers.of(validate), fit.truth.of(validate))
    return test.answers(combiner.combine(answers, learnt))


class _Judge:
    """Figures of answers on one split, all on the same resamples of its groups."""

    def __init__(self, members, fit, rows):
        self.rows = rows
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
        """Class indices `(samples,)` of what was said of all samples."""
        return probabilities[self.rows].argmax(axis=1)

    def _values(self, metric, answers):
        counts = np.zeros((self.num_groups, len(self.classes) ** 2), np.float32)
        cells = self.indices * len(self.classes) + answers
        np.add.at(counts, (self.groups, cells), 1)
        both = np.vstack([counts.sum(0), self.draws @ counts])
        shape = (-1, len(self.classes), len(self.classes))
        return metric(both.reshape(shape))

    def macro_f1(self, answers):
        values = self._values(metrics.macro_f1, answers)
        return interval(values[0], values[1:], self.groups_of_classes)

    def accuracy(self, answers):
        values = self._values(metrics.accuracy, answers)
        return interval(values[0], values[1:], self.num_groups)

    def share(self, is_hit):
        others = (self.indices + 1) % len(self.classes)
        return self.accuracy(np.where(is_hit, self.indices, others))

    def gain(self, answers, others, *, num_rivals=1):
        """Macro-F1 of answers less that of others, paired; None without others.

        The interval is widened so that all of `num_rivals` hold together with 95 %
        (Bonferroni).
        """
        if others is None:
            return None
        values = self._values(metrics.macro_f1, answers)
        values = values - self._values(metrics.macro_f1, others)
        tail = 2.5 / num_rivals
        low, high = np.nanpercentile(values[1:], [tail, 100 - tail])
        apart = np.unique(self.groups[answers != others]).size
        return {
            "value": float(values[0]),
            "low": float(low),
            "high": float(high),
            "num_groups_apart": int(apart),
        }
