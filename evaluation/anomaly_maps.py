"""Anomaly maps: how they are stored, and how their values are drawn."""

import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from goodparts.arrays import read_arrays
from goodparts.command import InputError

FOLDER = "maps"  # of a run folder
MEAN_RANGE = [0.0, 1.0]  # the range of `mean_map`


class MapWriter:
    """Writes the maps of a run one by one, `maps/<sample_id>.npz` in float16.

    Args:
        run_folder: Folder of the run.

    Attributes:
        paths: By sample_id, the path of its map relative to the run folder.
    """

    def __init__(self, run_folder: str | os.PathLike[str]):
        self.run_folder = Path(run_folder)
        self.paths: dict[str, str] = {}
        # per map: middle and highest value
        self._good: list[tuple[float, float]] = []
        self._others: list[tuple[float, float]] = []

    def write(self, sample_id: str, anomaly_map: np.ndarray, *, is_good: bool) -> None:
        """Writes one map `(height, width)`; `is_good`: of a good part of validate.

        Raises:
            InputError: If a value is not finite, or too large for float16.
        """
        with np.errstate(over="ignore"):  # found below
            small = np.asarray(anomaly_map).astype(np.float16)
        if not np.isfinite(small).all():
            raise InputError(
                f"The anomaly map of {sample_id} has values that are NaN, infinite or "
                "above 65,504. Train again, or scale the maps of this model."
            )
        path = f"{FOLDER}/{sample_id}.npz"
        (self.run_folder / path).parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(self.run_folder / path, map=small)
        self.paths[sample_id] = path
        seen = self._good if is_good else self._others
        seen.append((float(np.median(small)), float(small.max())))

    def range(self) -> list[float]:
        """`[low, high]`, the values drawn without colour and in full colour.

        The low end is the usual value on good parts of validate, and the highest value
        on them is drawn in the middle of the scale: no good part has a stronger colour.
        """
        middles, highest = zip(*(self._good or self._others), strict=True)
        low = float(np.median(middles))
        return [low, low + 2 * max(max(highest) - low, 1e-6)]


def read_map(path: str | os.PathLike[str]) -> np.ndarray:
    """The map of an `.npz` file that `MapWriter` wrote, float32 `(height, width)`.

    Raises:
        InputError: If the file is missing or damaged.
    """
    found = read_arrays(path, "map")["map"].astype(np.float32)
    if found.ndim != 2 or not found.size or not np.isfinite(found).all():
        raise InputError(
            f"{path} is not a finite anomaly map with two dimensions: its shape is "
            f"{found.shape}. Restore it from a copy, or train again."
        )
    return found


def heat(anomaly_map: np.ndarray, map_range: Sequence[float]) -> np.ndarray:
    """Scales a map to colour intensities, float32 `(height, width)` in `[0, 1]`."""
    return np.clip(_scaled(anomaly_map, map_range), 0, 1)


def mean_map(
    maps: Sequence[np.ndarray], map_ranges: Sequence[Sequence[float]]
) -> np.ndarray:
    """The mean of the maps of several models, each scaled by its own range.

    Args:
        maps: `(height, width)` each, of any size; the mean has the largest size.
        map_ranges: Map ranges of each, see `MapWriter.range`; that of the mean is
            MEAN_RANGE.
    """
    height, width = max((each.shape for each in maps), key=np.prod)
    scaled = [
        cv2.resize(_scaled(each, span), (width, height))
        for each, span in zip(maps, map_ranges, strict=True)
    ]
    return np.mean(scaled, axis=0)


def _scaled(anomaly_map, map_range):
    low, high = map_range
    return (np.asarray(anomaly_map, np.float32) - low) / (high - low)
