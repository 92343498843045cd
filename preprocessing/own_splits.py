"""Data sets with their own splits: `train`, `val` and `test`, with class folders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from goodparts.command import InputError
from preprocessing.manifest import SPLITS
from preprocessing.splitting.near_duplicates import Fingerprint, cluster
from preprocessing.splitting.split import split_groups

if TYPE_CHECKING:
    import pandas as pd

_SPLIT_OF = {
    "train": "train",
    "training": "train",
    "val": "validate",
    "valid": "validate",
    "validation": "validate",
    "validate": "validate",
    "test": "test",
    "testing": "test",
}


def is_split_with_classes(table: pd.DataFrame, normal_class: str | None) -> bool:
    """Whether the source has its own splits, with defects in train.

    Args:
        table: Table from `place_files`.
        normal_class: The class of good parts.
    """
    if not {"train", "test"} <= set(table["official_split"]):
        return False
    return set(table["label"][_tops(table) == "train"]) != {normal_class}


def keep_own_splits(
    table: pd.DataFrame,
    fingerprints: Sequence[Fingerprint],
    shares: tuple[float, float, float],
    seed: int,
    normal_class: str | None,
) -> None:
    """Fills the columns split and group; without a `val`, a part of train is used.

    Args:
        table: Table from `place_files`, changed in place.
        fingerprints: Fingerprints of each row.
        shares: Shares of train, validate and test.
        seed: Seed of the random assignment.
        normal_class: The class of good parts, which train and validate need.
    """
    splits = _tops(table)
    labels = table["label"].to_numpy(str)
    groups = np.empty(len(table), object)
    for name in SPLITS:
        rows = np.flatnonzero(splits == name)
        prints = [fingerprints[row] for row in rows.tolist()]
        numbers = cluster(prints) if prints else []
        first = {}
        for row, number in zip(rows, numbers, strict=True):
            groups[row] = first.setdefault(number, f"{name} {table['sample_id'][row]}")
    if not (splits == "validate").any():
        rows = np.flatnonzero(splits == "train")
        share = shares[1] / (shares[0] + shares[1])
        dealt = split_groups(
            labels[rows],
            groups[rows].astype(str),
            shares=(1 - share, share / 2, share / 2),
            seed=seed,
        )
        splits[rows] = ["train" if each == "train" else "validate" for each in dealt]
    for name in SPLITS:
        missing = sorted(set(labels) - set(labels[splits == name]))
        needed = {
            "train": missing,
            "validate": [x for x in missing if x == normal_class],
        }
        if needed.get(name):
            raise InputError(
                f"{name} of the source has no {', '.join(needed[name])}. Omit "
                "--protocol official, so that all images are split anew."
            )
    table["split"], table["group"] = splits, groups


def _tops(table):
    tops = table["source"].str.removeprefix("./").str.split("/").str[0].str.lower()
    return tops.map(_SPLIT_OF).fillna("").to_numpy(object)
