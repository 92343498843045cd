"""The published figures of a four-model ensemble on MVTec bottle, and better ones."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from ensemble.combiners import (
    COMBINERS,
    Answers,
    Truth,
    hard_vote,
    soft_vote,
    weighted_vote,
)
from svm import fit_svm, svm_decisions

PUBLISHED_WEIGHTS = (0.74, 0.88, 0.83, 0.60)
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif("REAL_DATA" not in os.environ, reason="REAL_DATA is not set"),
]


@pytest.fixture(scope="module")
def bottle():
    """Answers and truth of both parts, and the published metrics."""
    folder = Path(os.environ["REAL_DATA"]) / "reference_ensemble" / "bottle"
    parts = {}
    for part in ("val_new", "test_new"):
        probabilities = np.load(folder / f"{part}_aligned.npy").transpose(1, 0, 2)
        indices = np.load(folder / f"{part}_labels.npy")
        groups = np.arange(len(indices)).astype(str)
        answers = Answers(probabilities, np.zeros((0, len(indices))), normal=1)
        parts[part] = answers, Truth(indices, groups, 4, seed=0)
    published = json.loads((folder / "meta.json").read_text())["published_metrics"]
    return parts["val_new"], parts["test_new"], published


def four_figures(indices, answers):
    precision, recall, f1, _ = precision_recall_fscore_support(
        indices, answers, average="weighted", zero_division=0
    )
    accuracy = accuracy_score(indices, answers)
    return {"accuracy": accuracy, "precision": precision, "recall": recall, "f1": f1}


def sigmoid_svm(validate, test):
    """Their meta-learner: an SVM as it comes, its answer the most pairs won."""
    answers, truth = validate
    names = np.array(["0", "1", "2", "3"])
    machine = fit_svm(
        answers.features(),
        names[truth.indices],
        truth.groups,
        kernel="sigmoid",
        c_values=(1.0,),
        gammas=(1.0,),
        standardise=False,
        balanced=False,
    )
    decisions = svm_decisions(machine, test[0].features())
    wins = np.zeros((len(decisions), 4))
    pairs = [(first, second) for first in range(4) for second in range(first + 1, 4)]
    for decision, (first, second) in zip(decisions.T, pairs, strict=True):
        wins[:, first] += decision > 0
        wins[:, second] += decision <= 0
    return wins.argmax(1)


def test_all_sixteen_published_figures(bottle):
    validate, (answers, truth), published = bottle
    found = {
        "hard voting": hard_vote(answers.probabilities, ties="first").argmax(1),
        "soft voting": soft_vote(answers.probabilities).argmax(1),
        "weighted voting": weighted_vote(
            answers.probabilities, PUBLISHED_WEIGHTS
        ).argmax(1),
        "meta learner": sigmoid_svm(validate, (answers, truth)),
    }
    for name, answer in found.items():
        for figure, value in four_figures(truth.indices, answer).items():
            assert value == pytest.approx(published[figure][name], abs=1e-9), name


def test_logistic_stacking_beats_them(bottle):
    (answers, truth), (fresh, fresh_truth), published = bottle
    learnt = COMBINERS["logistic"].fit(answers, truth)
    right = COMBINERS["logistic"].combine(fresh, learnt).argmax(1)
    accuracy = (right == fresh_truth.indices).mean()
    assert accuracy > 0.78 > max(published["accuracy"].values())
