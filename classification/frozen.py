"""A head on frozen features: each image passes the backbone once.

Whether augmented copies help, and how many epochs are enough, is found on held-out
groups of train; then the head is fitted on all of train.
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd

from classification.model import build_head
from preprocessing.command import progress
from preprocessing.manifest import is_copy

LEARNING_RATES = (1e-3, 2e-4, 4e-5)  # falling steps, each a third of the epochs
BATCH_SIZE = 64


def extract_features(features, store, batch_size=64):
    """Features of every image of the store, `(images, features)` float32."""
    num_batches = -(-len(store) // batch_size)
    batches = progress(store.batches(batch_size), "features", num_batches, unit="batch")
    return np.concatenate([features.predict_on_batch(images) for images in batches])


class Head(NamedTuple):
    """A head trained without the held-out groups, and what was found on the way.

    Attributes:
        model: The head, from features to probabilities.
        history: Its curves, a table.
        use_copies: Whether augmented copies helped; None if there are none.
        refit: Takes nothing, returns a head fitted on all of train for the number
            of epochs that was best.
    """

    model: keras.Model
    history: pd.DataFrame
    use_copies: bool | None
    refit: Callable


def train_head(features, store, rows, classes, *, held_out, epochs, seed):
    """Trains the head of a classifier on frozen features.

    Args:
        features: Model from images to features.
        store: `ImageStore` of the rows.
        rows: Manifest rows of train, augmented copies included.
        classes: Class names; targets are their positions.
        held_out: Bool, `(rows,)`: judges the epochs and the copies.
        epochs: At most so many.
        seed: Of weights and order.
    """
    values = extract_features(features, store)
    targets = np.searchsorted(classes, rows["label"].to_numpy(str))
    copies = is_copy(rows).to_numpy()
    judge = (values[held_out & ~copies], targets[held_out & ~copies])

    def fit(chosen, num_epochs, judge=None):
        keras.utils.set_random_seed(seed)
        head = build_head(values.shape[1], len(classes))
        history = _fit(head, values[chosen], targets[chosen], num_epochs, epochs, judge)
        return head, history

    trials = {}
    for use_copies in (False, True) if copies.any() else (False,):
        trials[use_copies] = fit(~held_out & (use_copies | ~copies), epochs, judge)
    use_copies = min(trials, key=lambda key: trials[key][1]["val_loss"].min())
    head, history = trials[use_copies]
    num_epochs = int(history["val_loss"].argmin()) + 1
    return Head(
        head,
        history,
        use_copies if copies.any() else None,
        lambda: fit(use_copies | ~copies, num_epochs)[0],
    )


def _fit(head, values, targets, num_epochs, epochs, judge):
    """Fits with class weights; the learning rate falls with the planned epochs."""
    counts = np.bincount(targets, minlength=head.output_shape[-1])
    weights = len(targets) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    head.compile(
        optimizer=keras.optimizers.Adam(LEARNING_RATES[0]),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )

    def rate(epoch):
        return LEARNING_RATES[min(2, epoch * len(LEARNING_RATES) // epochs)]

    callbacks = [keras.callbacks.LearningRateScheduler(rate)]
    if judge is not None:
        best = keras.callbacks.EarlyStopping(
            patience=num_epochs, restore_best_weights=True
        )
        callbacks.append(best)
    fitted = head.fit(
        values,
        targets,
        batch_size=BATCH_SIZE,
        epochs=num_epochs,
        class_weight=dict(enumerate(weights)),
        validation_data=judge,
        callbacks=callbacks,
        verbose=0,
    )
    history = pd.DataFrame(fitted.history)
    history.insert(0, "epoch", range(1, len(history) + 1))
    return history
