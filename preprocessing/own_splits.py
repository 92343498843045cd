"""Data sets with their own splits: folders `train`, `val` and `test`, or a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from goodparts.command import InputError
from preprocessing.importing.mask_names import SPLIT_NAMES
from preprocessing.manifest import SPLITS
from preprocessing.splitting.near_duplicates import Fingerprint, cluster
from preprocessing.splitting.split import split_groups

if TYPE_CHECKING:
    import pandas as pd


def is_split_with_classes(table: pd.DataFrame, normal_class: str | None) -> bool:
    """Whether the source has its own splits, in a table or with defects in train.

    Defects in a `val` folder count too.

    Args:
        table: Table from `place_files`.
        normal_class: The class of good parts.
    """
    if not {"train", "test"} <= set(table["official_split"]):
        return False
    if (table["table_split"] != "").any():
        return True
    splits = _own_splits(table)
    return any(
        (table["label"][splits == split] != normal_class).any()
        for split in ("train", "validate")
    )


def keep_own_splits(
    table: pd.DataFrame,
    fingerprints: Sequence[Fingerprint],
    shares: tuple[float, float, float],
    seed: int,
    normal_class: str | None,
) -> None:
    """Fills the columns split and group; without a `val`, a part of train is used.

    Args:
        table: Table from `place_files`, changed in place; images without a split keep
            none.
        fingerprints: Fingerprints of each row.
        shares: Shares of train, validate and test.
        seed: Seed of the random assignment.
        normal_class: The class of good parts, which train and validate need.
    """
    splits = _own_splits(table)
    labels = table["label"].to_numpy(str)
    groups = np.full(len(table), "", object)
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
        missing = sorted(set(labels[splits != ""]) - set(labels[splits == name]))
        has_goods_alone = set(labels[splits == name]) == {normal_class}
        needed = {
            "train": [] if has_goods_alone else missing,
            "validate": [x for x in missing if x == normal_class],
        }
        if needed.get(name):
            raise InputError(
                f"{name} of the source has no {', '.join(needed[name])}. Omit "
                "--protocol official, so that all images are split anew."
            )
    table["split"], table["group"] = splits, groups


def _own_splits(table):
    tops = table["source"].str.removeprefix("./").str.split("/").str[0].str.lower()
    by_folder = tops.map(SPLIT_NAMES).fillna("")
    by_table = table["table_split"]
    return by_folder.mask(by_table != "", by_table).to_numpy(object)
