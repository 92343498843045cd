"""Assigns groups that must stay together to train, validate and test."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from goodparts.command import InputError
from preprocessing.manifest import SPLITS
from preprocessing.splitting.choices import BLOCK
from preprocessing.splitting.near_duplicates import Fingerprint, has_twin

if TYPE_CHECKING:
    import pandas as pd


def check_shares(shares: Sequence[float]) -> None:
    """Raises InputError unless the three shares are positive and sum to 1."""
    positive = len(shares) == 3 and all(share > 0 for share in shares)
    if not (positive and abs(sum(shares) - 1) <= 1e-6):
        raise InputError(
            "--shares must be three positive numbers that sum to 1, for train, "
            f"validate and test. Received: {' '.join(map(str, shares))}."
        )


def assign_groups(
    table: pd.DataFrame,
    clusters: np.ndarray | None,
    *,
    grouping: str,
    pattern: str | None = None,
    block: int = BLOCK,
) -> list[str]:
    """Names the group of every image.

    Args:
        table: Columns sample_id and label, and `order`, the rank of the image in
            the natural order of file names within its class.
        clusters: Number of each image's cluster of near-duplicates, `(images,)`;
            None where the grouping is another.
        grouping: One of GROUPINGS.
        pattern: For "pattern", a regular expression searched in sample_id; the
            group is its first bracket, or all of the match.
        block: For "blocks" and "chronological", frames in a group.

    Returns:
        Group names, one per row.
    """
    ids, labels = table["sample_id"].tolist(), table["label"].tolist()
    if grouping == "none":
        return ids
    if grouping == "near_duplicates":
        if clusters is None:
            raise ValueError("near_duplicates needs the cluster of each image.")
        first_member = {}
        for number, sample_id in zip(clusters, ids, strict=True):
            first_member.setdefault(number, sample_id)
        return [first_member[number] for number in clusters]
    if grouping == "pattern":
        return [_match(pattern, sample_id) for sample_id in ids]
    return [
        f"{label}/block {order // block:05d}"
        for label, order in zip(labels, table["order"], strict=True)
    ]


def split_groups(
    labels: ArrayLike, groups: ArrayLike, *, shares: Sequence[float], seed: int
) -> list[str]:
    """Assigns whole groups to the splits so that every class has its fractions.

    The largest groups are assigned first, each to the split that lacks its classes
    most.

    Args:
        labels, groups: Labels and groups of each image, `(images,)`.
        shares: Shares of train, validate and test; they sum to 1.
        seed: Seed of the order among groups of equal size.

    Returns:
        Split names, one per image.

    Raises:
        InputError: If a class has fewer than 3 groups, or cannot reach a split.
    """
    classes = np.unique(labels)
    _, group_index, counts = _count(labels, groups)
    for name, num_groups in zip(classes, (counts > 0).sum(0), strict=True):
        if num_groups < 3:
            raise InputError(
                f"Class '{name}' has {num_groups} group(s) of images that belong "
                "together, but train, validate and test need one each. Add other "
                "parts of this class, leave the class out, or choose another "
                "--grouping: pattern if the file names identify the part, blocks for "
                "frames."
            )
    order = _largest_first(counts, seed)
    split_of = _deal(counts, order, shares)
    _fill_empty(split_of, counts, classes, order)
    return [SPLITS[split_of[index]] for index in group_index]


def split_in_time(
    labels: ArrayLike, order: ArrayLike, *, shares: Sequence[float], gap: int = BLOCK
) -> list[str]:
    """Uses the first part of each class's frames for train, the last for test.

    Args:
        labels: Class of each image.
        order: Rank of each image within its class.
        shares: Shares of train, validate and test.
        gap: Frames left out before validate and before test.

    Returns:
        Split names, "" for the frames left out.
    """
    labels, order = np.asarray(labels), np.asarray(order)
    splits = np.full(len(labels), "", object)
    for name in np.unique(labels):
        mine = labels == name
        count = int(mine.sum())
        first = round(shares[0] * count)
        second = round((shares[0] + shares[1]) * count)
        limits = ((0, first - gap), (first, second - gap), (second, count))
        for split, (start, stop) in zip(SPLITS, limits, strict=True):
            if stop <= start:
                raise InputError(
                    f"Class '{name}' has {count} frames: with a gap of {gap} frames, "
                    f"none is left for {split}. Add frames, or choose a smaller "
                    "--block."
                )
            splits[mine & (order >= start) & (order < stop)] = split
    return splits.tolist()


def grouped_folds(
    labels: ArrayLike, groups: ArrayLike, *, num_folds: int = 5, seed: int = 0
) -> np.ndarray:
    """Assigns whole groups to folds with similar class frequencies.

    Without any one fold, the rest still has every class. A class of few groups is in
    few folds. The order of the images does not matter.

    Args:
        labels, groups: Labels and groups of each image, `(images,)`.
        num_folds: At most; 2 or more.
        seed: Seed of the order among groups of equal size.

    Returns:
        The fold of each image, `(images,)` from 0; -1 for images that no fold can
        hold out, as they are of the only group of a class or have to stand in for it.
    """
    names, group_index, counts = _count(labels, groups)
    alone = counts[:, (counts > 0).sum(0) == 1].any(1)
    order = [group for group in _largest_first(counts, seed) if not alone[group]]
    fold_of = np.full(len(names), -1)
    shares = np.full(max(1, min(num_folds, len(order))), 1.0)
    fold_of[order] = _deal(counts, order, shares / len(shares))[order]
    for label in range(counts.shape[1]):
        holders = [group for group in order[::-1] if counts[group, label]]
        held = fold_of[counts[:, label] > 0]
        if held[0] >= 0 and (held == held[0]).all():
            fold_of[holders[0]] = -1
    kept, fold_of[fold_of >= 0] = np.unique(fold_of[fold_of >= 0], return_inverse=True)
    return fold_of[group_index]


def hold_out(
    labels: ArrayLike, groups: ArrayLike, *, share: float = 0.15, seed: int = 0
) -> np.ndarray:
    """Holds out whole groups of train for early stopping and checkpoint choice.

    Args:
        labels, groups: Labels and groups of each train image, `(images,)`.
        share: Of the groups of every class, at least one of them; never all, and of
            a class with one group none.
        seed: Seed of the choice.

    Returns:
        Bool array, True for the held-out images.

    Raises:
        InputError: If no group can be held out.
    """
    names, group_index, counts = _count(labels, groups)
    has = counts > 0
    num_groups = has.sum(0)
    wanted = np.maximum(1, np.round(share * num_groups))
    order = np.random.default_rng(seed).permutation(len(names))
    bulky = (counts > counts.sum(0) / 2).any(1)  # more than half of a class: the last
    order = order[np.argsort(bulky[order], kind="stable")]
    held = np.zeros(len(names), bool)
    for label in np.argsort(num_groups, kind="stable"):
        for fits in (wanted, num_groups - 1):  # first what all its classes want
            for group in order[has[order, label] & ~held[order]]:
                now = has[held].sum(0)
                room = now + has[group] <= np.minimum(fits, num_groups - 1)
                if now[label] < wanted[label] and room[has[group]].all():
                    held[group] = True
    if not held.any():
        raise InputError(
            "Early stopping needs a group in train that can be held out, but every "
            "group is the only one of its class. Add parts, or split again with "
            "another --grouping."
        )
    return held[group_index]


def _count(labels, groups):
    """Names of the groups, the group of each image, and images per group and class."""
    classes, label_index = np.unique(np.asarray(labels, str), return_inverse=True)
    names, group_index = np.unique(np.asarray(groups, str), return_inverse=True)
    counts = np.zeros((len(names), len(classes)))
    np.add.at(counts, (group_index, label_index), 1)
    return names, group_index, counts


def _largest_first(counts, seed):
    order = np.random.default_rng(seed).permutation(len(counts))
    return order[np.argsort(-counts[order].sum(1), kind="stable")]


def _deal(counts, order, shares):
    """Assigns each group to the part that lacks its classes most; if equal, images.

    Args:
        counts: Images per group and class, `(groups, classes)`.
        order: Order in which groups are assigned; groups that are not in it stay at 0.
        shares: Shares of each part; they sum to 1.

    Returns:
        The part of each group, `(groups,)`.
    """
    total = counts[order].sum(0)
    missing = np.outer(shares, total)
    part_of = np.zeros(len(counts), int)
    for group in order:
        need = (counts[group] * missing / np.maximum(total, 1) ** 2).sum(1)
        part_of[group] = np.lexsort((-missing.sum(1), -need))[0]
        missing[part_of[group]] -= counts[group]
    return part_of


def expected_leak(splits: Sequence[str], fingerprints: Sequence[Fingerprint]) -> float:
    """Share of validate and test images with a near-duplicate in train."""
    in_train = np.array([split == "train" for split in splits], bool)
    judged = np.array([split in ("validate", "test") for split in splits], bool)
    leaks = has_twin(fingerprints, judged, in_train)
    return float(leaks.sum() / max(1, judged.sum()))


def _match(pattern, sample_id):
    try:
        found = re.search(pattern, sample_id)
    except re.error as error:
        raise InputError(
            f"--pattern {pattern!r} is not a regular expression: {error}."
        ) from None
    if found is None:
        raise InputError(
            f"--pattern {pattern!r} does not match {sample_id!r}. In every file name "
            "it must match the characters that identify the physical part or the "
            "clip."
        )
    return found.group(1) if found.re.groups else found.group(0)


def _fill_empty(split_of, counts, classes, order):
    """Moves a group where a class is without one, from a split that has another."""
    for _ in range(3 * len(classes)):
        has = np.array([(counts[split_of == s] > 0).sum(0) for s in range(3)])
        empty = np.argwhere(has == 0)
        if not len(empty):
            return
        split, label = empty[0]
        for group in order[::-1]:
            rest = has[split_of[group]][counts[group] > 0]
            if counts[group, label] and (rest > 1).all():
                split_of[group] = split
                break
        else:
            break
    raise InputError(
        f"No group of class '{classes[label]}' can go to {SPLITS[split]} without "
        "leaving another class empty. Add parts, or choose another --grouping: "
        "pattern if the file names identify the part, blocks for frames."
    )
