"""Training of the head on frozen features: each image passes the backbone once.

Whether augmented copies help is decided on held-out groups of train.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from classification.batches import (
    feature_batches,
    judged,
    make_loss,
    make_targets,
)
from classification.features import read_features
from classification.model import build_head
from networks.epochs import num_batches
from networks.quiet_keras import keras
from networks.training import Stage, TellHistory, falling_steps, fit
from preprocessing.manifest import Dataset, is_copy

if TYPE_CHECKING:
    import pandas as pd

EPOCHS = 30
BATCH_SIZE = 64


def train_head(
    features: keras.Model,
    dataset: Dataset,
    *,
    arguments: Mapping[str, Any],
    held_out: np.ndarray,
    seed: int,
    cache: Path,
    checkpoints: Path,
    tell_history: TellHistory | None = None,
) -> tuple[keras.Model, pd.DataFrame, bool | None]:
    """Trains the head of a classifier on features that do not change.

    Args:
        features: Model from images to features.
        dataset: Data set; its whole train split is used, including augmented copies.
        arguments: Arguments of the training: head_rate, loss, label_smoothing.
        held_out: Bool, `(rows of train,)`: the images on which epochs and copies are
            evaluated.
        seed: Seed of weights and order.
        cache: Folder of features.
        checkpoints: Folder of checkpoints.
        tell_history: See `training.fit`.

    Returns:
        `(head, history, use_copies)`: the last is None if there are no copies.
    """
    rows = dataset.rows("train")
    values = read_features(features, dataset, rows, cache)
    copies = is_copy(rows).to_numpy()
    about = (rows["label"], dataset.classes, arguments["loss"])
    originals = make_targets(*about, among=np.flatnonzero(~copies))
    held = np.flatnonzero(held_out & ~copies)

    def trial(use_copies):
        chosen = np.flatnonzero(~held_out & (use_copies | ~copies))
        targets = make_targets(*about, among=chosen)
        name = "head with copies" if use_copies else "head"
        stage = Stage(
            name=name,
            epochs=EPOCHS,
            num_batches=num_batches(len(chosen), BATCH_SIZE),
            head_rate=arguments["head_rate"],
            features_rate=arguments["head_rate"],
            schedule=falling_steps,
            loss=make_loss(arguments["loss"], arguments["label_smoothing"]),
        )
        keras.utils.set_random_seed(seed)
        head = build_head(values.shape[1], len(dataset.classes))
        model = keras.Sequential([head])  # compiled in its place: saved without that

        def judge():
            answers = model.predict(values[held], verbose=0)
            one_hot, weights = originals.one_hot[held], originals.weights[held]
            return judged(stage.loss, answers, one_hot, weights)

        history = fit(
            model,
            stage,
            batches=feature_batches(values, targets, chosen, BATCH_SIZE, seed=seed),
            judge=judge,
            seed=seed,
            checkpoint=checkpoints / f"{name}.npz",
            tell_history=tell_history,
        )
        return head, history

    trials = {
        use_copies: trial(use_copies)
        for use_copies in ((False, True) if copies.any() else (False,))
    }
    use_copies = min(trials, key=lambda key: trials[key][1]["val_loss"].min())
    return *trials[use_copies], use_copies if copies.any() else None
