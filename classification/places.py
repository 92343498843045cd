"""Where the defects of train are, as masks show it: taught beside the labels.

A label says that something is wrong, and a network has to find out what from a few
hundred images. A mask says which pixels it is, so that every position of the maps is an
example of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from classification.batches import Targets
from networks.epochs import Batch, Batches, order
from networks.quiet_keras import keras
from preprocessing.augmenting.augmentation import Augmentation, augment
from preprocessing.datasets import ImageStore, seeded_batches
from preprocessing.images import image_size as size_of
from preprocessing.instances import read_truth_mask
from preprocessing.manifest import Dataset

if TYPE_CHECKING:
    import pandas as pd

WEIGHT = 2.0  # of this loss beside that of the labels
CLEARLY = 0.25  # of the mask's largest share of a cell


class Places(NamedTuple):
    """Where the defects of some images are.

    Attributes:
        masks: By position among the images, bool `(height, width)`.
        labels: Index of the class of each image, `(images,)`.
        normal: Index of the class of good parts.
        num_classes: Number of classes.
    """

    masks: dict[int, np.ndarray]
    labels: np.ndarray
    normal: int
    num_classes: int


def read_places(
    dataset: Dataset, rows: pd.DataFrame, image_size: tuple[int, int]
) -> Places | None:
    """Reads the masks of defects; None if the data set has none.

    Args:
        dataset: Data set of the rows.
        rows: Manifest rows.
        image_size: `(height, width)` to resize the masks to.
    """
    masked = np.flatnonzero((rows["mask_path"] != "").to_numpy())
    if len(masked) == 0 or dataset.normal_class is None:
        return None
    masks = {}
    for index in masked:
        row = rows.iloc[index]
        if row["label"] == dataset.normal_class:
            continue
        size = size_of(dataset.folder / row["path"])
        mask = read_truth_mask(dataset.folder, row["mask_path"], size)
        masks[int(index)] = _share(mask, image_size) > 0
    labels = np.searchsorted(dataset.classes, rows["label"].to_numpy(str))
    normal = dataset.classes.index(dataset.normal_class)
    return Places(masks, labels, normal, len(dataset.classes))


def cell_targets(
    mask: np.ndarray | None, label: int, places: Places, grid: tuple[int, int]
) -> np.ndarray:
    """The class of every cell of a grid, one-hot, times the weight of the cell.

    The defect's cells have half of the weight of an image together, its other cells the
    other half: a small defect counts as much as a large one. Cells at its edge, and all
    cells of a defective part without a mask, have none.

    Args:
        mask: Bool `(height, width)`; None without one.
        label: Index of the class of the image.
        places: Of the data set.
        grid: Rows and columns of cells.

    Returns:
        float32 `(rows, columns, classes)`.
    """
    targets = np.zeros((*grid, places.num_classes), np.float32)
    if mask is None:
        if label == places.normal:
            targets[..., label] = 0.5 / np.prod(grid)
        return targets
    share = _share(mask, grid)
    defect = (share > 0) & (share >= CLEARLY * share.max())
    for index, cells in ((label, defect), (places.normal, share == 0)):
        if cells.any():
            targets[cells, index] = 0.5 / cells.sum()
    return targets


def located_batches(
    store: ImageStore,
    targets: Targets,
    places: Places,
    chosen: np.ndarray,
    batch_size: int,
    *,
    grid: tuple[int, int],
    augmentation: Augmentation,
    seed: int,
) -> Batches:
    """Like `image_batches`, with the cell targets of each image as a second input."""

    def one(index, seed):
        mask = places.masks.get(index)
        masks = [] if mask is None else [mask]
        image, masks = augment(augmentation, store.get(index), masks, seed)
        mask = masks[0] if masks else None
        return image, cell_targets(mask, places.labels[index], places, grid)

    def make(indices, seeds):
        made = [one(index, seed) for index, seed in zip(indices, seeds, strict=True)]
        images, cells = (np.stack(each) for each in zip(*made, strict=True))
        return (images, cells), targets.one_hot[indices], targets.weights[indices]

    def batches(epoch: int) -> Iterator[Batch]:
        positions = order(chosen, batch_size, seed=seed, epoch=epoch)
        return seeded_batches(make, [positions], seed=[seed, epoch, 1])

    return batches


def _share(mask, size):
    """The share of each cell of a grid, `(rows, columns)`, that a mask covers."""
    pixels = mask.astype(np.float32)
    return cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_AREA)


class PlaceLoss(keras.layers.Layer):
    """Passes probabilities on and adds the cross-entropy of the cells to the loss."""

    def call(self, probabilities: Any, scores: Any, targets: Any) -> Any:
        ops = keras.ops
        losses = -ops.sum(targets * ops.log_softmax(scores), axis=(1, 2, 3))
        self.add_loss(WEIGHT * ops.mean(losses))
        return probabilities


def taught_places(classifier: keras.Model, num_classes: int) -> keras.Model:
    """A small_cnn for its training: images and cell targets in, probabilities out.

    Args:
        classifier: Classifier from `model.join`; its weights are the ones trained.
        num_classes: Number of classes.
    """
    features, head = classifier.get_layer("features"), classifier.get_layer("head")
    scores = features.get_layer("scores").output
    images = keras.layers.Input(features.input_shape[1:])
    scores, pooled = keras.Model(features.input, [scores, features.output])(images)
    targets = keras.layers.Input((*scores.shape[1:3], num_classes))
    answers = PlaceLoss()(head(pooled), scores, targets)
    return keras.Model([images, targets], answers, name="taught")


def grid_of(taught: keras.Model) -> tuple[int, int]:
    """Rows and columns of the cells that a model of `taught_places` expects."""
    _, rows, columns, _ = taught.inputs[1].shape
    return rows, columns
