"""The figures of each class of instances, and their confusions, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from evaluation import instance_metrics
from evaluation.average_precision import AT
from evaluation.instance_metrics import FALSE_ALARM, MISSED, Matches
from evaluation.intervals import interval, open_interval
from evaluation.wording import percent

OF_COUNTS = {
    "detection_rate": instance_metrics.detection_rate,
    "mean_iou": instance_metrics.mean_iou,
    "false_alarms": instance_metrics.false_alarms_per_image,
}


def summarise_instances(
    matches: Matches, draws: Callable[[], Iterable[np.ndarray]]
) -> dict[str, Any]:
    """The part of metrics.json about instances, at the score thresholds of `matches`.

    Args:
        matches: The instances of the split.
        draws: Returns parts `(resamples, groups)`: each group once, then the bootstrap.

    Returns:
        A dict: `per_class`, for each class with true instances the intervals
        `mask_ap`, `mask_ap50`, `mask_ap75` (with masks), `box_ap`, `box_ap50`,
        `box_ap75`, `detection_rate`, `mean_iou` and `false_alarms` per image, and
        `num_true`, `num_groups` and `score_threshold`; `confusion_matrix` with its
        `rows` (true classes, then false alarms) and `columns` (found classes, then
        missed).
    """
    counts = {name: matches.counts_of(name) for name in matches.true_classes}
    parts = [_figures(matches, counts, part) for part in draws()]
    return {
        "per_class": {
            name: _of_class(matches, name, counts[name], [part[name] for part in parts])
            for name in matches.true_classes
        },
        "confusion_matrix": matches.confusions.sum(0).tolist(),
        "rows": [*matches.classes, FALSE_ALARM],
        "columns": [*matches.classes, MISSED],
    }


def _figures(matches, counts, draws):
    """For each class the figures by name, `(resamples,)`."""
    found = {}
    for index, name in enumerate(matches.true_classes):
        found[name] = {
            f"{kind}_{at}": matches.precisions(kind, draws)[index, :, place].mean(
                axis=1
            )
            for kind in sorted(matches.rankings, reverse=True)
            for at, place in AT.items()
        }
        for key, function in OF_COUNTS.items():
            found[name][key] = function(counts[name], draws)
    return found


def _of_class(matches, name, counts, parts):
    num_groups = int((counts.num_true > 0).sum())
    figures = {}
    for key in parts[0]:
        values = np.concatenate([part[key] for part in parts])
        if key == "false_alarms":
            figures[key] = open_interval(values[0], values[1:])
        else:
            figures[key] = interval(values[0], values[1:], num_groups)
    return {
        **figures,
        "num_true": int(counts.num_true.sum()),
        "num_groups": num_groups,
        "score_threshold": matches.scores.get(name),
    }


def instance_lines(instances: dict[str, Any]) -> list[str]:
    """A table of the classes and one of their confusions, at most 100 columns wide."""
    per_class = instances["per_class"]
    if not per_class:
        return []
    kind = "mask" if all("mask_ap" in found for found in per_class.values()) else "box"
    rows = [("AP", "AP50", "detection rate", "class")]
    for name, found in per_class.items():
        figures = found[f"{kind}_ap"], found[f"{kind}_ap50"], found["detection_rate"]
        rows.append((*map(percent, figures), name))
    lines = [f"of each class, by {'masks' if kind == 'mask' else 'boxes'}:"]
    lines += [f"  {ap:<24}{ap50:<24}{rate:<24}{name}" for ap, ap50, rate, name in rows]
    return lines + confusion_lines(instances)


def confusion_lines(instances: dict[str, Any]) -> list[str]:
    """How many instances of each class were found, missed or confused."""
    matrix = np.array(instances["confusion_matrix"])
    rows = [("true", "found", "as another", "missed", "false alarms", "class")]
    for index, name in enumerate(instances["columns"][:-1]):
        true, right = matrix[index].sum(), matrix[index, index]
        missed = matrix[index, -1]
        as_other = true - right - missed
        rows.append((true, right, as_other, missed, matrix[-1, index], name))
    lines = ["instances:"]
    return lines + [
        f"  {true:<8}{right:<8}{other:<12}{missed:<8}{false:<14}{name}"
        for true, right, other, missed, false, name in rows
    ]
