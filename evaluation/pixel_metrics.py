"""Pixel metrics: anomaly maps compared with the masks of defects.

Pixels are counted in NUM_BINS bins of map values, image by image, so that memory does
not grow with the number of images and a resample is a sum. Values in the same bin are
ties; bins of higher values contain fewer pixels, because defects have few pixels.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from evaluation.anomaly_maps import read_map
from evaluation.metrics import ratio
from preprocessing.images import image_size
from preprocessing.instances import read_truth_mask

if TYPE_CHECKING:
    import pandas as pd

    from preprocessing.manifest import Dataset

NUM_BINS = 2000
SAMPLED = 1024  # values of each map by which the bins are laid, and its highest
RAREST = 1e-6  # share of the values above the last edge
MAX_SIDE = 1024  # pixels; larger images are compared at this size
MAX_FALSE_POSITIVE_RATE = 0.3  # of AUPRO


class PixelCounts(NamedTuple):
    """Pixels of the images of each group by map value, the highest bin first.

    Attributes:
        normal: Pixels without a defect, `(groups, bins)`.
        defective: Pixels of defects, `(groups, bins)`.
        overlaps: For each bin the shares of the defect regions it covers, summed over
            the regions, `(groups, bins)`.
        num_regions: Connected defects, `(groups,)`.
    """

    normal: np.ndarray
    defective: np.ndarray
    overlaps: np.ndarray
    num_regions: np.ndarray

    @property
    def num_groups_with_defects(self) -> int:
        return int((self.num_regions > 0).sum())


def count_pixels(
    run_folder: str | os.PathLike[str],
    dataset: Dataset,
    table: pd.DataFrame,
    *,
    normal_class: str | None,
) -> PixelCounts | None:
    """Counts the pixels of the maps of a split against its masks.

    Good parts have no defective pixels; parts of another class without a mask are left
    out, because the position of their defect is unknown.

    Args:
        run_folder: With the maps.
        dataset: With images and masks.
        table: Predictions table of one split with `map_path`.
        normal_class: The class of good parts.

    Returns:
        `PixelCounts` of the groups in alphabetical order, or None without any mask.
    """
    rows = dataset.manifest.set_index("sample_id")
    table = table.assign(
        path=rows["path"].reindex(table["sample_id"]).to_numpy(),
        mask_path=rows["mask_path"].reindex(table["sample_id"]).to_numpy(),
    )
    names, groups = np.unique(table["group"].to_numpy(str), return_inverse=True)
    if not (table["mask_path"].fillna("") != "").any():
        return None
    paths = [Path(run_folder) / path for path in table["map_path"]]
    edges = _edges(read_map(path) for path in paths)
    shape = (len(names), NUM_BINS)
    normal, defective, overlaps = (np.zeros(shape, np.float32) for _ in range(3))
    num_regions = np.zeros(len(names), np.int64)
    for group, path, row in zip(groups, paths, table.itertuples(), strict=True):
        truth = _truth(dataset.folder, row, normal_class)
        if truth is None:
            continue
        size = truth.shape[::-1]
        values = cv2.resize(read_map(path), size, interpolation=cv2.INTER_LINEAR)
        bins = NUM_BINS - 1 - np.searchsorted(edges, values, side="right")
        normal[group] += np.bincount(bins[~truth], minlength=NUM_BINS)
        if truth.any():
            defective[group] += np.bincount(bins[truth], minlength=NUM_BINS)
            count, regions = cv2.connectedComponents(truth.astype(np.uint8))
            num_regions[group] += count - 1
            for region in range(1, count):
                covered = np.bincount(bins[regions == region], minlength=NUM_BINS)
                overlaps[group] += covered / covered.sum()
    return PixelCounts(normal, defective, overlaps, num_regions)


def _edges(maps):
    """Edges of the bins, ascending: quantiles of the map values."""
    drawn = []
    for each in maps:
        values = np.sort(each, axis=None)
        places = np.linspace(0, values.size - 1, SAMPLED).astype(int)
        drawn += [values[places], values[-SAMPLED // 8 :]]
    shares = 1 - np.geomspace(1, RAREST, NUM_BINS - 1)
    return np.quantile(np.concatenate(drawn), shares)


def _truth(folder, row, normal_class):
    """The mask of a row at the size used for comparison; None if there is none."""
    if not isinstance(row.path, str):
        return None
    size = image_size(folder / row.path)
    if row.mask_path:
        mask = read_truth_mask(folder, row.mask_path, size)
    elif row.label == normal_class:
        mask = np.zeros(size, bool)
    else:
        return None
    scale = MAX_SIDE / max(size)
    if scale >= 1:
        return mask
    width, height = (max(1, round(side * scale)) for side in size[::-1])
    covered = cv2.resize(
        mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA
    )
    return covered > 0  # a scratch of one pixel stays


def auroc(counts: PixelCounts, draws: np.ndarray) -> np.ndarray:
    """Probability that a defective pixel has a higher value than another pixel.

    Args:
        counts: As `count_pixels` returns them.
        draws: `(resamples, groups)`, how often each group was drawn.

    Returns:
        `(resamples,)`; NaN without pixels of either kind.
    """
    normal, defective = draws @ counts.normal, draws @ counts.defective
    above = np.cumsum(defective, axis=1) - defective / 2
    pairs = normal.sum(1) * defective.sum(1)
    return ratio((normal * above).sum(1), pairs)


def average_precision(counts: PixelCounts, draws: np.ndarray) -> np.ndarray:
    """Area under the precision-recall curve of pixels, by steps; see `auroc`."""
    normal, defective = draws @ counts.normal, draws @ counts.defective
    hits = np.cumsum(defective, axis=1)
    precision = ratio(hits, hits + np.cumsum(normal, axis=1))
    gained = np.nan_to_num(precision) * defective
    return ratio(gained.sum(1), defective.sum(1))


def aupro(counts: PixelCounts, draws: np.ndarray) -> np.ndarray:
    """Area under the per-region overlap curve up to 30 % false positives, normalised.

    Every connected defect region has the same weight, whatever its size. See `auroc`
    for the arguments.

    Reference:
        Bergmann et al., The MVTec Anomaly Detection Dataset, IJCV 2021.
    """
    normal, overlaps = draws @ counts.normal, draws @ counts.overlaps
    false = ratio(np.cumsum(normal, axis=1), normal.sum(1, keepdims=True))
    regions = (draws @ counts.num_regions).astype(np.float64)
    found = ratio(np.cumsum(overlaps, axis=1), regions[:, None])
    areas = np.full(len(false), np.nan)
    for index, (rates, shares) in enumerate(zip(false, found, strict=True)):
        if np.isnan(rates[-1]) or np.isnan(shares[-1]):
            continue
        rates, shares = np.r_[0, rates], np.r_[0, shares]
        inside = rates < MAX_FALSE_POSITIVE_RATE
        end = np.interp(MAX_FALSE_POSITIVE_RATE, rates, shares)
        areas[index] = np.trapezoid(
            np.r_[shares[inside], end], np.r_[rates[inside], MAX_FALSE_POSITIVE_RATE]
        )
    return areas / MAX_FALSE_POSITIVE_RATE
