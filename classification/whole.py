"""Training on images: the last blocks with the head, or the whole network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from classification.arguments import parse_schedule
from classification.batches import (
    image_batches,
    judged,
    loop_augmentation,
    make_loss,
    make_targets,
    predict,
)
from classification.places import grid_of, located_batches, read_places, taught_places
from networks.epochs import num_batches
from networks.optimizer import warm_up_and_cosine
from networks.training import Stage, TellHistory, fit
from preprocessing.datasets import ImageStore
from preprocessing.manifest import Dataset, is_copy

if TYPE_CHECKING:
    import pandas as pd

    from networks.quiet_keras import keras


def train_images(
    classifier: keras.Model,
    dataset: Dataset,
    *,
    name: str,
    arguments: Mapping[str, Any],
    steps: int,
    held_out: np.ndarray,
    seed: int,
    checkpoint: Path | None,
    set_blocks: Callable[[int], None] | None = None,
    with_places: bool = False,
    tell_history: TellHistory | None = None,
) -> pd.DataFrame:
    """Trains the trainable layers; keeps the weights that were best on held-out groups.

    Images are augmented anew for every batch, instead of reading the copies on disk.

    Args:
        classifier: Classifier from `model.join`.
        dataset: Data set whose train split is used.
        name: Name of the stage.
        arguments: Arguments of the training: epochs, batch_size, head_rate,
            features_rate, unfreeze, loss, label_smoothing.
        steps: If epochs is None, train for about this many steps: at least 4 epochs,
            and 4 after the last blocks are unfrozen.
        held_out: Bool, `(rows of train,)`.
        seed: Seed of order and augmentation.
        checkpoint: See `training.fit`.
        set_blocks: See `training.Stage`; None where all is trained.
        with_places: Whether the classifier is a small_cnn: masks of defects, where
            there are some, teach it where they are, see `places`, and square images may
            be turned by quarters.
        tell_history: See `training.fit`.

    Returns:
        The curves, see `training.fit`.
    """
    rows = dataset.rows("train")
    originals = ~is_copy(rows).to_numpy()
    rows, held_out = rows[originals], held_out[originals]
    image_size = classifier.input_shape[1:3]
    store = ImageStore([dataset.folder / path for path in rows["path"]], image_size)
    kept, held = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    targets = make_targets(
        rows["label"], dataset.classes, arguments["loss"], among=kept
    )
    held_images = store.subset(held_out)
    batch_size = min(arguments["batch_size"], len(kept))
    count = num_batches(len(kept), batch_size)

    def judge():
        answers = predict(classifier, held_images.batches())
        return judged(stage.loss, answers, targets.one_hot[held], targets.weights[held])

    turns = with_places and image_size[0] == image_size[1]
    augmentation = loop_augmentation(dataset, turns=turns)
    trained = classifier
    places = read_places(dataset, rows, image_size) if with_places else None
    if places is None:
        batches = image_batches(
            store, targets, kept, batch_size, augmentation=augmentation, seed=seed
        )
    else:
        trained = taught_places(classifier, len(dataset.classes))
        batches = located_batches(
            store,
            targets,
            places,
            kept,
            batch_size,
            grid=grid_of(trained),
            augmentation=augmentation,
            seed=seed,
        )
    stage = _stage(name, arguments, count, steps=steps, set_blocks=set_blocks)
    return fit(
        trained,
        stage,
        batches=batches,
        judge=judge,
        seed=seed,
        checkpoint=checkpoint,
        tell_history=tell_history,
    )


def _stage(name, arguments, count, *, steps, set_blocks):
    """The stage for the given arguments and number of batches per epoch."""
    unfreeze = parse_schedule(arguments["unfreeze"]) if set_blocks else None
    last_start = max(unfreeze) if unfreeze else 0
    epochs = arguments["epochs"] or max(4, round(steps / count), last_start + 4)
    return Stage(
        name=name,
        epochs=epochs,
        num_batches=count,
        head_rate=arguments["head_rate"],
        features_rate=arguments["features_rate"],
        schedule=warm_up_and_cosine(epochs),
        loss=make_loss(arguments["loss"], arguments["label_smoothing"]),
        unfreeze=unfreeze,
        set_blocks=set_blocks,
        # before, the rate is high and the loss jumps
        judged_from=max(3 * epochs // 4, last_start),
        patience=max(5, epochs // 3),
    )
