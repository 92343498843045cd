"""Trains a classifier: a head on frozen ImageNet features, or a CNN from scratch.

    pipenv run train --model mobilenetv2 --data dataset/<name>

Some 200 images/s for the features on two cores, then seconds for the head.
"""

from pathlib import Path

import keras
import numpy as np
import pandas as pd

from backbones import BACKBONES
from classification.frozen import train_head
from classification.model import build_features, build_from_scratch, join
from evaluation.predictions import Predictor, classifier_prediction, predict_rows
from evaluation.runs import read_run, start_run, write_results
from preprocessing.augmentation import augment, geometry_and_light
from preprocessing.datasets import (
    ImageStore,
    balanced,
    choose_image_size,
    training_batches,
)
from preprocessing.files import write_csv
from preprocessing.images import resize_batch
from preprocessing.manifest import is_copy, read_dataset
from preprocessing.split import hold_out

SMALL_CNN_PIXELS = 128 * 128
LEARNING_RATE = 1e-3
HEAD_EPOCHS = 30
STEPS_FROM_SCRATCH = 900
PATIENCE = 8
MAX_BATCHES_PER_EPOCH = 100
LIGHT = geometry_and_light(flips=("none",), rotation=0, brightness=(0.7, 1.3))


def add_arguments(parser):
    parser.add_argument("--image-size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"))
    parser.add_argument(
        "--weights", default="imagenet", help="imagenet, none or a file"
    )
    parser.add_argument("--epochs", type=int, help="at most; 30 for a head")
    parser.add_argument("--batch-size", type=int, default=32)


def train(
    *,
    model,
    data,
    runs="runs",
    seed=0,
    image_size=None,
    weights="imagenet",
    epochs=None,
    batch_size=32,
):
    """Trains a classifier and writes its run folder.

    Args:
        model: "small_cnn" or a key of BACKBONES.
        data: Data set folder, `dataset/<name>`.
        runs: Folder of all run folders.
        seed: The one seed.
        image_size: `(height, width)`; if None, the backbone's number of pixels with
            the aspect ratio of the parts.
        weights: "imagenet", "none" or a file; small_cnn has none.
        epochs: At most so many; if None, 30 for a head and as many as make about
            900 steps for a training from scratch.
        batch_size: Images in a step of a training from scratch.

    Returns:
        Path of the run folder.
    """
    dataset = read_dataset(data, check_files=True)
    weights = "none" if model == "small_cnn" else weights
    pixels = SMALL_CNN_PIXELS
    if model in BACKBONES:
        pixels = int(np.prod(BACKBONES[model].image_size))
    image_size = tuple(image_size or choose_image_size(dataset, pixels))
    arguments = {
        "image_size": image_size,
        "weights": str(weights),
        "epochs": epochs,
        "batch_size": batch_size,
    }
    _make_reproducible(seed)
    with start_run(
        runs,
        model=model,
        family="classification",
        dataset=dataset,
        arguments=arguments,
        seed=seed,
    ) as run:
        rows = dataset.rows("train")
        if weights == "none":  # the recipe of the copies draws new ones in each batch
            rows = rows[~is_copy(rows)].reset_index(drop=True)
        store = ImageStore([dataset.folder / path for path in rows["path"]], image_size)
        if weights == "none":
            run.config["notes"].append(f"{model} was trained from scratch")
            classifier = build_from_scratch(model, image_size, len(dataset.classes))
            history = _train_all(
                classifier, store, rows, dataset, epochs, batch_size, seed
            )
        else:
            features = build_features(model, image_size, weights=weights)
            head, history, notes = train_head(
                features, store, rows, dataset.classes,
                epochs=epochs or HEAD_EPOCHS, seed=seed,
            )  # fmt: skip
            run.config["notes"] += notes
            classifier = join(features, head)
        run.config["num_parameters"] = classifier.count_params()
        classifier.save(run.folder / "model.keras")
        write_csv(run.folder / "history.csv", history)
        predictor = _predictor(classifier, dataset.classes, dataset.normal_class)
        table = predict_rows(predictor, dataset, "validate", "test")
        write_results(
            run.folder,
            table,
            classes=dataset.classes,
            normal_class=dataset.normal_class,
        )
    return run.folder


def load_predictor(run_folder):
    """Loads the trained classifier of a run folder as a `Predictor`."""
    config = read_run(run_folder).config
    classifier = keras.models.load_model(Path(run_folder) / "model.keras")
    return _predictor(classifier, config["classes"], config["normal_class"])


def _predictor(classifier, classes, normal_class):
    image_size = tuple(classifier.input_shape[1:3])

    def predict(images):
        probabilities = classifier.predict_on_batch(resize_batch(images, image_size))
        return classifier_prediction(probabilities, classes, normal_class)

    return Predictor(list(classes), normal_class, image_size, predict)


def _train_all(classifier, store, rows, dataset, epochs, batch_size, seed):
    """Trains every layer; keeps the weights that were best on held-out groups."""
    labels = rows["label"].to_numpy(str)
    targets = np.searchsorted(dataset.classes, labels)
    held_out = hold_out(labels, rows["group"], seed=seed)
    kept, held = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    num_batches = min(MAX_BATCHES_PER_EPOCH, -(-2 * len(kept) // batch_size))
    epochs = epochs or max(10, STEPS_FROM_SCRATCH // num_batches)
    epochs_of_batches = (
        [kept[batch] for batch in epoch]
        for epoch in balanced(labels[kept], batch_size, num_batches, seed=seed)
    )
    batches = training_batches(
        store, targets, epochs_of_batches, augment=_augmenter(dataset), seed=seed
    )
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0,
        decay_steps=epochs * num_batches,
        warmup_target=LEARNING_RATE,
        warmup_steps=num_batches,
    )
    classifier.compile(
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=1e-4),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    stop = keras.callbacks.EarlyStopping(
        patience=PATIENCE, start_from_epoch=epochs // 2, restore_best_weights=True
    )
    fitted = classifier.fit(
        batches,
        steps_per_epoch=num_batches,
        epochs=epochs,
        validation_data=(store.batch(held), targets[held]),
        callbacks=[stop],
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


def _make_reproducible(seed):
    """Same seed, same weights: seeds all generators and picks repeatable kernels."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()
