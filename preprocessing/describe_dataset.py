"""The summary that is printed after a split."""

import pandas as pd

from preprocessing.manifest import SPLITS, Dataset, is_copy
from preprocessing.splitting.remarks import split_remarks


def describe(dataset: Dataset) -> str:
    """The counts of a data set and all remarks on it, as text."""
    info, manifest = dataset.info, dataset.manifest
    originals = manifest[~is_copy(manifest)]
    counts = pd.crosstab(originals["label"], originals["split"])
    counts = counts.reindex(columns=list(SPLITS), fill_value=0)
    lines = [
        counts.rename_axis(index=None, columns=None).to_string(),
        _about_normal(info["normal_class"]),
        f"{info['num_groups']} groups by {info['grouping'].replace('_', ' ')}; the "
        f"largest has {info['largest_group']} images",
        *split_remarks(info, originals),
    ]
    if len(dataset.classes) == 1:
        lines.append(
            "good parts only: one-class detectors can be trained on them, "
            "classifiers cannot, and the threshold will be chosen from good parts "
            "only"
        )
    if info["protocol"] == "official" and not info.get("has_own_test", True):
        lines.append("the source has no test set: test is a part of its train set")
    if info.get("bit_depth", 8) > 8:
        lines.append(
            f"images with {info['bit_depth']} bits were converted to their upper 8 "
            "bits; predict and live convert such files in the same way"
        )
    lines += info.get("notes", [])
    if info["num_rejected"]:
        remarks = "remark" if info["num_rejected"] == 1 else "remarks"
        lines.append(
            f"{info['num_rejected']} {remarks} on files, {info['num_left_out']} "
            f"images left out: see {dataset.folder / 'rejected.csv'}"
        )
    return "\n".join(lines)


def _about_normal(normal_class):
    if normal_class is None:
        return (
            "classes only: there is no class of good parts, so nothing is accepted "
            "or rejected"
        )
    return f"the good parts are those of the class {normal_class}"
