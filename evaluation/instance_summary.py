"""The figures of each class of instances, and their confusions, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from evaluation import instance_metrics
from evaluation.average_precision import AT, precisions
from evaluation.instance_metrics import FALSE_ALARM, MISSED, Matches
from evaluation.intervals import interval, open_interval
from evaluation.wording import number, percent

BOUNDED = {  # in [0, 1], on groups that have the class
    "detection_rate": instance_metrics.detection_rate,
    "mean_iou": instance_metrics.mean_iou,
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
    return {
        "per_class": {
            name: _of_class(matches, name, draws) for name in matches.true_classes
        },
        "confusion_matrix": matches.confusions.sum(0).tolist(),
        "rows": [*matches.classes, FALSE_ALARM],
        "columns": [*matches.classes, MISSED],
    }


def _of_class(matches, name, draws):
    counts = matches.counts_of(name)
    num_groups = int((counts.num_true > 0).sum())
    functions = {
        f"{kind}_{at}": lambda part, of=rankings[name], at=at: precisions(of, part, at)
        for kind, rankings in sorted(matches.rankings.items(), reverse=True)
        for at in AT
    }
    functions |= {
        key: lambda part, of=function: of(counts, part)
        for key, function in BOUNDED.items()
    }
    found = {
        key: interval(values[0], values[1:], num_groups)
        for key, values in _values(functions, draws).items()
    }
    alarms = {
        "false_alarms": lambda x: instance_metrics.false_alarms_per_image(counts, x)
    }
    values = _values(alarms, draws)["false_alarms"]
    return {
        **found,
        "false_alarms": open_interval(values[0], values[1:]),
        "num_true": int(counts.num_true.sum()),
        "num_groups": num_groups,
        "score_threshold": matches.scores.get(name),
    }


def _values(functions, draws):
    parts = [[function(part) for function in functions.values()] for part in draws()]
    columns = map(np.concatenate, zip(*parts, strict=True))
    return dict(zip(functions, columns, strict=True))


def instance_lines(instances: dict[str, Any]) -> list[str]:
    """A table of the classes and one of their confusions, at most 100 columns wide."""
    rows: list[tuple[Any, ...]] = [
        ("AP", "AP50", "detection rate", "false alarms", "class")
    ]
    kinds = set()
    for name, found in instances["per_class"].items():
        kind = "mask" if "mask_ap" in found else "box"
        kinds.add(kind)
        aps = percent(found[f"{kind}_ap"]), percent(found[f"{kind}_ap50"])
        rate, alarms = percent(found["detection_rate"]), number(found["false_alarms"])
        rows.append((*aps, rate, alarms.split(" ")[0], name))
    if not kinds:
        return []
    lines = [f"of each class, by {'masks' if 'mask' in kinds else 'boxes'}:"]
    lines += [
        f"  {ap:<23}{ap50:<23}{rate:<23}{alarms:<13}{name}"
        for ap, ap50, rate, alarms, name in rows
    ]
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
