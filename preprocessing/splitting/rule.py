"""The rule for splitting a data set, from the options to the manifest's columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from goodparts.command import InputError
from preprocessing.clips import name_clips
from preprocessing.manifest import SPLITS
from preprocessing.splitting.choices import BLOCK, GROUPINGS, PROTOCOLS, SHARES
from preprocessing.splitting.near_duplicates import Fingerprint
from preprocessing.splitting.same_part import same_part_groups
from preprocessing.splitting.split import (
    assign_groups,
    check_shares,
    split_groups,
    split_in_time,
)

if TYPE_CHECKING:
    import pandas as pd


class SplitRule(NamedTuple):
    """How images are grouped and split; `check_rule` checks the combination.

    Attributes:
        shares: Shares of train, validate and test; they sum to 1.
        seed: Seed of the random assignment.
        grouping: What must stay together, one of GROUPINGS.
        pattern: For grouping "pattern", a regular expression.
        block: For "blocks" and "chronological", frames in a group; also the gap.
        protocol: "grouped", or "official" to keep the test set of the MVTec layout.
    """

    shares: tuple[float, float, float] = SHARES
    seed: int = 0
    grouping: str = GROUPINGS[0]
    pattern: str | None = None
    block: int = BLOCK
    protocol: str = PROTOCOLS[0]


def check_rule(rule: SplitRule) -> None:
    """Raises InputError for values that are out of range or do not go together."""
    check_shares(rule.shares)
    if (rule.grouping == "pattern") != (rule.pattern is not None):
        raise InputError(
            "--grouping pattern and --pattern REGEX must be given together."
        )
    if rule.block < 1:
        raise InputError(f"--block must be at least 1. Received: {rule.block}.")
    if rule.protocol == "official" and rule.grouping != "near_duplicates":
        raise InputError(
            "--protocol official groups by near-duplicates, within train and within "
            f"test. Received: --grouping {rule.grouping}. Omit one of the two."
        )


def describe_rule(rule: SplitRule) -> dict[str, Any]:
    """The rule in the form that is stored in dataset.json."""
    return {**rule._asdict(), "shares": dict(zip(SPLITS, rule.shares, strict=True))}


def split_table(
    table: pd.DataFrame,
    fingerprints: Sequence[Fingerprint],
    rule: SplitRule,
    normal_class: str | None,
) -> dict[str, int]:
    """Fills the columns group, clip, frame and split of a table of `place_files`.

    Rows that belong to no split, the gaps of a chronological one, get "".

    Args:
        table: Changed in place.
        fingerprints: Fingerprints of each row.
        rule: One that was checked.
        normal_class: The class of good parts.

    Returns:
        On what grounds groups were made, as of `same_part_groups`; empty where the
        rule says them.
    """
    if rule.protocol == "official":
        return _split_officially(table, fingerprints, rule, normal_class)
    clusters, grounds = None, {}
    if rule.grouping == "near_duplicates":
        clusters, grounds = same_part_groups(
            fingerprints, table["label"].tolist(), table["stem"].tolist()
        )
    table["group"] = assign_groups(
        table,
        clusters,
        grouping=rule.grouping,
        pattern=rule.pattern,
        block=rule.block,
    )
    if rule.grouping in ("blocks", "chronological"):
        table[["clip", "frame"]] = name_clips(table["source"])
    if rule.grouping == "chronological":
        labels, order = table["label"], table["order"]
        table["split"] = split_in_time(
            labels, order, shares=rule.shares, gap=rule.block
        )
        table["group"] = table["group"] + " " + table["split"]
    else:
        table["split"] = _deal_groups(table, rule.shares, rule.seed)
    return grounds


def _split_officially(table, fingerprints, rule, normal_class):
    """Keeps train and test of the layout; validate is a part of train/good.

    A source with only good parts may have no test set: test is then also a part of
    train/good.
    """
    official = table["official_split"].to_numpy(str)
    has_test = "test" in official
    if "train" not in official or not (has_test or table["label"].nunique() == 1):
        raise InputError(
            "--protocol official needs the MVTec layout, with train/ and test/, or a "
            "table with a column named split."
        )
    if set(table["label"][official == "train"]) != {normal_class}:
        raise InputError(
            f"--protocol official needs a train/ that contains only {normal_class!r}."
        )
    grounds = {}
    for side in ("train", "test"):
        rows = np.flatnonzero(official == side)
        labels, stems = (table.loc[rows, name].tolist() for name in ("label", "stem"))
        prints = [fingerprints[row] for row in rows]
        clusters, found = same_part_groups(prints, labels, stems)
        grounds = {name: grounds.get(name, 0) + found[name] for name in found}
        table.loc[rows, "group"] = assign_groups(
            table.loc[rows], clusters, grouping=rule.grouping
        )
    if not has_test:
        table["split"] = _deal_groups(table, rule.shares, rule.seed)
        return grounds
    table["split"] = official
    goods = official == "train"
    share = rule.shares[1] / (rule.shares[0] + rule.shares[1])
    parts = _deal_groups(table[goods], (1 - share, share / 2, share / 2), rule.seed)
    table.loc[goods, "split"] = [
        "train" if part == "train" else "validate" for part in parts
    ]
    return grounds


def _deal_groups(table, shares, seed):
    labels, groups = table["label"].to_numpy(str), table["group"].to_numpy(str)
    return split_groups(labels, groups, shares=shares, seed=seed)
