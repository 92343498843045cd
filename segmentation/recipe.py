"""How Mask R-CNN is trained in an open run: data, networks, loop and files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.run_writer import OpenRun
from goodparts.command import working
from networks.repeatable import make_reproducible
from networks.writing import export_model
from preprocessing.manifest import Dataset
from preprocessing.splitting.split import hold_out
from segmentation.batches import (
    MOST_TRUTHS,
    TruthBatches,
    batches_of_epoch,
    epoch_order,
    loop_augmentation,
)
from segmentation.bundled import NETWORKS
from segmentation.detector import Settings
from segmentation.judge import held_out_precision
from segmentation.network import Parts, build_parts, for_one_image, networks_of
from segmentation.trainer import Trainer, noise_length
from segmentation.training import Plan, fit
from segmentation.truth import TrainingRows, TruthStore

STEPS, STEPS_FROM_SCRATCH = 1500, 2500  # about, unless --epochs is given
LEAST_EPOCHS, LEAST_PATIENCE = 10, 8


def train_networks(
    run: OpenRun,
    dataset: Dataset,
    training: TrainingRows,
    settings: Settings,
    *,
    arguments: Mapping[str, Any],
    seed: int,
) -> None:
    """Trains the three networks and writes them into the run folder.

    The weights that find the defects of held-out groups of train best are kept.

    Args:
        run: The open run.
        dataset: The data set.
        training: See `truth.training_rows`.
        settings: Canvas, anchors and labels.
        arguments: Of `train`, resolved.
        seed: The one seed.
    """
    make_reproducible(seed)
    parts = build_parts(
        settings,
        arguments["backbone"],
        weights=arguments["weights"],
        alpha=arguments["alpha"],
    )
    trainer = Trainer(parts, settings)
    run.config["num_parameters"] = trainer.count_params()
    if arguments["weights"] == "none":
        run.config["warnings"].append(
            f"ImageNet weights were not used: {arguments['backbone']} was trained from "
            "scratch"
        )
    store = TruthStore(dataset, training, settings.canvas)
    _tell_dropped(run, store, training)
    num_truths = min(MOST_TRUTHS, store.most_instances)
    batches = TruthBatches(
        store,
        trainer.anchors,
        num_truths=num_truths,
        noise_length=noise_length(settings, num_truths),
        augmentation=loop_augmentation(dataset),
        seed=seed,
    )
    held_out = hold_out(training.rows["label"], training.rows["group"], seed=seed)
    kept, held = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    is_defective = np.array([bool(part) for part in training.instances])[kept]
    batch_size = arguments["batch_size"]

    def batches_of(epoch):
        order = epoch_order(is_defective, batch_size, seed=seed, epoch=epoch)
        return batches.train(kept[order], epoch)

    history = fit(
        trainer,
        plan(arguments, batches_of_epoch(is_defective, batch_size)),
        batches=batches_of,
        held_out=lambda: batches.judge(held, batch_size),
        precision=lambda: held_out_precision(
            map(store.get, held.tolist()), networks_of(parts), settings
        ),
        checkpoint=run.checkpoints / "mask_rcnn.npz",
        tell_history=run.write_history,
    )
    run.write_history(history)
    write_networks(run.folder, parts, settings)


def plan(arguments: Mapping[str, Any], num_batches: int) -> Plan:
    """How long and how fast is trained, with the arguments of `train`.

    Without weights all layers have the rate of the heads.
    """
    is_new = arguments["weights"] == "none"
    steps = STEPS_FROM_SCRATCH if is_new else STEPS
    epochs = arguments["epochs"] or max(LEAST_EPOCHS, round(steps / num_batches))
    return Plan(
        epochs,
        num_batches,
        arguments["head_rate"],
        arguments["head_rate" if is_new else "features_rate"],
        max(LEAST_PATIENCE, epochs // 3),
    )


def _tell_dropped(run, store, training):
    notes = []
    dropped = store.num_dropped()
    if dropped:
        number = sum(len(part) for part in training.instances)
        notes.append(
            f"{dropped} of {number} instances of train are smaller than a pixel on the "
            "canvas and were left out: train with a larger --image-size to learn them"
        )
    if store.most_instances > MOST_TRUTHS:
        notes.append(
            f"of images with more than {MOST_TRUTHS} instances only {MOST_TRUTHS} are "
            "learnt"
        )
    for note in notes:
        print(note)
        run.config["notes"].append(note)


def write_networks(folder: Path, parts: Parts, settings: Settings) -> None:
    """Writes the networks as Keras files, and as ONNX for predicting."""
    with working("writing the networks"):
        for network in parts:
            network.save(folder / f"{network.name}.keras")
    for network, name in zip(
        for_one_image(parts, settings), NETWORKS.values(), strict=True
    ):
        export_model(network, folder / name)
