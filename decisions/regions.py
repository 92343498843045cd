"""Connected regions of anomaly maps, and the smallest that counts as a defect.

A part is defective if its map has a region of values at or above a threshold that
covers at least a least area. Both are chosen together on `validate`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import cv2
import numpy as np

from evaluation.thresholds import MAX_FALSE_REJECT_RATE

NUM_THRESHOLDS, NUM_AREAS = 60, 40
LOW = 0.9  # quantile of the values of good maps, the lowest threshold that is tried
AREAS = (1e-5, 0.1)  # the least areas that are tried, shares of the image
USUAL_AREA = 5e-4  # where validate has no defective parts to choose by


class Regions(NamedTuple):
    """The regions in the maps of some images.

    Attributes:
        thresholds: `(thresholds,)`, rising.
        areas: For each image and threshold the areas of its regions, as shares of the
            image.
    """

    thresholds: np.ndarray
    areas: list[list[np.ndarray]]

    @property
    def largest(self) -> np.ndarray:
        """The area of the largest region, `(images, thresholds)`; 0 for none."""
        return np.array([[each.max(initial=0) for each in row] for row in self.areas])


class RegionRule(NamedTuple):
    """When a part is rejected.

    Attributes:
        threshold: Of map values.
        least_area: Of a region, a share of the image.
    """

    threshold: float
    least_area: float


class Choice(NamedTuple):
    """A rule and what it was chosen from.

    Attributes:
        rule: The rule.
        place: Its position in the table, `(threshold, area)`.
        areas: `(areas,)`, the least areas that were tried.
        scores: `(thresholds, areas)`, see `choose_rule`.
        reason: How it was chosen, a sentence.
    """

    rule: RegionRule
    place: tuple[int, int]
    areas: np.ndarray
    scores: np.ndarray
    reason: str


def find_regions(maps: Iterable[np.ndarray], thresholds: np.ndarray) -> Regions:
    """Finds the regions of maps `(height, width)` at each threshold."""
    areas = [[region_areas(each, line) for line in thresholds] for each in maps]
    return Regions(np.asarray(thresholds, np.float64), areas)


def region_areas(anomaly_map: np.ndarray, threshold: float) -> np.ndarray:
    """The areas of the connected regions at or above a threshold, shares of the map.

    Regions that touch the border count: a defect may lie there.
    """
    above = (anomaly_map >= threshold).astype(np.uint8)
    _, _, found, _ = cv2.connectedComponentsWithStats(above, connectivity=8)
    return found[1:, cv2.CC_STAT_AREA] / above.size


def region_mask(anomaly_map: np.ndarray, rule: RegionRule) -> np.ndarray:
    """Bool `(height, width)`: the regions for which a part is rejected."""
    above = (anomaly_map >= rule.threshold).astype(np.uint8)
    _, labels, found, _ = cv2.connectedComponentsWithStats(above, connectivity=8)
    counts = found[:, cv2.CC_STAT_AREA] >= rule.least_area * above.size
    counts[0] = False
    return counts[labels]


def choose_thresholds(maps: Iterable[np.ndarray], is_defect: np.ndarray) -> np.ndarray:
    """The thresholds to try: from usual values of good parts to above the highest.

    Maps with one value alone do not count: they are of images that cannot be judged.

    Args:
        maps: `(height, width)` each.
        is_defect: Bool `(maps,)`.
    """
    usual, highest = [], []
    for each, is_bad in zip(maps, is_defect, strict=True):
        if each.min() == each.max():
            continue
        highest.append(float(each.max()))
        if not is_bad:
            usual.append(float(np.quantile(each, LOW)))
    low, high = float(np.median(usual or [0.0])), max(highest, default=1.0)
    step = max(high - low, 1e-6) / (NUM_THRESHOLDS - 2)
    return low + step * np.arange(NUM_THRESHOLDS)


def choose_rule(regions: Regions, is_defect: np.ndarray) -> Choice:
    """Chooses threshold and least area together; use it on `validate` only.

    The score of a pair is the mean of the shares of defective parts rejected and of
    good parts accepted; without defective parts it is the latter alone, and the area is
    USUAL_AREA. Of the best pairs, one in the middle is chosen.

    Args:
        regions: Of all parts.
        is_defect: Bool `(images,)`.
    """
    areas = np.geomspace(*AREAS, NUM_AREAS)
    rejected = regions.largest[:, :, None] >= areas
    accepted_goods = 1 - rejected[~is_defect].mean(axis=0)
    if not is_defect.any():
        column = int(np.argmin(np.abs(np.log(areas / USUAL_AREA))))
        fits = accepted_goods[:, column] >= 1 - MAX_FALSE_REJECT_RATE
        row = int(fits.argmax()) if fits.any() else len(fits) - 1
        scores = accepted_goods
        reason = (
            "validate has no defective parts: the area is the usual one, and the "
            f"threshold the lowest that rejects at most {MAX_FALSE_REJECT_RATE:.0%} "
            "of its good parts"
        )
    else:
        scores = (rejected[is_defect].mean(axis=0) + accepted_goods) / 2
        row, column = _middle_of(scores >= scores.max() - 1e-9)
        reason = (
            "the middle of the pairs with the highest mean of defective parts "
            "rejected and good parts accepted, on validate"
        )
    rule = RegionRule(float(regions.thresholds[row]), float(areas[column]))
    return Choice(rule, (row, column), areas, scores, reason)


def _middle_of(is_best):
    """The place that is farthest from where it is False, and from the edges."""
    framed = np.pad(is_best, 1).astype(np.uint8)
    depth = cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[
        1:-1, 1:-1
    ]
    row, column = np.unravel_index(depth.argmax(), depth.shape)
    return int(row), int(column)


def rejects(anomaly_map: np.ndarray, rule: RegionRule) -> bool:
    """Whether a part with this map is rejected."""
    found = region_areas(anomaly_map, rule.threshold)
    return bool(found.max(initial=0) >= rule.least_area)


def as_json(choice: Choice) -> dict[str, Any]:
    """A choice for a JSON file."""
    return {
        "threshold": choice.rule.threshold,
        "least_area": choice.rule.least_area,
        "score_on_validate": float(choice.scores[choice.place]),
        "reason": choice.reason,
    }
