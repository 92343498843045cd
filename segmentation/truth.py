"""The training images with their instances, on the canvas."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from goodparts.command import InputError, command_line, progress
from preprocessing.augmenting.augmentation import Augmentation, augment
from preprocessing.datasets import memory_budget
from preprocessing.images import image_size, image_threads, read_image, resize
from preprocessing.instances import Instance, instance_mask, read_instances
from preprocessing.manifest import Dataset, is_copy
from segmentation.canvas import size_on_canvas

if TYPE_CHECKING:
    import pandas as pd

LEAST_SIDE = 1.0  # pixels of the canvas that an instance needs in both directions


class Truth(NamedTuple):
    """An image as it lies on the canvas, and what is defective in it.

    Attributes:
        image: uint8 RGB `(height, width, 3)`, not filled up to the canvas.
        labels: Number of the class of each instance, from 1, int32 `(n,)`.
        masks: Bool `(n, height, width)`.
        has_outline: Whether its mask is known, or only its box, bool `(n,)`.
    """

    image: np.ndarray
    labels: np.ndarray
    masks: np.ndarray
    has_outline: np.ndarray

    def boxes(self) -> np.ndarray:
        """The boxes of the masks, float32 `(n, 4)`; no mask is empty."""
        return np.array([_box_of(mask) for mask in self.masks], np.float32).reshape(
            -1, 4
        )


def _box_of(mask):
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return x, y, x + width, y + height


class TrainingRows(NamedTuple):
    """The images of `train` that can be learnt from.

    Attributes:
        rows: Of the manifest, originals only.
        instances: Of each row.
        labels: Names of the defect classes, sorted.
    """

    rows: pd.DataFrame
    instances: list[list[Instance]]
    labels: list[str]


def training_rows(dataset: Dataset) -> TrainingRows:
    """The originals of `train` with their instances; good parts have none.

    Images of a defect class without an instance are left out, since it is not known
    where their defect is; a line says so, and names labels that are no class.

    Raises:
        InputError: If there is no class of good parts, or no instance with an outline.
    """
    if dataset.normal_class is None:
        raise InputError(
            f"{dataset.folder} has classes only, but mask_rcnn has to know which "
            "images show no defect. Make the data set again with --normal-class."
        )
    rows = dataset.rows("train")
    rows = rows[~is_copy(rows)].reset_index(drop=True)
    known = read_instances(dataset.folder / "instances.json")
    found = [
        [x for x in known.get(sample, []) if x["label"] != dataset.normal_class]
        for sample in rows["sample_id"]
    ]
    labels = sorted({each["label"] for part in found for each in part})
    if not any(each["polygons"] for part in found for each in part):
        what = "only boxes" if labels else "no instances"
        raise InputError(
            f"The train split of {dataset.folder} has {what}, but mask_rcnn learns "
            "from outlines of defects. Give masks, or annotations with polygons, and "
            f"run {command_line('folders')} again."
        )
    is_good = (rows["label"] == dataset.normal_class).to_numpy()
    is_usable = is_good | np.array([bool(part) for part in found])
    _tell_of(dataset, labels, int((~is_usable).sum()))
    instances = [part for part, usable in zip(found, is_usable, strict=True) if usable]
    return TrainingRows(rows[is_usable].reset_index(drop=True), instances, labels)


def _tell_of(dataset, labels, num_left_out):
    if num_left_out:
        print(
            f"{num_left_out} images of train have a defect, but no instance of it: "
            "they are left out, because the position of their defects is unknown"
        )
    unknown = [label for label in labels if label not in dataset.classes]
    if unknown:
        print(
            f"instances are labelled {', '.join(unknown)}, which is no class of the "
            "images: it is learnt as a class of instances"
        )
    lacking = set(dataset.classes) - {dataset.normal_class, *labels}
    if lacking:
        print(
            f"train has no instance of {', '.join(sorted(lacking))}: it cannot be found"
        )


def box_sides(
    dataset: Dataset, training: TrainingRows, canvas: tuple[int, int]
) -> np.ndarray:
    """Width and height of all boxes of train in pixels of the canvas, `(n, 2)`."""
    sides = []
    for path, instances in zip(training.rows["path"], training.instances, strict=True):
        if instances:
            size = image_size(dataset.folder / path)
            down, across = np.divide(size_on_canvas(size, canvas), size)
            sides += [
                (each["bbox"][2] * across, each["bbox"][3] * down) for each in instances
            ]
    return np.array(sides).reshape(-1, 2)


def read_truth(
    path: Path,
    instances: Sequence[Instance],
    labels: Sequence[str],
    canvas: tuple[int, int],
) -> Truth:
    """Reads an image and its instances at the size that they have on the canvas.

    Instances that are smaller there than LEAST_SIDE, or without a pixel, are dropped.
    """
    image = read_image(path)
    size = size_on_canvas(image.shape[:2], canvas)
    found = []
    for each in instances:
        mask = _shrunk(instance_mask(each, image.shape[:2]), size)
        _, _, width, height = each["bbox"]
        is_large = (
            min(width * size[1] / image.shape[1], height * size[0] / image.shape[0])
            >= LEAST_SIDE
        )
        if is_large and mask.any():
            found.append(
                (labels.index(each["label"]) + 1, mask, bool(each["polygons"]))
            )
    numbers, masks, has_outline = zip(*found, strict=True) if found else ((), (), ())
    return Truth(
        resize(image, size),
        np.array(numbers, np.int32),
        np.array(masks, bool).reshape(-1, *size),
        np.array(has_outline, bool),
    )


def _shrunk(mask, size):
    """A mask at another size: where it covers half of a pixel or more."""
    if mask.shape == size:
        return mask
    return resize(mask.astype(np.uint8) * 255, size) >= 128


class TruthStore:
    """The `Truth` of every training row by its position, kept in memory if they fit.

    Args:
        dataset: The data set.
        training: See `training_rows`.
        canvas: `(height, width)`.
    """

    def __init__(
        self, dataset: Dataset, training: TrainingRows, canvas: tuple[int, int]
    ):
        self.canvas, self.labels = canvas, training.labels
        self._paths = [dataset.folder / path for path in training.rows["path"]]
        self._instances = training.instances
        self._kept: list[Truth] | None = None
        planes = sum(3 + len(part) for part in self._instances)
        if planes * canvas[0] * canvas[1] <= memory_budget() * 2**20:
            with image_threads() as pool:
                read = pool.map(self._read, range(len(self._paths)))
                self._kept = list(progress(read, "decoding", len(self._paths)))

    def __len__(self) -> int:
        return len(self._paths)

    @property
    def most_instances(self) -> int:
        """The largest number of instances in an image, at least 1."""
        return max(1, *(len(part) for part in self._instances))

    def get(self, index: int) -> Truth:
        """The truth of a training row; do not change it."""
        return self._read(index) if self._kept is None else self._kept[index]

    def num_dropped(self) -> int | None:
        """Instances that were dropped as too small; None if not all are in memory."""
        if self._kept is None:
            return None
        number = sum(len(part) for part in self._instances)
        return number - sum(len(truth.labels) for truth in self._kept)

    def _read(self, index):
        return read_truth(
            self._paths[index], self._instances[index], self.labels, self.canvas
        )


def augmented(truth: Truth, augmentation: Augmentation, seed: int) -> Truth:
    """A truth with its image changed and its masks moved with it.

    Instances that leave the image are dropped.
    """
    image, masks = augment(augmentation, truth.image, list(truth.masks), seed)
    is_there = np.array([mask.any() for mask in masks], bool)
    moved = np.array(masks, bool).reshape(-1, *image.shape[:2])
    return Truth(
        image,
        truth.labels[is_there],
        moved[is_there],
        truth.has_outline[is_there],
    )
