"""What is learnt of the features of good parts, one image after the other.

Memory is bounded whatever the number of images.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anomaly.coreset import k_centre
from anomaly.gaussian import Gaussian
from anomaly.memory_bank import MemoryBank, places
from goodparts.command import InputError

MAX_PATCHES = 60_000  # of all good parts, that the bank is chosen from
PLACE = 5.0  # weight of the place, in lengths of a feature vector
SHRINKAGE = 0.01  # of a covariance towards that of independent features
POOLED = 1  # cells to each side whose features count for the one between


class BankLearner:
    """Keeps patches drawn by chance, then those that represent them best.

    Args:
        num_images: That will come.
        layers: Channels of each layer in the features.
        bank_size: Patches to keep.
        has_place: Whether the place of a patch counts, as for parts in one pose.
        seed: Of the draws.

    Attributes:
        origins: `(n, 2)`, for each patch that `learnt` keeps, which of the images it
            comes from, counted from 0, and its cell there.
    """

    def __init__(
        self,
        num_images: int,
        layers: Sequence[int],
        bank_size: int,
        *,
        has_place: bool,
        seed: int,
    ):
        self._layers = list(layers)
        self._quota = -(-MAX_PATCHES // num_images)
        self._bank_size, self._has_place, self._seed = bank_size, has_place, seed
        self._random = np.random.default_rng(seed)
        self._values: list[np.ndarray] = []
        self._places: list[np.ndarray] = []
        self._origins: list[np.ndarray] = []
        self.origins = np.empty((0, 2), int)

    def add(self, features: np.ndarray, is_part: np.ndarray) -> None:
        cells = self._random.permutation(np.flatnonzero(is_part))[: self._quota]
        number = np.full(len(cells), len(self._origins))
        self._origins.append(np.stack([number, cells], axis=1))
        self._values.append(features.reshape(-1, features.shape[2])[cells])
        self._places.append(places(*is_part.shape)[cells])

    def learnt(self) -> MemoryBank:
        values = np.concatenate(self._values).astype(np.float64)
        power = (values**2).mean(axis=0)
        parts = np.split(power, np.cumsum(self._layers)[:-1])
        norms = [max(np.sqrt(part.sum()), 1e-6) for part in parts]
        scale = np.repeat(norms, self._layers)
        mean = values.mean(axis=0)
        normed = (values - mean) / scale
        place = PLACE * np.sqrt((normed**2).sum(axis=1).mean()) * self._has_place
        where = np.concatenate(self._places) * place
        patches = np.concatenate([normed, where], axis=1).astype(np.float32)
        chosen = k_centre(patches, self._bank_size, seed=self._seed)
        self.origins = np.concatenate(self._origins)[chosen]
        return MemoryBank(
            patches[chosen],
            mean.astype(np.float32),
            scale.astype(np.float32),
            np.asarray(place, np.float32),
        )


class GaussianLearner:
    """Adds up what a mean and a covariance at each place need."""

    def __init__(self):
        self._count, self._sum, self._products = 0, 0.0, 0.0

    def add(self, features: np.ndarray, is_part: np.ndarray) -> None:
        values = features.astype(np.float64)
        self._count += 1
        self._sum = self._sum + values
        self._products = self._products + values[..., :, None] * values[..., None, :]

    def learnt(self) -> Gaussian:
        if self._count < 2:
            raise InputError("A Gaussian needs two good images of train or more.")
        mean = self._sum / self._count
        products = self._products / self._count
        pooled_mean, pooled = _pooled(mean), _pooled(products)
        covariance = pooled - pooled_mean[..., :, None] * pooled_mean[..., None, :]
        num_channels = mean.shape[2]
        level = np.trace(covariance, axis1=2, axis2=3) / num_channels
        level = np.maximum(level, 1e-6)[..., None, None]
        covariance = (1 - SHRINKAGE) * covariance
        covariance += SHRINKAGE * level * np.eye(num_channels)
        whitening = np.linalg.inv(np.linalg.cholesky(covariance))
        return Gaussian(
            pooled_mean.astype(np.float32), np.tril(whitening).astype(np.float32)
        )


def _pooled(values):
    """The mean over a cell and its neighbours, of those that are there."""
    rows, columns = values.shape[:2]
    found = np.zeros_like(values)
    for row in range(rows):
        for column in range(columns):
            window = values[
                max(0, row - POOLED) : row + POOLED + 1,
                max(0, column - POOLED) : column + POOLED + 1,
            ]
            found[row, column] = window.mean(axis=(0, 1))
    return found
