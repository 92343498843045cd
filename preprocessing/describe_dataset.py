"""What an engineer should read after a split."""

import pandas as pd

from preprocessing.importing.mask_names import SPLIT_FOLDERS
from preprocessing.manifest import SPLITS, Dataset, is_copy
from preprocessing.splitting.remarks import split_remarks


def describe(dataset: Dataset) -> str:
    """The counts of a data set, and all that is to be said of it, as text."""
    info, manifest = dataset.info, dataset.manifest
    originals = manifest[~is_copy(manifest)]
    counts = pd.crosstab(originals["label"], originals["split"])
    counts = counts.reindex(columns=list(SPLITS), fill_value=0)
    lines = [
        counts.rename_axis(index=None, columns=None).to_string(),
        _about_normal(info["normal_class"]),
        f"{info['num_groups']} groups by {info['grouping'].replace('_', ' ')}, "
        f"images in the largest: {info['largest_group']}",
        *split_remarks(info, originals),
    ]
    if len(dataset.classes) == 1:
        lines.append(
            "good parts only: one-class detectors can be trained on them, classifiers "
            "cannot, and the threshold will come from good parts alone"
        )
    if info["protocol"] == "official" and not _has_official_test(originals):
        lines.append(
            "the source has no test set of its own: test is a share of its train"
        )
    if info.get("bit_depth", 8) > 8:
        lines.append(
            f"images of {info['bit_depth']} bits were written with their upper 8; "
            "predict and live read such files alike"
        )
    lines += info.get("notes", [])
    if info["num_rejected"]:
        remarks = "remark" if info["num_rejected"] == 1 else "remarks"
        lines.append(
            f"{info['num_rejected']} {remarks} on files, {info['num_left_out']} images "
            f"left out: see {dataset.folder / 'rejected.csv'}"
        )
    return "\n".join(lines)


def _about_normal(normal_class):
    if normal_class is None:
        return "classes only: no class is that of good parts, so nothing is decided"
    return f"good parts are those of class {normal_class}"


def _has_official_test(originals):
    sources = originals["source"][originals["split"] == "test"]
    tops = sources.str.split("/").str[0].str.lower()
    return (tops.map(SPLIT_FOLDERS) == "test").any()
