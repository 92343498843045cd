"""Trains a classifier: a head on ImageNet features, then the last blocks with it.

    pipenv run train --model mobilenetv2 --data dataset/<name>

Without weights, and for small_cnn, the whole network is trained from scratch. On two
cores some 180 images/s for the features of MobileNetV2, seconds for the head, and
about two minutes for 400 steps of fine-tuning.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from backbones import BACKBONES, find_weights
from classification.arguments import (
    FEATURES_RATE,
    HEAD_RATE,
    LABEL_SMOOTHING,
    add_arguments,
    choose_alpha,
    choose_schedule,
    choose_size,
    choose_weights,
)
from classification.batches import LOSSES
from classification.evidence import enlarge, evidence_model
from classification.head import train_head
from classification.model import (
    build_features,
    build_head,
    join,
    lean_to_shares,
    unfreeze_blocks,
)
from classification.training import FALL
from classification.whole import train_images
from evaluation.predictor import Predictor, classifier_prediction
from evaluation.run_folder import read_run
from evaluation.run_writer import start_run
from goodparts.command import InputError
from networks.quiet_keras import keras
from preprocessing.images import resize_batch
from preprocessing.manifest import check_classes, is_copy, read_dataset
from preprocessing.splitting.split import hold_out

__all__ = ["add_arguments", "load_predictor", "train"]

STEPS_FINE_TUNING, STEPS_FROM_SCRATCH = 400, 900


def train(
    *,
    model,
    data,
    runs="runs",
    seed=0,
    image_size=None,
    weights="imagenet",
    alpha=None,
    epochs=None,
    batch_size=32,
    head_rate=HEAD_RATE,
    features_rate=FEATURES_RATE,
    unfreeze=None,
    loss=LOSSES[0],
    label_smoothing=LABEL_SMOOTHING,
    resume=None,
):
    """Trains a classifier and writes its run folder.

    Args:
        model: "small_cnn" or a key of BACKBONES.
        data: Data set folder, `dataset/<name>`.
        runs: Folder of all run folders.
        seed: The one seed.
        image_size: `(height, width)`; if None, see `arguments.choose_size`.
        weights: "imagenet", "none" or a file; small_cnn has none.
        alpha: Width of mobilenetv2, one of `Backbone.alphas`; 1.0 if None.
        epochs: At most so many, of fine-tuning or of training from scratch; if None,
            as many as make about 400 or 900 steps; 0 trains the head alone.
        batch_size: Images in a step of these.
        head_rate, features_rate: Greatest learning rates of the head and of the
            pretrained features; from scratch the first is that of all.
        unfreeze: "EPOCH:BLOCKS,..." for fine-tuning; the backbone's if None.
        loss: One of LOSSES.
        label_smoothing: 0 to below 1.
        resume: Folder of an interrupted run that was begun with the same arguments.

    Returns:
        Path of the run folder.
    """
    dataset = read_dataset(data, check_files=True)
    check_classes(dataset)
    weights = choose_weights(model, weights)
    arguments = {
        "image_size": choose_size(model, dataset, image_size),
        "weights": weights,
        "alpha": choose_alpha(model, alpha),
        "epochs": epochs,
        "batch_size": batch_size,
        "head_rate": head_rate,
        "features_rate": features_rate,
        "unfreeze": choose_schedule(model, unfreeze, weights=weights, epochs=epochs),
        "loss": loss,
        "label_smoothing": label_smoothing,
    }
    if model in BACKBONES:
        find_weights(model, weights, arguments["alpha"] or 1.0)
    _make_reproducible(seed)
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
        features, head, history = _train(model, dataset, arguments, seed, run)
        if loss == "weighted":
            lean_to_shares(head, _shares(dataset))
        # joined anew: without the optimizer that it was compiled with
        _write(run, dataset, join(features, head), history)
    return run.folder


def _write(run, dataset, classifier, history):
    run.config["num_parameters"] = classifier.count_params()
    classifier.save(run.folder / "model.keras")
    run.write_history(history.to_dict("records"))
    run.finish(_predictor(classifier, dataset.classes, dataset.normal_class), dataset)


def _train(model, dataset, arguments, seed, run):
    """The trained features, the trained head and their curves."""
    rows = dataset.rows("train")
    held_out = hold_out(rows["label"], rows["group"], seed=seed)
    features = build_features(
        model,
        arguments["image_size"],
        weights=arguments["weights"],
        alpha=arguments["alpha"],
    )
    train_one = _train_from_weights
    if arguments["weights"] == "none":
        train_one = _train_from_scratch
        if model in BACKBONES:
            note = f"ImageNet weights were not used: {model} was trained from scratch"
            run.config["warnings"].append(note)
    return train_one(
        model,
        features,
        dataset,
        arguments=arguments,
        held_out=held_out,
        seed=seed,
        run=run,
    )


def _train_from_scratch(model, features, dataset, *, arguments, held_out, seed, run):
    head = build_head(features.output_shape[1], len(dataset.classes))
    classifier = join(features, head)
    history = train_images(
        classifier,
        dataset,
        name="from scratch",
        arguments=arguments | {"features_rate": arguments["head_rate"]},
        steps=STEPS_FROM_SCRATCH,
        held_out=held_out,
        seed=seed,
        checkpoint=run.checkpoints / "from_scratch.npz",
        tell_history=run.write_history,
    )
    return features, head, history


def _train_from_weights(model, features, dataset, *, arguments, held_out, seed, run):
    """First the head on frozen features, then the last blocks with it."""
    head, head_history, use_copies = train_head(
        features,
        dataset,
        arguments=arguments,
        held_out=held_out,
        seed=seed,
        cache=run.folder.parent / ".features",
        checkpoints=run.checkpoints,
        tell_history=run.write_history,
    )
    if use_copies is not None:
        verdict = "helped the head" if use_copies else "did not help the head"
        run.config["notes"].append(f"augmented copies {verdict}, on held-out groups")
    if arguments["epochs"] == 0:
        return features, head, head_history
    classifier = join(features, head)
    history = train_images(
        classifier,
        dataset,
        name="fine-tuning",
        arguments=arguments | {"head_rate": FALL * arguments["head_rate"]},
        steps=STEPS_FINE_TUNING,
        held_out=held_out,
        seed=seed,
        checkpoint=run.checkpoints / "fine-tuning.npz",
        set_blocks=lambda count: unfreeze_blocks(classifier, model, count),
        tell_history=lambda rows: run.write_history(
            [*head_history.to_dict("records"), *rows]
        ),
    )
    alone, together = (x["val_loss"].min() for x in (head_history, history))
    if together > alone:
        note = (
            f"on held-out groups the head alone had the lower loss ({alone:.3f}, with "
            f"the last blocks {together:.3f}): train with --epochs 0 too and compare"
        )
        print(note)
        run.config["notes"].append(note)
    return features, head, pd.concat([head_history, history], ignore_index=True)


def _shares(dataset):
    """Share of each class among the original images of train."""
    rows = dataset.rows("train")
    labels = rows["label"][~is_copy(rows)]
    return np.array([(labels == name).mean() for name in dataset.classes])


def load_predictor(run_folder):
    """Loads the trained classifier of a run folder as a `Predictor`."""
    config = read_run(run_folder).config
    path = Path(run_folder) / "model.keras"
    try:
        classifier = keras.models.load_model(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = "it is damaged, or of another version of Keras"
        reason = reason if path.is_file() else "it is missing"
        raise InputError(
            f"{path} cannot be loaded: {reason}. Put back a copy, or train again."
        ) from error
    return _predictor(classifier, config["classes"], config["normal_class"])


def _predictor(classifier, classes, normal_class):
    image_size = tuple(classifier.input_shape[1:3])
    evidence = evidence_model(classifier)

    def predict(images):
        probabilities = classifier.predict_on_batch(resize_batch(images, image_size))
        return classifier_prediction(probabilities, classes, normal_class)

    def explain(images, class_names):
        indices = np.searchsorted(classes, class_names)
        maps = evidence(resize_batch(images, image_size), indices)
        return enlarge(maps, images.shape[1:3])

    return Predictor(list(classes), normal_class, image_size, predict, explain)


def _make_reproducible(seed):
    """Same seed, same weights: seeds all generators and picks repeatable kernels."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()
