"""A head on frozen features: each image passes the backbone once.

Whether augmented copies help, and how many epochs are enough, is found on held-out
groups of train; then the head is fitted on all of train.
"""

import keras
import numpy as np
import pandas as pd

from classification.model import build_head
from preprocessing.command import progress
from preprocessing.manifest import is_copy
from preprocessing.split import hold_out

LEARNING_RATES = (1e-3, 2e-4, 4e-5)  # falling steps, each a third of the epochs
BATCH_SIZE = 64


def extract_features(features, store, batch_size=64):
    """Features of every image of the store, `(images, features)` float32."""
    num_batches = -(-len(store) // batch_size)
    batches = progress(store.batches(batch_size), "features", num_batches, unit="batch")
    return np.concatenate([features.predict_on_batch(images) for images in batches])


def train_head(features, store, rows, classes, *, epochs, seed):
    """Trains the head of a classifier on frozen features.

    Args:
        features: Model from images to features.
        store: `ImageStore` of the rows.
        rows: Manifest rows of train, augmented copies included.
        classes: Class names; targets are their positions.
        epochs: At most so many.
        seed: Of weights, order and held-out groups.

    Returns:
        The head, its history table, and notes for the report.
    """
    values = extract_features(features, store)
    labels = rows["label"].to_numpy(str)
    targets = np.searchsorted(classes, labels)
    copies = is_copy(rows).to_numpy()
    held_out = hold_out(labels, rows["group"], seed=seed)
    judged = held_out & ~copies

    def fit(chosen, num_epochs, judge=None):
        keras.utils.set_random_seed(seed)
        head = build_head(values.shape[1], len(classes))
        return head, _fit(
            head, values[chosen], targets[chosen], num_epochs, epochs, judge
        )

    trials = {}
    for use_copies in (False, True) if copies.any() else (False,):
        chosen = ~held_out & (use_copies | ~copies)
        _, history = fit(chosen, epochs, (values[judged], targets[judged]))
        trials[use_copies] = history
    use_copies = min(trials, key=lambda key: trials[key]["val_loss"].min())
    history = trials[use_copies]
    num_epochs = int(history["val_loss"].argmin()) + 1
    head, _ = fit(use_copies | ~copies, num_epochs)
    notes = []
    if copies.any():
        verdict = "were used" if use_copies else "did not help and were left out"
        notes.append(f"augmented copies {verdict}, judged on held-out groups of train")
    return head, history, notes


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

    fitted = head.fit(
        values,
        targets,
        batch_size=BATCH_SIZE,
        epochs=num_epochs,
        class_weight=dict(enumerate(weights)),
        validation_data=judge,
        callbacks=[keras.callbacks.LearningRateScheduler(rate)],
        verbose=0,
    )
    history = pd.DataFrame(fitted.history)
    history.insert(0, "epoch", range(1, len(history) + 1))
    return history
