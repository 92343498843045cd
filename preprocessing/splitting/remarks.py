"""Remarks on a split that a user should read before training, as sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from preprocessing.manifest import SPLITS
from preprocessing.splitting.names import suggest_pattern

if TYPE_CHECKING:
    import pandas as pd

COVERS = (
    "near-duplicates of whole images, also flipped, rotated or inverted, but not the "
    "same part in other light, overlapping crops or copies with borders"
)
LARGE_GROUP = 0.2  # of the images of a class
FEW_IN_TEST = 20  # groups of a class
FEW_GOOD = 30  # groups in validate
OTHER_GROUPINGS = (
    "--grouping pattern --pattern REGEX if the file names identify the part, "
    "--grouping blocks or chronological for frames of one recording"
)
GROUNDS = {
    "near_copies": "near-duplicates",
    "lines": "the same edges in other light",
    "numbers": "close numbers in the file names",
}


def split_remarks(info: Mapping[str, Any], originals: pd.DataFrame) -> list[str]:
    """Sentences on what the split was checked for and what it cannot show.

    Args:
        info: Content of dataset.json.
        originals: Rows of the manifest, no augmented copies.
    """
    return [
        *_about_grounds(info),
        leak_text(info),
        *neighbour_text(info),
        *_about_names(info, originals),
        *_about_large_groups(originals),
        *_about_lacking(info, originals),
        *_about_thin(info, originals),
    ]


def leak_text(info: Mapping[str, Any]) -> str:
    return (
        f"expected leakage: {info['leak']:.1%} of the validate and test images have a "
        f"copy in train (the check covers {COVERS})"
    )


def neighbour_text(info: Mapping[str, Any]) -> Iterator[str]:
    """One sentence, or none where nothing could be compared."""
    guess = info.get("neighbour_guess")
    if guess:
        verdict = (
            "WARNING, parts may be in more than one split"
            if guess["is_clear"]
            else "no sign that a part is in more than one split"
        )
        yield (
            "a nearest-neighbour search in train finds the class of "
            f"{guess['judged']:.0%} of the validate and test images, and of "
            f"{guess['held_out']:.0%} in held-out groups and series of train: "
            f"{verdict}"
        )


def _about_grounds(info):
    grounds = info.get("grounds")
    if grounds:
        found = [
            f"{words} ({grounds[name]} images)"
            for name, words in GROUNDS.items()
            if grounds.get(name)
        ]
        yield (
            "images were grouped by: "
            f"{', '.join(found) or 'nothing, no two images are alike'}"
        )


def _about_names(info, originals):
    if info.get("grouping") in ("pattern", "chronological"):
        return
    found = suggest_pattern(
        originals["sample_id"].tolist(), originals["split"].tolist()
    )
    if found:
        pattern, num_stems, num_cut = found
        yield (
            f"WARNING, the file names suggest crops or copies of {num_stems} images, "
            f"{num_cut} of them in several splits. If so, split again with --grouping "
            f"pattern --pattern '{pattern}'"
        )


def _about_large_groups(originals):
    for label, rows in originals.groupby("label"):
        sizes = rows["group"].value_counts()
        if sizes.iloc[0] > LARGE_GROUP * len(rows) and len(rows) > 5:
            yield (
                f"WARNING, one group contains {sizes.iloc[0]} of the {len(rows)} "
                f"images of the class {label}. If they show different parts, split "
                f"again with another grouping: {OTHER_GROUPINGS}"
            )


def _about_lacking(info, originals):
    for split in SPLITS:
        there = set(originals["label"][originals["split"] == split])
        lacking = sorted(set(info["classes"]) - there)
        if lacking and info.get("protocol") == "official" and split != "test":
            yield (
                f"{split} has no parts of {', '.join(lacking)}: --protocol official "
                "keeps the split unchanged"
            )
        elif lacking:
            yield (
                f"WARNING, {split} has no parts of {', '.join(lacking)}. Another "
                f"grouping may distribute them: {OTHER_GROUPINGS}"
            )


def _about_thin(info, originals):
    groups = originals.groupby(["split", "label"])["group"].nunique()
    numbers = {name: int(groups.get(("test", name), 0)) for name in info["classes"]}
    thin = [
        f"{name} {number} (recall above {_at_least(number):.0%})"
        for name, number in numbers.items()
        if 0 < number < FEW_IN_TEST
    ]
    if thin:
        yield (
            f"fewer than {FEW_IN_TEST} groups in test, with the recall that can be "
            f"shown if all are classified correctly: {', '.join(thin)}"
        )
    number = int(groups.get(("validate", info["normal_class"]), 0))
    if 0 < number < FEW_GOOD:
        yield (
            f"validate has {_groups(number)} of good parts, so no threshold can be "
            f"shown to reject fewer than {1 - _at_least(number):.0%} of them"
        )


def _groups(number):
    return f"{number} group" if number == 1 else f"{number} groups"


def _at_least(number):
    """The lower end of the 95 % interval of a faultless test."""
    return float(np.power(0.025, 1 / number))
