"""Trains a classifier: a head on ImageNet features, then the last blocks with it.

    goodparts train --model mobilenetv2 --data dataset/<name>

Without weights, and for small_cnn, the whole network is trained from scratch. On two
cores some 180 images/s for the features of MobileNetV2, seconds for the head, and
about two minutes for 400 steps of fine-tuning.
"""

from collections.abc import Sequence
from pathlib import Path

from backbones import BACKBONES, choose_alpha, find_weights
from classification.arguments import (
    BATCH,
    FEATURES_RATE,
    HEAD_RATE,
    LABEL_SMOOTHING,
    LOSSES,
    SMALL_BATCH,
    choose_schedule,
    choose_weights,
)
from classification.image_size import choose_size
from evaluation.predictor import Predictor
from evaluation.run_folder import read_run
from evaluation.run_writer import start_run
from goodparts.files import PathLike
from preprocessing.manifest import check_classes, read_dataset


def train(
    *,
    model: str,
    data: PathLike,
    runs: PathLike = "runs",
    seed: int = 0,
    image_size: Sequence[int] | None = None,
    weights: PathLike = "imagenet",
    alpha: float | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    head_rate: float = HEAD_RATE,
    features_rate: float = FEATURES_RATE,
    unfreeze: str | None = None,
    loss: str = LOSSES[0],
    label_smoothing: float = LABEL_SMOOTHING,
    resume: PathLike | None = None,
) -> Path:
    """Trains a classifier and writes its run folder.

    Args:
        model: "small_cnn" or a key of BACKBONES.
        data: Data set folder, `dataset/<name>`.
        runs: Folder of all run folders.
        seed: Seed of all random choices.
        image_size: `(height, width)`; if None, see `choose_size`.
        weights: "imagenet", "none" or a file; small_cnn has none.
        alpha: Width of mobilenetv2, one of `Backbone.alphas`; 1.0 if None.
        epochs: Maximum number of epochs of fine-tuning or of training from scratch; if
            None, as many as give about 400 or 1,000 steps; 0 trains only the head.
        batch_size: Number of images in a step; if None, 16 for small_cnn and 32 for
            the others.
        head_rate, features_rate: Highest learning rates of the head and of the
            pretrained features; when training from scratch, the first applies to all
            layers.
        unfreeze: "EPOCH:BLOCKS,..." for fine-tuning; the backbone's if None.
        loss: One of LOSSES.
        label_smoothing: 0 to below 1.
        resume: Folder of an interrupted run that was started with the same arguments.

    Returns:
        Path of the run folder.
    """
    dataset = read_dataset(data, check_files=True)
    check_classes(dataset)
    weights = choose_weights(model, weights)
    alpha = choose_alpha(model, alpha)
    arguments = {
        "image_size": choose_size(model, dataset, image_size),
        "weights": weights,
        "alpha": alpha,
        "epochs": epochs,
        "batch_size": batch_size or (SMALL_BATCH if model == "small_cnn" else BATCH),
        "head_rate": head_rate,
        "features_rate": features_rate,
        "unfreeze": choose_schedule(model, unfreeze, weights=weights, epochs=epochs),
        "loss": loss,
        "label_smoothing": label_smoothing,
    }
    if model in BACKBONES:
        find_weights(model, weights, alpha or 1.0)
    with start_run(
        runs,
        model=model,
        family="classification",
        dataset=dataset,
        arguments=arguments,
        seed=seed,
        resume=resume,
    ) as run:
        print(f"training in {run.folder}")
        _fit(run, dataset, model=model, arguments=arguments, seed=seed)
    return run.folder


def _fit(run, dataset, *, model, arguments, seed):
    """Trains and writes the run; Keras is imported here, after all other checks."""
    from classification.predictor import make_predictor
    from classification.recipe import train_classifier

    classifier, history = train_classifier(
        model, dataset, arguments, seed=seed, run=run
    )
    run.config["num_parameters"] = classifier.count_params()
    classifier.save(run.folder / "model.keras")
    run.write_history(history.to_dict("records"))
    predictor = make_predictor(classifier, dataset.classes, dataset.normal_class)
    run.finish(predictor, dataset)


def load_predictor(run_folder: PathLike) -> Predictor:
    """Loads the trained classifier of a run folder as a `Predictor`."""
    from classification.predictor import make_predictor, read_classifier

    config = read_run(run_folder).config
    classifier = read_classifier(Path(run_folder) / "model.keras")
    return make_predictor(classifier, config["classes"], config["normal_class"])
