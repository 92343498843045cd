"""Training of a whole network, or of its last blocks, on images from the loader."""

import keras
import numpy as np
import pandas as pd

from preprocessing.augmentation import augment, geometry_and_light
from preprocessing.datasets import balanced, training_batches

WEIGHT_DECAY = 1e-4
BATCHES_PER_EPOCH = (15, 100)  # at least, at most; about two passes in between
LIGHT = geometry_and_light(flips=("none",), rotation=0, brightness=(0.7, 1.3))


def fit_images(
    classifier, store, rows, dataset, *, held_out, rate, epochs, steps, batch_size, seed
):
    """Trains what is trainable; keeps the weights that were best on held-out groups.

    Every class is drawn as often. AdamW, with warm-up for an epoch and then a cosine
    to zero; gradients are clipped.

    Args:
        classifier: Model from images to probabilities.
        store: `ImageStore` of the rows.
        rows: Manifest rows of originals of train.
        dataset: The `Dataset`; its augmentation recipe is drawn from.
        held_out: Bool, `(rows,)`.
        rate: Highest learning rate.
        epochs: At most so many; if None, as many as make about `steps` steps.
        steps: See `epochs`; at least 4 epochs are made.
        batch_size: Images in a step.
        seed: Of order and augmentation.

    Returns:
        The curves, a table with epoch, loss, accuracy, val_loss, val_accuracy.
    """
    labels = rows["label"].to_numpy(str)
    targets = np.searchsorted(dataset.classes, labels)
    kept, held = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    num_batches = int(np.clip(2 * len(kept) // batch_size, *BATCHES_PER_EPOCH))
    epochs = max(4, steps // num_batches) if epochs is None else epochs
    epochs_of_batches = (
        [kept[batch] for batch in epoch]
        for epoch in balanced(labels[kept], batch_size, num_batches, seed=seed)
    )
    batches = training_batches(
        store, targets, epochs_of_batches, augment=_augmenter(dataset), seed=seed
    )
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0,
        decay_steps=max(1, (epochs - 1) * num_batches),
        warmup_target=rate,
        warmup_steps=num_batches,
    )
    classifier.compile(
        optimizer=keras.optimizers.AdamW(
            schedule, weight_decay=WEIGHT_DECAY, global_clipnorm=1.0
        ),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    keep_best = keras.callbacks.EarlyStopping(
        patience=max(2, epochs // 6),
        start_from_epoch=epochs // 2,
        restore_best_weights=True,
    )
    fitted = classifier.fit(
        batches,
        steps_per_epoch=num_batches,
        epochs=epochs,
        validation_data=(store.batch(held), targets[held]),
        callbacks=[keep_best],
        shuffle=False,
        verbose=2,
    )
    history = pd.DataFrame(fitted.history)
    history.insert(0, "epoch", range(1, len(history) + 1))
    return history


def _augmenter(dataset):
    """Draws from the recipe of `pipenv run augment`, else changes the light alone."""
    recipe = dataset.info.get("augmentation")
    drawn = LIGHT
    if recipe:
        ranges = {key: recipe[key] for key in ("flips", "rotation", "brightness")}
        drawn = geometry_and_light(**ranges)

    def change(image, seed):
        return augment(drawn, image, [], seed)[0]

    return change
