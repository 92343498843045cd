"""The samples of one split, prepared once for every metric."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from evaluation import metrics
from evaluation.calibration import confidences
from evaluation.intervals import resample_groups
from evaluation.predictions import class_probabilities

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.instance_metrics import Matches
    from evaluation.pixel_metrics import PixelCounts

MAX_WEIGHTS = 8_000_000  # of samples in resamples, held in memory at once


class Draws:
    """How often groups were drawn: `of_groups` `(resamples, groups)`."""

    def __init__(self, of_groups: np.ndarray, groups: np.ndarray):
        self.of_groups = of_groups
        self._groups = groups

    @cached_property
    def of_samples(self) -> np.ndarray:
        """`(resamples, samples)`."""
        return self.of_groups[:, self._groups]


class Judged:
    """Predictions for one split together with their labels.

    Args:
        table: Predictions table, rows of one split.
        classes: Class names.
        normal_class: The class of good parts; None if there is none.
        threshold: A part with a defect score at or above it is rejected; None without
            scores.
        pixels: `pixel_metrics.PixelCounts`, where there are maps and masks.
        matches: `instance_metrics.Matches`, where there are instances.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        *,
        classes: Sequence[str],
        normal_class: str | None,
        threshold: float | None,
        pixels: PixelCounts | None = None,
        matches: Matches | None = None,
    ):
        self.table, self.classes = table, list(classes)
        names, self.groups = np.unique(
            table["group"].to_numpy(str), return_inverse=True
        )
        self.num_groups = len(names)
        self.labels = table["label"].to_numpy(str)
        self.scores = table["defect_score"].to_numpy(np.float64)
        self.is_defect = self.labels != normal_class
        self.rejected = self.scores >= (np.inf if threshold is None else threshold)
        self.pixels, self.matches = pixels, matches

    def groups_of(self, rows: np.ndarray) -> int:
        """How many groups have a sample among the bool `rows`."""
        return len(np.unique(self.groups[rows]))

    @cached_property
    def num_bad_groups(self) -> int:
        return self.groups_of(self.is_defect)

    @cached_property
    def num_good_groups(self) -> int:
        return self.groups_of(~self.is_defect)

    @cached_property
    def groups_per_class(self) -> list[int]:
        """Number of groups of each class; 0 for an absent one."""
        return [self.groups_of(self.labels == name) for name in self.classes]

    @cached_property
    def confusions(self) -> np.ndarray:
        """`(groups, classes, classes)`, see `metrics.group_confusions`."""
        return metrics.group_confusions(
            self.labels, self.table["predicted"], self.groups, self.classes
        )

    @cached_property
    def losses(self) -> np.ndarray:
        """Cross-entropy of each sample."""
        position = {name: index for index, name in enumerate(self.classes)}
        return metrics.cross_entropies(
            class_probabilities(self.table, self.classes),
            np.array([position[label] for label in self.labels]),
        )

    @cached_property
    def confidences(self) -> tuple[np.ndarray, np.ndarray]:
        return confidences(self.table, self.classes)

    def draws(self) -> Iterator[Draws]:
        """Yields `Draws`: each group once, then those of the bootstrap.

        They are yielded in parts that fit into memory.
        """
        drawn = resample_groups(self.num_groups)
        drawn = np.vstack([np.ones((1, self.num_groups), drawn.dtype), drawn])
        rows = max(1, MAX_WEIGHTS // max(len(self.table), self.num_groups))
        for start in range(0, len(drawn), rows):
            yield Draws(drawn[start : start + rows], self.groups)

    def confusion(self, draws: Draws) -> np.ndarray:
        """`(resamples, classes, classes)`."""
        return np.tensordot(draws.of_groups, self.confusions, axes=1)
