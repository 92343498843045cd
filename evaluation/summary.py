"""From a predictions table to metrics with intervals, the content of metrics.json."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation import metrics
from evaluation.instance_metrics import Matches
from evaluation.instance_pairs import pair_instances
from evaluation.instance_summary import summarise_instances
from evaluation.intervals import interval
from evaluation.judged import Judged
from evaluation.metric_table import METRICS, metric_values
from evaluation.pixel_metrics import count_pixels

if TYPE_CHECKING:
    import pandas as pd

    from preprocessing.manifest import Dataset

FALSE_REJECT_RATES = (0.001, 0.01, 0.05)
PER_CLASS = {
    "recall": metrics.recall,
    "precision": metrics.precision,
    "f1": metrics.f1,
}


def judge_split(
    run_folder: str | os.PathLike[str],
    table: pd.DataFrame,
    config: dict[str, Any],
    threshold: float | None,
    dataset: Dataset | None = None,
    *,
    instance_scores: Mapping[str, float] | None = None,
) -> Judged:
    """The `Judged` of the rows of one split, with the masks and instances of the data
    set.

    Args:
        run_folder: With the maps and instances.
        table: Predictions table, rows of one split.
        config: Configuration of the run: classes, normal_class and outputs.
        threshold: A part with a defect score at or above it is rejected; None without
            scores.
        dataset: None if it no longer exists or is not needed.
        instance_scores: Score threshold of each class of instances; None for none.
    """
    truth: dict[str, Any] = {}
    if dataset is not None and "map" in config["outputs"]:
        truth["pixels"] = count_pixels(
            run_folder, dataset, table, normal_class=config["normal_class"]
        )
    if dataset is not None and "instances" in config["outputs"]:
        pairings = pair_instances(
            run_folder, dataset, table, normal_class=config["normal_class"]
        )
        if pairings is not None:
            num_groups = table["group"].nunique()
            truth["matches"] = Matches(pairings, num_groups, instance_scores)
    return Judged(
        table,
        classes=config["classes"],
        normal_class=config["normal_class"],
        threshold=threshold,
        **truth,
    )


def summarise(judged: Judged, outputs: Collection[str]) -> dict[str, Any]:
    """Computes every metric of one split, each with its 95 % group interval.

    Args:
        judged: The samples of the split.
        outputs: Outputs of the run, see `predictor.OUTPUTS`.

    Returns:
        A dict: `num_samples`, `num_groups`, `metrics` (those of METRICS that apply),
        for a run with scores `roc` (see `roc_points`), for one with classes
        `per_class` (recall, precision, f1, num_samples, num_groups) and
        `confusion_matrix`, where there are instances to compare `instances` (see
        `summarise_instances`); an interval is `{"value", "low", "high"}`.
    """
    names = [name for name in METRICS if METRICS[name].applies(judged, outputs)]
    values = metric_values(names, judged)
    summary = {
        "num_samples": len(judged.table),
        "num_groups": judged.num_groups,
        "metrics": {
            name: METRICS[name].interval(judged, values[name]) for name in names
        },
    }
    if "score" in outputs:
        summary["roc"] = roc_points(judged)
    if "classes" in outputs:
        summary["per_class"] = _per_class(judged)
        summary["confusion_matrix"] = judged.confusions.sum(0).tolist()
    if judged.matches is not None:
        summary["instances"] = summarise_instances(
            judged.matches, lambda: (draws.of_groups for draws in judged.draws())
        )
    return summary


def roc_points(judged: Judged) -> list[dict[str, Any]]:
    """The defects caught at false reject rates of at most 0.1, 1 and 5 %.

    Each is a point of the ROC curve, at the best threshold for these parts, not at the
    deployed threshold.

    Returns:
        A dict for each rate: `max_false_reject_rate`, `recall` (an interval),
        `num_good_rejected` of `num_good` images at that threshold,
        `num_good_groups`, and `is_measurable`: whether the rate is at least one good
        group of those there are.
    """
    parts: list[list[np.ndarray]] = []
    first: list[np.ndarray] = []
    for draws in judged.draws():
        curve = metrics.rejected(judged.scores, judged.is_defect, draws.of_samples)
        first = first or [kind[0] for kind in curve]
        parts.append([metrics.recall_at(*curve, rate) for rate in FALSE_REJECT_RATES])
    recalls = np.concatenate(parts, axis=1)
    points = []
    for rate, values in zip(FALSE_REJECT_RATES, recalls, strict=True):
        is_allowed = metrics.within_rate(first[0], rate)
        best = np.where(is_allowed, first[1], -1).argmax()  # the strictest of equals
        rests_on = min(judged.num_bad_groups, judged.num_good_groups)
        points.append(
            {
                "max_false_reject_rate": rate,
                "recall": interval(values[0], values[1:], rests_on),
                "num_good_rejected": int(first[0][best]),
                "num_good": int(first[0][-1]),
                "num_good_groups": judged.num_good_groups,
                "is_measurable": bool(rate * judged.num_good_groups >= 1),
            }
        )
    return points


def _per_class(judged):
    resampled = [judged.confusion(draws) for draws in judged.draws()]
    resampled = np.concatenate(resampled)
    num_answered = (judged.confusions.sum(1) > 0).sum(0)
    groups = judged.groups_per_class
    rests_on = {"recall": groups, "precision": num_answered, "f1": groups}
    values = {name: metric(resampled) for name, metric in PER_CLASS.items()}
    return {
        name: {
            **{
                metric: interval(
                    found[0, index], found[1:, index], rests_on[metric][index]
                )
                for metric, found in values.items()
            },
            "num_samples": int((judged.labels == name).sum()),
            "num_groups": groups[index],
        }
        for index, name in enumerate(judged.classes)
    }
