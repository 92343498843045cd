"""The outcomes of decisions on a split, with confidence intervals."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from decisions.rule import DECISIONS, UNLIKE
from evaluation import metrics
from evaluation.intervals import interval, resample_groups


def seen(
    table: pd.DataFrame, classes: Iterable[str], normal_class: str
) -> dict[str, Any]:
    """Counts the outcomes of the decisions on one split.

    A group is wrong if one of its images is: an accepted image of a defect class, or a
    rejected one of the normal class.

    Args:
        table: Predictions of the split with columns `decision` and `reason`.
        classes, normal_class: As in the data set.

    Returns:
        A dict: `classes`, with the number of images per decision, of groups and of
        wrong groups for each class; `defective` and `good`, the groups and wrong groups
        of all these; `missed` and `false_rejected`, as shares of groups; `inspected`
        and `unlike`, as shares of images. A share is an interval by groups.
    """
    labels, groups = table["label"].to_numpy(str), table["group"].to_numpy(str)
    decisions = table["decision"].to_numpy(str)
    is_good = labels == normal_class
    is_wrong = np.where(is_good, decisions == "reject", decisions == "accept")

    def count(rows):
        wrong = np.unique(groups[rows & is_wrong]).size
        return {
            **{kind: int((decisions[rows] == kind).sum()) for kind in DECISIONS},
            "num_groups": np.unique(groups[rows]).size,
            "num_wrong_groups": wrong,
        }

    return {
        "classes": {name: count(labels == name) for name in classes},
        "defective": count(~is_good),
        "good": count(is_good),
        "missed": _group_share(is_wrong[~is_good], groups[~is_good]),
        "false_rejected": _group_share(is_wrong[is_good], groups[is_good]),
        "inspected": _image_share(decisions == "inspect", groups),
        "unlike": _image_share((table["reason"] == UNLIKE).to_numpy(), groups),
    }


def _group_share(is_hit, groups):
    """Fraction of the groups in which the condition holds for any image."""
    hits = pd.Series(is_hit).groupby(groups).any().to_numpy()
    resampled = resample_groups(hits.size) @ hits / hits.size if hits.size else None
    return interval(hits.mean() if hits.size else np.nan, resampled, hits.size)


def _image_share(is_hit, groups):
    names, index = np.unique(groups, return_inverse=True)
    weights = resample_groups(names.size)[:, index]
    everywhere = np.ones(is_hit.size, bool)
    resampled = metrics.share(is_hit, everywhere, weights)
    return interval(is_hit.mean(), resampled, names.size)
