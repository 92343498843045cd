"""The four ways to combine the probabilities of several members.

Each takes probabilities of shape `(members, samples, classes)` and returns
`(samples, classes)`; a member's place and the order of classes do not matter.
"""

import numpy as np
from scipy.optimize import minimize

from evaluation.svm import fit_svm, svm_probabilities

COMBINERS = ("hard", "soft", "weighted", "svm")


def hard_vote(probabilities):
    """Share of the members that vote for a class; ties go to the larger sum."""
    num_members, _, num_classes = probabilities.shape
    votes = np.eye(num_classes)[probabilities.argmax(axis=2)].sum(axis=0)
    return (votes + probabilities.mean(axis=0)) / (num_members + 1)


def soft_vote(probabilities):
    """Mean of the members' probabilities."""
    return probabilities.mean(axis=0)


def weighted_vote(probabilities, weights):
    """Weighted mean; weights `(members,)` sum to 1."""
    return np.tensordot(weights, probabilities, axes=1)


def learn_weights(probabilities, label_index):
    """Weights on the simplex with the least log loss.

    Args:
        probabilities: Of the members, `(members, samples, classes)`.
        label_index: Right class of each sample, `(samples,)`.
    """
    right = probabilities[:, np.arange(len(label_index)), label_index]

    def loss(weights):
        mixed = np.maximum(weights @ right, 1e-12)
        return -np.log(mixed).mean(), -(right / mixed).mean(axis=1)

    num_members = len(probabilities)
    answer = minimize(
        loss,
        np.full(num_members, 1 / num_members),
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * num_members,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
    )
    weights = np.clip(answer.x, 0, 1)
    return weights / weights.sum()


def stack(probabilities):
    """Members' probabilities side by side, `(samples, members * classes)`."""
    return np.concatenate(list(probabilities), axis=1)


def fit_combiner(name, probabilities, labels, groups, classes, *, seed=0):
    """Fits what a combiner learns.

    Args:
        name: One of COMBINERS.
        probabilities: `(members, samples, classes)`, of `validate`.
        labels, groups: Of the samples, `(samples,)`.
        classes: Class names, the order of the last axis.
        seed: Of the meta-learner's folds.

    Returns:
        Nothing to learn: None; weights `(members,)`; or an `Svm`.
    """
    if name == "weighted":
        order = {label: index for index, label in enumerate(classes)}
        return learn_weights(probabilities, np.array([order[x] for x in labels]))
    if name == "svm":
        return fit_svm(stack(probabilities), labels, groups, seed=seed)
    return None


def combine(name, probabilities, fitted, classes):
    """Combined probabilities `(samples, classes)`; `fitted` is of `fit_combiner`."""
    if name == "hard":
        return hard_vote(probabilities)
    if name == "soft":
        return soft_vote(probabilities)
    if name == "weighted":
        return weighted_vote(probabilities, fitted)
    found = svm_probabilities(fitted, stack(probabilities))
    combined = np.zeros(probabilities.shape[1:])
    places = [list(classes).index(name) for name in fitted.classes]
    combined[:, places] = found
    return combined
