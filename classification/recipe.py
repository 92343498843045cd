"""How a classifier is trained: the head on frozen features, then the last blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from backbones import BACKBONES
from classification.head import train_head
from classification.model import (
    adjust_bias_to_priors,
    build_features,
    build_head,
    join,
    unfreeze_blocks,
)
from classification.whole import train_images
from networks.quiet_keras import keras
from networks.repeatable import make_reproducible
from networks.training import FALL
from preprocessing.manifest import Dataset, is_copy
from preprocessing.splitting.split import hold_out

if TYPE_CHECKING:
    from evaluation.run_writer import OpenRun

STEPS_FINE_TUNING, STEPS_FROM_SCRATCH = 400, 1000
SMALL_CNN_RATE = 2.0  # times the rate of a head


def train_classifier(
    model: str, dataset: Dataset, arguments: dict[str, Any], *, seed: int, run: OpenRun
) -> tuple[keras.Model, pd.DataFrame]:
    """Trains in an open run and adds notes on the outcome to it.

    Args:
        model: "small_cnn" or a key of BACKBONES.
        dataset: Data set for the training.
        arguments: The arguments of `train`, resolved.
        seed: Seed of all random choices.
        run: The open run.

    Returns:
        The classifier without an optimizer, and its curves.
    """
    make_reproducible(seed)
    features, head, history = _train(model, dataset, arguments, seed, run)
    if arguments["loss"] == "weighted":
        adjust_bias_to_priors(head, _shares(dataset))
    # joined anew: without the optimizer that it was compiled with
    return join(features, head), history


def _train(model, dataset, arguments, seed, run):
    """The trained features, the trained head and their curves."""
    rows = dataset.rows("train")
    held_out = hold_out(rows["label"], rows["group"], seed=seed)
    features = build_features(
        model,
        arguments["image_size"],
        weights=arguments["weights"],
        alpha=arguments["alpha"],
        num_classes=len(dataset.classes),
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
    is_small = model == "small_cnn"
    rate = (SMALL_CNN_RATE if is_small else 1.0) * arguments["head_rate"]
    history = train_images(
        classifier,
        dataset,
        name="from scratch",
        arguments=arguments | {"head_rate": rate, "features_rate": rate},
        steps=STEPS_FROM_SCRATCH,
        held_out=held_out,
        seed=seed,
        checkpoint=run.checkpoints / "from_scratch.npz",
        with_places=is_small,
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
        verdict = "improved the head" if use_copies else "did not improve the head"
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
            f"on held-out groups, the head alone had a lower loss ({alone:.3f}) than "
            f"with the last blocks trained ({together:.3f}): also train with --epochs "
            "0 and compare"
        )
        print(note)
        run.config["notes"].append(note)
    return features, head, pd.concat([head_history, history], ignore_index=True)


def _shares(dataset):
    """Share of each class among the original images of train."""
    rows = dataset.rows("train")
    labels = rows["label"][~is_copy(rows)]
    return np.array([(labels == name).mean() for name in dataset.classes])
