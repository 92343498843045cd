"""The score from which an instance of a class counts as found, chosen on `validate`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.instance_metrics import MIN_IOU
from evaluation.instance_pairs import Pairing, match, pair_instances, same_class

if TYPE_CHECKING:
    import pandas as pd

    from preprocessing.manifest import Dataset

FALSE_ALARMS = 0.2  # per image
UNSEEN = 0.5  # threshold of a class of which nothing was found on validate


def choose_scores(
    pairings: Sequence[Pairing],
    classes: Iterable[str],
    *,
    false_alarms: float = FALSE_ALARMS,
) -> dict[str, float]:
    """Chooses the lowest thresholds within a number of false alarms per image.

    All classes may have the same number of false alarms; what a class does not need is
    left to the others. Use it on `validate` only.

    Args:
        pairings: Instances of the images of `validate`.
        classes: Defect classes of the run.
        false_alarms: False alarms per image of all classes together, 0 or more.

    Returns:
        The threshold of each class, between the highest score that must be below it
        and the next one; UNSEEN for a class of which nothing was found.
    """
    kind = "mask" if all("mask" in each.ious for each in pairings) else "box"
    every: dict[str, list[float]] = {}
    false: dict[str, list[float]] = {}
    for each in pairings:
        matched = match(each.ious[kind], same_class(each), [MIN_IOU])[:, 0] >= 0
        columns = each.found.labels, each.found.scores, matched
        for label, score, is_right in zip(*columns, strict=True):
            every.setdefault(label, []).append(score)
            if not is_right:
                false.setdefault(label, []).append(score)
    allowed = int(false_alarms * len(pairings) + 1e-9)
    share = _equal_share([len(scores) for scores in false.values()], allowed)
    return {
        name: _threshold(every[name], false.get(name, []), share)
        if name in every
        else UNSEEN
        for name in sorted(set(classes) | set(every))
    }


def _equal_share(counts, allowed):
    """The largest number that each may have so that all have no more than allowed."""
    share = 0
    while share < max(counts, default=0):
        if sum(min(share + 1, count) for count in counts) > allowed:
            break
        share += 1
    return share


def _threshold(every, false, share):
    """Above the first false alarm that is too many; 0 if there is none."""
    if len(false) <= share:
        return 0.0
    highest = sorted(false, reverse=True)[share]
    above = [score for score in every if score > highest]
    just_above = float(np.nextafter(highest, np.inf))
    return max(just_above, (highest + min(above)) / 2) if above else just_above


def instance_thresholds(
    folder: str | os.PathLike[str],
    table: pd.DataFrame,
    config: dict[str, Any],
    dataset: Dataset | None,
    *,
    false_alarms: float = FALSE_ALARMS,
) -> dict[str, Any]:
    """The entries of threshold.json about instances, chosen on `validate`.

    Args:
        folder: The run folder, with instances.json.
        table: Predictions table of the run.
        config: Configuration of the run: classes, normal_class and outputs.
        dataset: Data set with instances; None for none.
        false_alarms: Allowed false alarms per image.

    Returns:
        `false_alarms_per_image` and `instance_scores`, see `choose_scores`; nothing if
        the run has no instances or the data set none to compare them with.
    """
    if dataset is None or "instances" not in config["outputs"]:
        return {}
    validate = table[table["split"] == "validate"]
    normal_class = config["normal_class"]
    pairings = pair_instances(folder, dataset, validate, normal_class=normal_class)
    if not pairings:
        return {}
    defects = set(config["classes"]) - {normal_class}
    scores = choose_scores(pairings, defects, false_alarms=false_alarms)
    return {"false_alarms_per_image": false_alarms, "instance_scores": scores}
