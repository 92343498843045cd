"""Metrics of found instances: average precision, and figures at the score thresholds.

With the thresholds an instance is found if it overlaps a true one of its class by at
least MIN_IOU, by masks if both sides have masks, or else by boxes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from evaluation.average_precision import (
    AT,
    Ranking,
    mean_over_classes,
    precisions,
    rank,
)
from evaluation.instance_pairs import Pairing, match, same_class
from evaluation.metrics import ratio

MIN_IOU = 0.5  # from here on an instance is found
FALSE_ALARM, MISSED = "false alarm", "missed"  # last row and column of the confusions


class Outcome(NamedTuple):
    """What became of the instances of one image at the score thresholds.

    Attributes:
        pairing: The image.
        kept: Indices of the found instances at or above their threshold.
        partners: For each of these the index of the true instance, or -1 for a false
            alarm; the classes may differ.
        ious: Its intersection over union with that one; 0 for a false alarm.
    """

    pairing: Pairing
    kept: np.ndarray
    partners: np.ndarray
    ious: np.ndarray

    @property
    def is_right(self) -> np.ndarray:
        """Bool, for each of `kept`: whether it has a partner of its class."""
        found, true = self.pairing.found, self.pairing.true
        if not true.labels.size:
            return np.zeros(len(self.kept), bool)
        is_same = found.labels[self.kept] == true.labels[self.partners]
        return (self.partners >= 0) & is_same

    @property
    def missed(self) -> np.ndarray:
        """Indices of the true instances without a partner."""
        return np.setdiff1d(np.arange(len(self.pairing.true.labels)), self.partners)


class Counts(NamedTuple):
    """Sums over the images of each group, `(groups,)`.

    Attributes:
        num_images: Images.
        num_true: True instances.
        num_right: Those that were found.
        num_false: Found instances that match no true one of their class.
        total_iou: Sum of the IoU of the right ones.
        total_area_error: Sum of |area - true area| / true area of the right ones.
    """

    num_images: np.ndarray
    num_true: np.ndarray
    num_right: np.ndarray
    num_false: np.ndarray
    total_iou: np.ndarray
    total_area_error: np.ndarray


class Matches:
    """The instances of one split, prepared once for every metric.

    Args:
        pairings: The instances of each image.
        num_groups: Number of groups.
        scores: Score threshold of each class; instances below it count as not found,
            except for the average precision. None for none.
    """

    def __init__(
        self,
        pairings: Sequence[Pairing],
        num_groups: int,
        scores: Mapping[str, float] | None = None,
    ):
        self.pairings, self.num_groups = list(pairings), num_groups
        self.scores = dict(scores or {})
        self._precisions: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.has_masks = all("mask" in each.ious for each in self.pairings)
        self.kind = "mask" if self.has_masks else "box"
        found, true = (
            {
                str(label)
                for each in self.pairings
                for label in getattr(each, side).labels
            }
            for side in ("found", "true")
        )
        self.true_classes = sorted(true)
        self.classes = sorted(true | found)

    @cached_property
    def outcomes(self) -> list[Outcome]:
        """An `Outcome` of each image."""
        return [judge_image(each, self.kind, self.scores) for each in self.pairings]

    @cached_property
    def rankings(self) -> dict[str, dict[str, Ranking]]:
        """For "box" and, with masks, "mask": the `Ranking` of each true class."""
        return {
            kind: rank(self.pairings, kind, self.true_classes, self.num_groups)
            for kind in ("box", *(["mask"] if self.has_masks else []))
        }

    def precisions(self, kind: str, draws: np.ndarray) -> np.ndarray:
        """The average precision of each class, `(classes, resamples, thresholds)`.

        The values for the latest `draws` are kept, because several metrics read them.

        Args:
            kind: "box" or "mask".
            draws: See `average_precision.precisions`.
        """
        latest, values = self._precisions.get(kind, (None, None))
        if latest is not draws or values is None:
            every = [precisions(each, draws) for each in self.rankings[kind].values()]
            values = np.stack(every)
            self._precisions[kind] = draws, values
        return values

    @cached_property
    def counts(self) -> Counts:
        """Of all classes together."""
        return self.counts_of(None)

    def counts_of(self, label: str | None) -> Counts:
        """The `Counts` of one class; of all for None."""
        sums = np.zeros((len(Counts._fields), self.num_groups))
        for each in self.outcomes:
            found, true = each.pairing.found, each.pairing.true
            own = np.ones(len(each.kept), bool)
            num_true = len(true.labels)
            if label is not None:
                own = found.labels[each.kept] == label
                num_true = (true.labels == label).sum()
            right = own & each.is_right
            areas = np.maximum(true.areas[each.partners[right]], 1)
            errors = np.abs(found.areas[each.kept[right]] - areas) / areas
            sums[:, each.pairing.group] += (
                1,
                num_true,
                right.sum(),
                (own & ~right).sum(),
                each.ious[right].sum(),
                errors.sum(),
            )
        return Counts(*sums)

    @cached_property
    def confusions(self) -> np.ndarray:
        """Counts `(groups, classes + 1, classes + 1)` of (true, found) classes.

        The last row are false alarms, the last column missed instances.
        """
        place = {name: index for index, name in enumerate(self.classes)}
        last = len(place)
        counts = np.zeros((self.num_groups, last + 1, last + 1), np.int64)
        for each in self.outcomes:
            found, true = each.pairing.found, each.pairing.true
            for index, partner in zip(each.kept, each.partners, strict=True):
                row = last if partner < 0 else place[true.labels[partner]]
                counts[each.pairing.group, row, place[found.labels[index]]] += 1
            for index in each.missed:
                counts[each.pairing.group, place[true.labels[index]], last] += 1
        return counts

    @property
    def num_groups_with_defects(self) -> int:
        return int((self.counts.num_true > 0).sum())

    @cached_property
    def groups_per_class(self) -> list[int]:
        """Number of groups with true instances of each of `true_classes`."""
        rankings = self.rankings["box"].values()
        return [int((each.num_true > 0).sum()) for each in rankings]


def judge_image(pairing: Pairing, kind: str, scores: Mapping[str, float]) -> Outcome:
    """Matches the instances of an image at or above their score thresholds.

    They are first matched within their class, then what is left across classes.

    Args:
        pairing: The image.
        kind: "box" or "mask".
        scores: Score threshold of each class; 0 for a class that is missing.
    """
    found = pairing.found
    least = np.array([scores.get(label, 0.0) for label in found.labels])
    kept = np.flatnonzero(found.scores >= least)
    ious, same = pairing.ious[kind][kept], same_class(pairing)[kept]
    partners = match(ious, same, [MIN_IOU])[:, 0]
    is_open = (partners < 0)[:, None] & ~np.isin(np.arange(ious.shape[1]), partners)
    others = match(ious, is_open, [MIN_IOU])[:, 0]
    partners = np.where(partners < 0, others, partners)
    values = np.zeros(len(kept))
    values[partners >= 0] = ious[partners >= 0, partners[partners >= 0]]
    return Outcome(pairing, kept, partners, values)


def mean_precision(
    kind: str, at: str, matches: Matches, draws: np.ndarray
) -> np.ndarray:
    """COCO's average precision: the mean over the classes with true instances.

    Args:
        kind: "box" or "mask".
        at: A key of `average_precision.AT`.
        matches: The instances.
        draws: `(resamples, groups)`, how often each group was drawn.
    """
    if not matches.true_classes:
        return np.full(len(draws), np.nan)
    values = matches.precisions(kind, draws)[:, :, AT[at]]
    return mean_over_classes(values.mean(axis=2))


def detection_rate(counts: Counts, draws: np.ndarray) -> np.ndarray:
    """Fraction of true instances that were found, for draws `(resamples, groups)`."""
    return ratio(draws @ counts.num_right, draws @ counts.num_true)


def false_alarms_per_image(counts: Counts, draws: np.ndarray) -> np.ndarray:
    """Number of found instances per image that match no true one of their class."""
    return ratio(draws @ counts.num_false, draws @ counts.num_images)


def mean_iou(counts: Counts, draws: np.ndarray) -> np.ndarray:
    """Mean intersection over union of the instances that were found."""
    return ratio(draws @ counts.total_iou, draws @ counts.num_right)


def area_error(counts: Counts, draws: np.ndarray) -> np.ndarray:
    """Mean relative error of the areas of the instances that were found."""
    return ratio(draws @ counts.total_area_error, draws @ counts.num_right)


def accuracy(matches: Matches, draws: np.ndarray) -> np.ndarray:
    """Right instances among all true ones and false alarms."""
    every = matches.confusions
    right = np.trace(every, axis1=1, axis2=2)  # no instance is missed and a false alarm
    return ratio(draws @ right, draws @ every.sum((1, 2)))
