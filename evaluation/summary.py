"""From a predictions table to metrics with intervals, the content of metrics.json."""

import numpy as np

from evaluation import metrics
from evaluation.calibration import calibration_error, confidences
from evaluation.intervals import interval, open_interval, resample_groups
from evaluation.predictions import probabilities_of

FALSE_REJECT_RATES = (0.001, 0.01, 0.05)


def summarise(table, *, classes, normal_class, threshold, seed=0):
    """Computes every metric of one split, each with its 95 % group interval.

    Args:
        table: Predictions table, rows of one split.
        classes: Class names.
        normal_class: The class of good parts.
        threshold: A part with a defect score at or above it is rejected.
        seed: Of the bootstrap.

    Returns:
        A dict: `num_samples`, `num_groups`, `metrics` (accuracy, balanced_accuracy,
        macro_f1, cross_entropy, calibration_error, auroc, miss_rate,
        false_reject_rate), `roc` (see `roc_points`), `per_class` (recall, precision,
        f1, num_samples, num_groups) and `confusion_matrix`; an interval is
        `{"value", "low", "high"}`. Without classes, what needs them is missing.
    """
    names, groups = np.unique(table["group"].to_numpy(str), return_inverse=True)
    draws = resample_groups(len(names), seed=seed)
    is_defect = (table["label"] != normal_class).to_numpy()
    values = _score_metrics(table, is_defect, groups, draws, threshold)
    summary = {"num_samples": len(table), "num_groups": len(names)}
    roc = roc_points(table, is_defect, groups, draws)
    if (table["predicted"] == "").all():
        return {**summary, "metrics": values, "roc": roc}
    class_values, per_class, confusion = _class_metrics(table, groups, draws, classes)
    probability_values = _probability_metrics(table, groups, draws, classes)
    return {
        **summary,
        "metrics": {**class_values, **probability_values, **values},
        "roc": roc,
        "per_class": per_class,
        "confusion_matrix": confusion.tolist(),
    }


def roc_points(table, is_defect, groups, draws):
    """The share of defects caught where at most 0.1, 1 and 5 % of good parts go.

    Each is a point of the ROC curve, by the best threshold on these parts: what the
    scores could do, not what the deployed threshold does.

    Returns:
        A list of dicts: `max_false_reject_rate`, `recall` (an interval),
        `num_good_rejected` of `num_good` images at that threshold,
        `num_good_groups`, and `is_measurable`: whether the rate is at least one good
        group of those there are.
    """
    scores = table["defect_score"].to_numpy(np.float64)
    once = metrics.rejected(scores, is_defect, np.ones(len(table)))
    resampled = metrics.rejected(scores, is_defect, draws[:, groups])
    num_bad, num_good = (
        len(np.unique(groups[kind])) for kind in (is_defect, ~is_defect)
    )
    points = []
    for rate in FALSE_REJECT_RATES:
        is_allowed = metrics.within_rate(once[0], rate)
        best = np.where(is_allowed, once[1], -1).argmax()  # the strictest of equals
        points.append(
            {
                "max_false_reject_rate": rate,
                "recall": interval(
                    metrics.recall_at(*once, rate),
                    metrics.recall_at(*resampled, rate),
                    min(num_bad, num_good),
                ),
                "num_good_rejected": int(once[0][best]),
                "num_good": int(once[0][-1]),
                "num_good_groups": num_good,
                "is_measurable": bool(rate * num_good >= 1),
            }
        )
    return points


def _score_metrics(table, is_defect, groups, draws, threshold):
    scores = table["defect_score"].to_numpy(np.float64)
    once, weights = np.ones(len(table)), draws[:, groups]
    num_bad = len(np.unique(groups[is_defect]))
    num_good = len(np.unique(groups[~is_defect]))
    rejected = scores >= threshold

    def auroc(weights):
        return metrics.auroc(scores, is_defect, weights)

    def miss_rate(weights):
        return metrics.share(~rejected, is_defect, weights)

    def false_reject_rate(weights):
        return metrics.share(rejected, ~is_defect, weights)

    rests_on = {
        auroc: min(num_bad, num_good),
        miss_rate: num_bad,
        false_reject_rate: num_good,
    }
    return {
        metric.__name__: interval(metric(once), metric(weights), num_groups)
        for metric, num_groups in rests_on.items()
    }


def _probability_metrics(table, groups, draws, classes):
    once, weights = np.ones(len(table)), draws[:, groups]
    position = {name: index for index, name in enumerate(classes)}
    losses = metrics.cross_entropies(
        probabilities_of(table, classes),
        np.array([position[name] for name in table["label"]]),
    )
    answers = confidences(table, classes)
    return {
        "cross_entropy": open_interval(
            metrics.mean(losses, once), metrics.mean(losses, weights)
        ),
        "calibration_error": open_interval(
            calibration_error(*answers, once),
            calibration_error(*answers, weights),
            is_reflected=True,
        ),
    }


def _class_metrics(table, groups, draws, classes):
    labels = table["label"].to_numpy(str)
    by_group = metrics.group_confusions(labels, table["predicted"], groups, classes)
    confusion = by_group.sum(0)
    resampled = np.tensordot(draws, by_group, axes=1)
    num_groups = [len(np.unique(groups[labels == name])) for name in classes]
    num_answered = (by_group.sum(1) > 0).sum(0)
    present = [count for count in num_groups if count]
    overall = {
        "accuracy": (metrics.accuracy, len(by_group)),
        "balanced_accuracy": (metrics.balanced_accuracy, present),
        "macro_f1": (metrics.macro_f1, present),
    }
    values = {
        name: interval(metric(confusion), metric(resampled), rests_on)
        for name, (metric, rests_on) in overall.items()
    }
    rests_on = {
        metrics.recall: num_groups,
        metrics.precision: num_answered,
        metrics.f1: num_groups,
    }
    per_class = {
        name: {
            **{
                metric.__name__: interval(
                    metric(confusion)[index], metric(resampled)[:, index], count[index]
                )
                for metric, count in rests_on.items()
            },
            "num_samples": int((labels == name).sum()),
            "num_groups": num_groups[index],
        }
        for index, name in enumerate(classes)
    }
    return values, per_class, confusion
