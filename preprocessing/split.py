"""Groups that must stay together, and their way into train, validate and test."""

import re

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from preprocessing.command import InputError
from preprocessing.manifest import SPLITS
from preprocessing.near_duplicates import cluster

GROUPINGS = ("near_duplicates", "pattern", "blocks", "chronological", "none")
BLOCK = 10  # consecutive frames


def check_shares(shares):
    """Raises InputError unless the three shares are positive and sum to 1."""
    if len(shares) != 3 or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise InputError(
            "--shares must be three positive numbers that sum to 1, for train, "
            f"validate and test. Received: {' '.join(map(str, shares))}."
        )


def assign_groups(table, pairs, *, grouping, pattern=None, block=BLOCK):
    """Names the group of every image.

    Args:
        table: Columns sample_id and label, and `order`, the rank of the image in
            the natural order of file names within its class.
        pairs: Near-duplicate pairs of row positions, `(pairs, 2)`.
        grouping: One of GROUPINGS.
        pattern: For "pattern", a regular expression searched in sample_id; the
            group is its first bracket, or all of the match.
        block: For "blocks" and "chronological", frames in a group.

    Returns:
        List of group names, one per row.
    """
    ids, labels = table["sample_id"].tolist(), table["label"].tolist()
    if grouping == "none":
        return ids
    if grouping == "near_duplicates":
        numbers = cluster(len(ids), pairs)
        first_member = {}
        for number, sample_id in zip(numbers, ids, strict=True):
            first_member.setdefault(number, sample_id)
        return [first_member[number] for number in numbers]
    if grouping == "pattern":
        return [_match(pattern, sample_id) for sample_id in ids]
    return [
        f"{label}/block {order // block:05d}"
        for label, order in zip(labels, table["order"], strict=True)
    ]


def split_groups(labels, groups, *, shares, seed):
    """Deals whole groups to the splits so that every class has its shares.

    The largest groups go first, each to the split that lacks its classes most.

    Args:
        labels, groups: Of each image, `(images,)`.
        shares: Of train, validate and test; they sum to 1.
        seed: Of the order among groups of equal size.

    Returns:
        List of split names, one per image.

    Raises:
        InputError: If a class has fewer than 3 groups, or cannot reach a split.
    """
    classes, label_index = np.unique(labels, return_inverse=True)
    names, group_index = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), len(classes)))
    np.add.at(counts, (group_index, label_index), 1)
    for name, num_groups in zip(classes, (counts > 0).sum(0), strict=True):
        if num_groups < 3:
            raise InputError(
                f"Class '{name}' has {num_groups} group(s) of images that belong "
                "together; each of train, validate and test needs one. Add other "
                "parts of it, leave the class out, or choose another --grouping."
            )
    random = np.random.default_rng(seed)
    order = random.permutation(len(names))
    order = order[np.argsort(-counts[order].sum(1), kind="stable")]
    wanted = np.outer(shares, counts.sum(0))
    missing = wanted.copy()
    split_of = np.zeros(len(names), int)
    for group in order:
        need = (counts[group] * missing / counts.sum(0) ** 2).sum(1)
        split_of[group] = int(need.argmax())
        missing[split_of[group]] -= counts[group]
    _fill_empty(split_of, counts, classes, order)
    return [SPLITS[split_of[index]] for index in group_index]


def split_in_time(labels, order, *, shares, gap=BLOCK):
    """The first share of each class's frames trains, the last tests.

    Args:
        labels: Class of each image.
        order: Rank of each image within its class.
        shares: Of train, validate and test.
        gap: Frames left out before validate and before test.

    Returns:
        List of split names, "" for the frames left out.
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
                    f"Class '{name}' has {count} frames: with the gap of {gap} "
                    f"frames none is left for {split}. Add frames, or choose a "
                    "smaller --block."
                )
            splits[mine & (order >= start) & (order < stop)] = split
    return splits.tolist()


def grouped_folds(labels, groups, *, num_folds=5, seed=0):
    """Deals whole groups to folds that have every class alike.

    Args:
        labels, groups: Of each image, `(images,)`.
        num_folds: At most; fewer when a class has fewer groups.
        seed: Of the dealing.

    Returns:
        The fold of each image, `(images,)` from 0; all 0 when a class has one group.
    """
    labels, groups = np.asarray(labels, str), np.asarray(groups, str)
    rarest = min(len(set(groups[labels == name])) for name in set(labels))
    folds = np.zeros(len(labels), int)
    if min(num_folds, rarest) < 2:
        return folds
    dealer = StratifiedGroupKFold(
        min(num_folds, rarest), shuffle=True, random_state=seed
    )
    for number, (_, judged) in enumerate(dealer.split(labels, labels, groups)):
        folds[judged] = number
    return folds


def hold_out(labels, groups, *, share=0.15, seed=0):
    """Holds out whole groups of train for early stopping and checkpoint choice.

    Args:
        labels, groups: Of each train image, `(images,)`.
        share: About so much of every class; a class with one group keeps it.
        seed: Of the choice.

    Returns:
        Bool array, True for the held-out images.

    Raises:
        InputError: If every class has one group only.
    """
    labels, groups = np.asarray(labels, str), np.asarray(groups, str)
    many = [n for n in set(labels) if len(set(groups[labels == n])) > 1]
    candidate = np.isin(labels, many)
    alone = set(groups[~candidate])
    candidate &= ~np.isin(groups, list(alone))
    held = np.zeros(len(labels), bool)
    if candidate.any():
        folds = grouped_folds(
            labels[candidate], groups[candidate], num_folds=round(1 / share), seed=seed
        )
        held[candidate] = folds == folds.max()
    if held.all() or not held.any():
        raise InputError(
            "Early stopping needs a class with two groups in train; every class has "
            "one. Add parts, or split again with another --grouping."
        )
    return held


def expected_leak(splits, pairs):
    """Share of validate and test images with a near-duplicate in train."""
    in_train = np.array([split == "train" for split in splits], bool)
    judged = np.array([split in ("validate", "test") for split in splits], bool)
    leaks = np.zeros(len(judged), bool)
    for first, second in (pairs.T, pairs.T[::-1]):
        leaks[second[in_train[first]]] = True
    return float((leaks & judged).sum() / max(1, judged.sum()))


def _match(pattern, sample_id):
    try:
        found = re.search(pattern, sample_id)
    except re.error as error:
        raise InputError(
            f"--pattern {pattern!r} is no regular expression: {error}."
        ) from None
    if found is None:
        raise InputError(
            f"--pattern {pattern!r} does not match {sample_id!r}. It must match the "
            "part of every name that names the physical part or the clip."
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
        "leaving another class empty. Add parts, or choose another --grouping."
    )
