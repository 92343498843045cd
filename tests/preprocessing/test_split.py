from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodparts.command import InputError
from preprocessing.splitting.near_duplicates import Fingerprint
from preprocessing.splitting.split import (
    assign_groups,
    check_shares,
    expected_leak,
    grouped_folds,
    hold_out,
    split_groups,
    split_in_time,
)

SHARES = (0.7, 0.15, 0.15)


def table_of(labels):
    order = [labels[:i].count(label) for i, label in enumerate(labels)]
    ids = [f"{label}/{rank:03d}" for label, rank in zip(labels, order, strict=True)]
    return pd.DataFrame({"sample_id": ids, "label": labels, "order": order})


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 9), min_size=3, max_size=30), st.integers(0, 99))
def test_groups_stay_whole_and_every_class_is_everywhere(sizes, seed):
    groups = np.repeat([f"g{i}" for i in range(len(sizes))], sizes)
    labels = np.where(np.arange(len(groups)) % 2, "good", "bad")
    labels = np.concatenate([labels, ["rare"] * 3])
    groups = np.concatenate([groups, ["r0", "r1", "r2"]])
    seen = {name: set(groups[labels == name]) for name in ("good", "bad")}
    if min(map(len, seen.values())) < 3:
        return
    try:
        splits = split_groups(labels, groups, shares=SHARES, seed=seed)
    except InputError as error:
        assert "can go to" in str(error)
        return
    for group in set(groups):
        assert len({s for s, g in zip(splits, groups, strict=True) if g == group}) == 1
    assert len(set(zip(labels, splits, strict=True))) == 3 * len(set(labels))


def test_single_images_are_split_to_the_shares():
    labels = ["good"] * 100 + ["bad"] * 40
    groups = [str(i) for i in range(140)]
    splits = split_groups(labels, groups, shares=SHARES, seed=1)
    counts = Counter(zip(labels, splits, strict=True))
    assert counts[("good", "train")] == 70 and counts[("good", "test")] == 15
    assert counts[("bad", "train")] == 28 and counts[("bad", "validate")] == 6


def test_the_largest_cluster_trains():
    labels = ["a"] * 60
    groups = ["big"] * 30 + [str(i) for i in range(30)]
    splits = split_groups(labels, groups, shares=SHARES, seed=0)
    assert splits[0] == "train" and Counter(splits)["train"] == 42  # 0.7 * 60


def test_too_few_groups_are_refused_by_name():
    with pytest.raises(InputError, match="'bad' has 2 group"):
        split_groups(["good"] * 3 + ["bad"] * 4, list("abcddee"), shares=SHARES, seed=0)


def test_shares_must_sum_to_one():
    check_shares(SHARES)
    nan = float("nan")
    wrongs = (0.7, 0.3, 0.0), (0.5, 0.2, 0.2), (0.5, nan, 0.5), (nan, 0.5, 0.5)
    for wrong in wrongs:
        with pytest.raises(InputError, match="sum to 1"):
            check_shares(wrong)


def test_time_split_has_gaps_and_order():
    labels = ["a"] * 100
    splits = split_in_time(labels, range(100), shares=SHARES, gap=5)
    assert splits[64] == "train" and splits[65:70] == [""] * 5
    assert splits[70] == "validate" and splits[79] == "validate"
    assert splits[80:85] == [""] * 5 and splits[85:] == ["test"] * 15
    with pytest.raises(InputError, match="'a' has 20 frames"):
        split_in_time(["a"] * 20, range(20), shares=SHARES, gap=5)


def test_groupings():
    table = table_of(["a"] * 4 + ["b"] * 3)
    near = assign_groups(table, [7, 1, 7, 2, 7, 3, 4], grouping="near_duplicates")
    assert near[0] == near[2] == near[4] == "a/000" and len(set(near)) == 5
    blocks = assign_groups(table, None, grouping="blocks", block=2)
    assert blocks[0] == blocks[1] != blocks[2] and len(set(blocks)) == 4
    parts = assign_groups(table, None, grouping="pattern", pattern=r"/(\d\d)\d")
    assert set(parts) == {"00"}
    with pytest.raises(InputError, match="does not match 'a/000'"):
        assign_groups(table, None, grouping="pattern", pattern="x")
    with pytest.raises(InputError, match="not a regular expression"):
        assign_groups(table, None, grouping="pattern", pattern="(")


def looks(*greys):
    """A fingerprint of each picture; equal greys are near-duplicates."""
    return [
        Fingerprint(np.uint64(0), np.full((32, 32), 20 * grey, np.uint8))
        for grey in greys
    ]


def test_leak_counts_judged_images_with_a_twin_in_train():
    splits = ["train", "validate", "test", "test", "train"]
    # Only image 1 of 1, 2, 3 has a twin in train.
    assert expected_leak(splits, looks(1, 1, 2, 2, 1)) == pytest.approx(1 / 3)
    assert expected_leak(splits, looks(1, 2, 3, 4, 5)) == 0
    # A chain is no twin: 4 grey levels apart is near, 8 is not.
    chain = [Fingerprint(np.uint64(0), np.full((32, 32), g, np.uint8)) for g in (0, 8)]
    assert expected_leak(["train", "test"], chain) == 0


def test_hold_out_takes_whole_groups_and_leaves_lonely_classes():
    labels = np.array(["a"] * 40 + ["b"] * 20 + ["c"] * 5)
    groups = np.array([f"g{i // 2}" for i in range(60)] + ["only"] * 5)
    held = hold_out(labels, groups, seed=3)
    assert not set(groups[held]) & set(groups[~held])
    assert not held[labels == "c"].any()
    # 0.15 * 20 groups = 3 and 0.15 * 10 groups = 1.5 -> 2, of 2 images each
    assert held[labels == "a"].sum() == 6 and held[labels == "b"].sum() == 4
    with pytest.raises(InputError, match="only one of its class"):
        hold_out(["a", "b"], ["x", "y"])


def test_hold_out_takes_its_share_beside_a_class_of_two_groups():
    labels = np.array(["good"] * 100 + ["rare"] * 2)
    groups = np.array([f"g{i}" for i in range(102)])
    held = hold_out(labels, groups)
    assert held[labels == "good"].sum() == 15 and held[labels == "rare"].sum() == 1


def test_hold_out_leaves_the_bulk_of_a_class():
    labels, groups = np.array(["a"] * 22), np.array(["bulk"] * 20 + ["x", "y"])
    for seed in range(9):
        assert hold_out(labels, groups, seed=seed).sum() == 1


images = st.lists(
    st.tuples(st.sampled_from("aaabcd"), st.integers(0, 9)), min_size=2, max_size=40
)


@settings(deadline=None, max_examples=150)
@given(images, st.integers(0, 99), st.randoms())
def test_hold_out_never_takes_all_of_a_class(rows, seed, random):
    labels, groups = (np.array(column, str) for column in zip(*rows, strict=True))
    try:
        held = hold_out(labels, groups, seed=seed)
    except InputError:
        lonely = {g for label in labels for g in lone_groups(labels, groups, label)}
        assert set(groups) == lonely
        return
    assert set(labels[~held]) == set(labels) and held.any()
    assert not set(groups[held]) & set(groups[~held])


def lone_groups(labels, groups, label):
    mine = set(groups[labels == label])
    return mine if len(mine) == 1 else set()


@settings(deadline=None, max_examples=150)
@given(images, st.integers(0, 99), st.randoms())
def test_folds_leave_every_class_in_every_training_part(rows, seed, random):
    labels, groups = (np.array(column, str) for column in zip(*rows, strict=True))
    folds = grouped_folds(labels, groups, seed=seed)
    assert set(folds) - {-1} == set(range(folds.max() + 1))
    assert all(len(set(folds[groups == group])) == 1 for group in groups)
    for fold in range(folds.max() + 1):
        assert set(labels[folds != fold]) == set(labels)
    lonely = {g for label in labels for g in lone_groups(labels, groups, label)}
    assert (folds[np.isin(groups, list(lonely))] == -1).all()
    assert (folds >= 0).any() or set(groups) == lonely
    order = random.sample(range(len(labels)), len(labels))
    shuffled = grouped_folds(labels[order], groups[order], seed=seed)
    assert (shuffled == folds[order]).all()


def test_folds_keep_groups_together():
    labels = np.array(["a", "b"] * 30)
    groups = np.repeat(np.arange(12), 5)
    folds = grouped_folds(labels, groups, seed=1)
    assert set(folds) == set(range(5))
    assert all(len(set(folds[groups == g])) == 1 for g in range(12))


def test_a_rare_class_is_in_fewer_folds_and_a_lone_group_in_none():
    labels = np.array(["a"] * 20 + ["b"] * 2 + ["c"] * 3)
    groups = [f"g{i}" for i in range(22)] + ["only"] * 3
    folds = grouped_folds(labels, groups)
    # 22 groups in 5 folds: 4 or 5 each, the b in two of them
    assert sorted(np.bincount(folds[:22])) == [4, 4, 4, 5, 5]
    assert len(set(folds[20:22])) == 2 and (folds[22:] == -1).all()
    assert (grouped_folds(["a", "b"], ["x", "y"]) == -1).all()
