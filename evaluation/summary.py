"""From a predictions table to metrics with intervals, the content of metrics.json."""

import numpy as np

from evaluation import metrics
from evaluation.intervals import interval, resample_groups


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
        macro_f1, auroc, miss_rate, false_reject_rate), `per_class` (recall,
        precision, f1, num_samples, num_groups) and `confusion_matrix`; an interval
        is `{"value", "low", "high"}`.
    """
    names, groups = np.unique(table["group"].to_numpy(str), return_inverse=True)
    draws = resample_groups(len(names), seed=seed)
    is_defect = (table["label"] != normal_class).to_numpy()
    values = _score_metrics(table, is_defect, groups, draws, threshold)
    summary = {"num_samples": len(table), "num_groups": len(names)}
    if (table["predicted"] == "").all():
        return {**summary, "metrics": values}
    class_values, per_class, confusion = _class_metrics(table, groups, draws, classes)
    return {
        **summary,
        "metrics": {**class_values, **values},
        "per_class": per_class,
        "confusion_matrix": confusion.tolist(),
    }


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
        auroc: min(num_bad, num_good), miss_rate: num_bad, false_reject_rate: num_good
    }  # fmt: skip
    return {
        metric.__name__: interval(metric(once), metric(weights), num_groups)
        for metric, num_groups in rests_on.items()
    }


def _class_metrics(table, groups, draws, classes):
    labels = table["label"].to_numpy(str)
    by_group = metrics.group_confusions(labels, table["predicted"], groups, classes)
    confusion = by_group.sum(0)
    resampled = np.tensordot(draws, by_group, axes=1)
    num_groups = [len(np.unique(groups[labels == name])) for name in classes]
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
    per_class = {
        name: {
            **{
                metric.__name__: interval(
                    metric(confusion)[index],
                    metric(resampled)[:, index],
                    num_groups[index],
                )
                for metric in (metrics.recall, metrics.precision, metrics.f1)
            },
            "num_samples": int((labels == name).sum()),
            "num_groups": num_groups[index],
        }
        for index, name in enumerate(classes)
    }
    return values, per_class, confusion
