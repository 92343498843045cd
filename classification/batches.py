"""The content of an epoch: targets, weights, and images from the loader."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from evaluation.metrics import balanced_weights
from networks.epochs import Batches, order
from networks.quiet_keras import keras
from preprocessing.augmenting.augmentation import (
    Augmentation,
    augment,
    geometry_and_light,
)
from preprocessing.datasets import ImageStore, training_batches
from preprocessing.manifest import Dataset

FOCUS = 2.0  # gamma of the focal loss
GENTLE_ROTATION, GENTLE_BRIGHTNESS = 10, (0.8, 1.2)
LIGHT = geometry_and_light(flips=("none",), rotation=0, brightness=GENTLE_BRIGHTNESS)


class Targets(NamedTuple):
    """What a loss needs of each image.

    Attributes:
        one_hot: `(images, classes)` float32.
        weights: `(images,)` float32, of mean 1.
    """

    one_hot: np.ndarray
    weights: np.ndarray


def make_targets(
    labels: ArrayLike, classes: Sequence[str], loss: str, *, among: np.ndarray
) -> Targets:
    """One-hot targets; for the loss "weighted", every class has the same total weight.

    Args:
        labels: Labels of all images, `(images,)`.
        classes: Class names, sorted.
        loss: One of LOSSES.
        among: Positions of the images that are trained on or evaluated together; among
            these all classes have the same total weight.
    """
    indices = np.searchsorted(classes, np.asarray(labels, str))
    weights = np.ones(len(indices), np.float32)
    if loss == "weighted":
        of_class = balanced_weights(indices[among], len(classes))
        weights = of_class[indices].astype(np.float32)
    return Targets(np.eye(len(classes), dtype=np.float32)[indices], weights)


def make_loss(loss: str, label_smoothing: float) -> keras.losses.Loss:
    """The Keras loss of a name in LOSSES.

    Args:
        loss: "cross_entropy", "weighted" (by `make_targets`) or "focal".
        label_smoothing: Fraction of each target, 0 to 1, that is distributed over all
            classes.

    Reference:
        Lin et al., Focal loss for dense object detection, ICCV 2017.
    """
    if loss == "focal":
        return keras.losses.CategoricalFocalCrossentropy(
            alpha=1.0, gamma=FOCUS, label_smoothing=label_smoothing
        )
    return keras.losses.CategoricalCrossentropy(label_smoothing=label_smoothing)


def judged(
    loss: keras.losses.Loss,
    probabilities: np.ndarray,
    one_hot: np.ndarray,
    weights: np.ndarray,
) -> dict[str, float]:
    """val_loss and val_accuracy, as `training.fit` wants them of held-out images."""
    right = probabilities.argmax(axis=1) == one_hot.argmax(axis=1)
    value = loss(one_hot, probabilities, sample_weight=weights)
    return {"val_loss": float(value), "val_accuracy": float(right.mean())}


def feature_batches(
    values: np.ndarray,
    targets: Targets,
    chosen: np.ndarray,
    batch_size: int,
    *,
    seed: int,
) -> Batches:
    """Batches of feature rows, as `training.fit` wants them."""

    def batches(epoch):
        for indices in order(chosen, batch_size, seed=seed, epoch=epoch):
            yield values[indices], targets.one_hot[indices], targets.weights[indices]

    return batches


def image_batches(
    store: ImageStore,
    targets: Targets,
    chosen: np.ndarray,
    batch_size: int,
    *,
    augmentation: Augmentation,
    seed: int,
) -> Batches:
    """Batches of augmented images from the loader, as `training.fit` wants them."""

    def change(image, seed):
        return augment(augmentation, image, [], seed)[0]

    def batches(epoch):
        made = training_batches(
            store,
            np.arange(len(store)),
            [order(chosen, batch_size, seed=seed, epoch=epoch)],
            augment=change,
            seed=[seed, epoch, 1],
        )
        for images, indices in made:
            yield images, targets.one_hot[indices], targets.weights[indices]

    return batches


def loop_augmentation(dataset: Dataset, *, turns: bool = False) -> Augmentation:
    """Augmentation in the training loop: the flips of `goodparts augment`, and small
    rotations.

    The copies on disk may be rotated and brightened strongly; a network that is trained
    only on such images gets worse on unchanged images (magnetic_tile: macro-F1 on
    validate 0.96 with gentle, 0.89 with strong ones). Quarter turns leave no trace.

    Args:
        dataset: Data set whose recipe of copies says what is harmless.
        turns: Also turn images, which are square, by quarters, where the recipe has
            rotations of 90 degrees.
    """
    recipe = dataset.info.get("augmentation")
    if not recipe:
        return LIGHT
    gentle = geometry_and_light(
        flips=("none", *recipe["flips"]),
        rotation=min(recipe["rotation"], GENTLE_ROTATION),
        brightness=np.clip(recipe["brightness"], *GENTLE_BRIGHTNESS).tolist(),
    )
    return gentle._replace(quarter_turns=turns and recipe["rotation"] >= 90)


def predict(model: keras.Model, batches: Iterable[np.ndarray]) -> np.ndarray:
    """Predicts all batches; the last one is padded to the size of the first.

    So only one shape is compiled, and the result for an image does not depend on the
    number of images.
    """
    outputs, size = [], None
    for inputs in batches:
        size = size or len(inputs)
        filled = np.resize(inputs, (size, *inputs.shape[1:]))
        outputs.append(model.predict_on_batch(filled)[: len(inputs)])
    return np.concatenate(outputs)
