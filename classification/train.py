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
from classification.model import (
    build_features,
    build_from_scratch,
    join,
    unfreeze,
)
from classification.whole import fit_images
from evaluation.predictions import Predictor, classifier_prediction, predict_rows
from evaluation.runs import read_run, start_run, write_results
from preprocessing.command import InputError, positive_int
from preprocessing.datasets import (
    ImageStore,
    choose_image_size,
)
from preprocessing.files import write_csv
from preprocessing.images import resize_batch
from preprocessing.manifest import is_copy, read_dataset
from preprocessing.split import hold_out

SMALLEST_SIDE = 32
SMALL_CNN_PIXELS = 128 * 128
HEAD_EPOCHS = 30
RATE_FROM_SCRATCH, STEPS_FROM_SCRATCH = 1e-3, 900
RATE_FINE_TUNING, STEPS_FINE_TUNING = 2e-4, 400


def add_arguments(parser):
    size = {"type": positive_int, "nargs": 2, "metavar": ("HEIGHT", "WIDTH")}
    parser.add_argument("--image-size", **size, help="the backbone's, if left out")
    parser.add_argument("--weights", default="imagenet", help="imagenet, none, a file")
    parser.add_argument(
        "--epochs", type=positive_int, help="at most; by itself if none"
    )
    parser.add_argument("--batch-size", type=positive_int, default=32)


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
        epochs: At most so many, of fine-tuning or of training from scratch; if None,
            as many as make about 400 or 900 steps.
        batch_size: Images in a step of these.

    Returns:
        Path of the run folder.
    """
    dataset = read_dataset(data, check_files=True)
    _check_classes(dataset)
    arguments = {
        "image_size": _choose_size(model, dataset, image_size),
        "weights": "none" if model == "small_cnn" else str(weights),
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
        from_scratch = arguments["weights"] == "none"
        recipe = _train_from_scratch if from_scratch else _train_from_weights
        classifier, history = recipe(model, dataset, arguments, seed, run)
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


def _check_classes(dataset):
    absent = set(dataset.classes) - set(dataset.rows("train")["label"])
    if absent:
        raise InputError(
            f"train of {dataset.folder} has no {', '.join(sorted(absent))}: a "
            "classifier cannot learn it. Split again without --protocol official."
        )


def _choose_size(model, dataset, image_size):
    """`(height, width)` as asked for, else of the backbone's number of pixels."""
    if image_size is None:
        pixels = SMALL_CNN_PIXELS
        if model in BACKBONES:
            pixels = int(np.prod(BACKBONES[model].image_size))
        return choose_image_size(dataset, pixels)
    if min(image_size) < SMALLEST_SIDE:
        raise InputError(
            f"--image-size must be at least {SMALLEST_SIDE} {SMALLEST_SIDE}. "
            f"Received: {image_size[0]} {image_size[1]}."
        )
    return tuple(image_size)


def _train_from_scratch(model, dataset, arguments, seed, run):
    rows, store = _load(dataset, arguments["image_size"])
    if model in BACKBONES:
        note = f"ImageNet weights were not used: {model} was trained from scratch"
        run.config["notes"].append(note)
    classifier = build_from_scratch(
        model, arguments["image_size"], len(dataset.classes)
    )
    history = fit_images(
        classifier,
        store,
        rows,
        dataset,
        held_out=hold_out(rows["label"], rows["group"], seed=seed),
        rate=RATE_FROM_SCRATCH,
        epochs=arguments["epochs"],
        steps=STEPS_FROM_SCRATCH,
        batch_size=arguments["batch_size"],
        seed=seed,
    )
    return classifier, history


def _train_from_weights(model, dataset, arguments, seed, run):
    """First the head on frozen features, then the last blocks with it.

    Fine-tuning is kept only where it is better on held-out groups of train; else the
    head is fitted once more on all of train.
    """
    image_size, epochs = arguments["image_size"], arguments["epochs"]
    rows, store = _load(dataset, image_size, copies=True)
    held_out = hold_out(rows["label"], rows["group"], seed=seed)
    features = build_features(model, image_size, weights=arguments["weights"])
    head = train_head(
        features,
        store,
        rows,
        dataset.classes,
        held_out=held_out,
        epochs=HEAD_EPOCHS,
        seed=seed,
    )
    if head.use_copies is not None:
        verdict = "helped the head" if head.use_copies else "did not help the head"
        run.config["notes"].append(f"augmented copies {verdict}, on held-out groups")
    originals = ~is_copy(rows).to_numpy()
    store = store.subset(originals)
    classifier = join(features, head.model)
    unfreeze(features, model)
    history = fit_images(
        classifier,
        store,
        rows[originals].reset_index(drop=True),
        dataset,
        held_out=held_out[originals],
        rate=RATE_FINE_TUNING,
        epochs=epochs,
        steps=STEPS_FINE_TUNING,
        batch_size=arguments["batch_size"],
        seed=seed,
    )
    if history["val_loss"].min() > head.history["val_loss"].min():
        run.config["notes"].append("fine-tuning did not help and was undone")
        features = build_features(model, image_size, weights=arguments["weights"])
        classifier = join(features, head.refit())
    both = {"head": head.history, "fine-tuning": history}
    table = pd.concat(both, names=["stage"]).reset_index("stage")
    table["epoch"] = range(1, len(table) + 1)
    return classifier, table


def _load(dataset, image_size, *, copies=False):
    """Manifest rows of train and their `ImageStore`."""
    rows = dataset.rows("train")
    if not copies:  # their recipe draws new ones for every batch
        rows = rows[~is_copy(rows)].reset_index(drop=True)
    paths = [dataset.folder / path for path in rows["path"]]
    return rows, ImageStore(paths, image_size)


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


def _make_reproducible(seed):
    """Same seed, same weights: seeds all generators and picks repeatable kernels."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()
