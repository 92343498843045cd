"""A leakage test with nearest neighbours in train."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from preprocessing.splitting.series import last_numbers

if TYPE_CHECKING:
    import pandas as pd

    from preprocessing.splitting.near_duplicates import Fingerprint

NUM_STRETCHES = 10  # of each class, by the numbers in names
NUM_RESAMPLES = 1000
UNLIKELY = 0.005  # chance of a warning where groups are apart
MAX_ASKED = 3000  # images on each side; more make the figure no surer
CLEARLY = 0.05  # a smaller lead is no sign, however sure


def neighbour_guess(
    fingerprints: Sequence[Fingerprint], table: pd.DataFrame
) -> dict[str, float | bool] | None:
    """How often a nearest neighbour in train has the right class, and what is usual.

    The accuracy of this nearest-neighbour classifier on the validate and test images is
    compared with its accuracy within train, where the image's own group and the tenth
    of its class around it by file name are left out; for the other images, a random
    tenth is left out. If parts are in more than one split, the accuracy on validate and
    test is much higher.

    Args:
        fingerprints: Fingerprints of each row.
        table: Columns label, group, split, stem and order.

    Returns:
        `{"judged", "held_out", "low", "is_clear"}`: the accuracy on the validate and
        test images, and that in train, weighted to the same class frequencies; the
        lower end of the 99 % interval of the difference, by groups; whether it is a
        sign of leakage. None with one class or nothing to compare.
    """
    labels, splits = table["label"].to_numpy(str), table["split"].to_numpy(str)
    groups = np.unique(table["group"].to_numpy(str), return_inverse=True)[1]
    stretches = _stretches(labels, table["stem"], table["order"].to_numpy())
    train = np.flatnonzero(splits == "train")
    judged = np.flatnonzero((splits == "validate") | (splits == "test"))
    judged = judged[np.isin(labels[judged], labels[train])]
    if len(set(labels[train])) < 2 or not len(judged):
        return None
    looks = np.stack([_look(item.thumbnail) for item in fingerprints])
    judged, asked = _some(judged), _some(train)
    random = np.random.default_rng(0).integers(0, NUM_STRETCHES, len(labels))
    as_many = stretches // NUM_STRETCHES * NUM_STRETCHES + random

    def is_left_out(image):  # a tenth of the class, to be no better off for that
        return stretches[train] == as_many[image]

    def is_kin(image):
        return (groups[train] == groups[image]) | (stretches[train] == stretches[image])

    given = _is_named(looks, labels, judged, train, is_left_out)
    usual = _is_named(looks, labels, asked, train, is_kin)
    leads = _leads(
        (given, labels[judged], groups[judged]),
        (usual, labels[asked], stretches[asked]),
    )
    if leads is None:
        return None
    value, held_out, low = leads
    return {
        "judged": round(float(value), 4),
        "held_out": round(float(held_out), 4),
        "low": round(low, 4),
        "is_clear": bool(low > 0 and value - held_out > CLEARLY),
    }


def _look(thumbnail):
    """The thumbnail normalised by local contrast, so that lighting matters little."""
    grey = thumbnail.astype(np.float32)
    lines = grey - cv2.blur(grey, (9, 9))
    look = (lines / (np.sqrt(cv2.blur(lines * lines, (9, 9))) + 4)).ravel()
    return look / max(np.linalg.norm(look), 1e-9)


def _some(rows):
    if len(rows) <= MAX_ASKED:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, MAX_ASKED, replace=False))


def _stretches(labels, stems, order):
    """Tenths of each class, neighbours by the last number in the name, then by name."""
    numbers, stretches = last_numbers(stems), np.empty(len(labels), int)
    for place, name in enumerate(np.unique(labels)):
        mine = np.flatnonzero(labels == name)
        mine = np.array(sorted(mine, key=lambda row: (numbers[row], order[row])))
        tenths = np.arange(len(mine)) * NUM_STRETCHES // len(mine)
        stretches[mine] = place * NUM_STRETCHES + tenths
    return stretches


def _is_named(looks, labels, asked, train, is_left_out):
    """Whether the most similar train image that is not left out has the same class."""
    known, result = looks[train].T, np.empty(len(asked))
    for start in range(0, len(asked), 500):
        some = asked[start : start + 500]
        alike = looks[some] @ known
        for row, image in enumerate(some):
            alike[row, is_left_out(image)] = -2
        nearest = labels[train][alike.argmax(1)]
        right = (nearest == labels[some]).astype(float)
        right[alike.max(1) == -2] = np.nan
        result[start : start + 500] = right
    return result


def _leads(judged, held_out):
    """The share right of both, classes mixed as among the judged, and the low end."""
    names, counts = np.unique(judged[1], return_counts=True)
    sides = [_by_group(*side, names) for side in (judged, held_out)]
    if any((num.sum(0) == 0).any() for _, num in sides):
        return None
    mix = counts / counts.sum()
    shares = [(right.sum(0) / num.sum(0)) @ mix for right, num in sides]
    random = np.random.default_rng(0)
    drawn = []
    for right, num in sides:
        groups = len(num)
        weights = random.multinomial(groups, np.full(groups, 1 / groups), NUM_RESAMPLES)
        total = weights @ num
        share = (weights @ right) / np.maximum(total, 1)
        drawn.append((share * mix * (total > 0)).sum(1) / ((total > 0) * mix).sum(1))
    return shares[0], shares[1], float(np.quantile(drawn[0] - drawn[1], UNLIKELY))


def _by_group(right, labels, groups, names):
    """Images named right, and images, per group and class."""
    kept = ~np.isnan(right)
    index = np.unique(groups[kept], return_inverse=True)[1]
    place = np.searchsorted(names, labels[kept])
    known = names[np.minimum(place, len(names) - 1)] == labels[kept]
    shape = (index.max() + 1 if len(index) else 0, len(names))
    sums, nums = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, (index[known], place[known]), right[kept][known])
    np.add.at(nums, (index[known], place[known]), 1)
    return sums, nums
