"""The training loop of Mask R-CNN; it can be resumed after any epoch.

An epoch depends only on the seed, its number and the state before it; after each epoch
the whole state is written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from goodparts.command import InputError, progress
from networks.optimizer import TwoRateAdamW, warm_up_and_cosine
from networks.quiet_keras import keras
from networks.repeatable import read_state, restore_optimizer, write_state
from segmentation.batches import Batch
from segmentation.trainer import LOSSES, Trainer

NAME = "mask_rcnn"  # in messages
PRECISION = "val_average_precision"
TOLD_FROM_S = 1.0  # epochs that took longer get a line

History = list[dict[str, Any]]


class Plan(NamedTuple):
    """How long and how fast is trained.

    Attributes:
        epochs: At most.
        num_batches: Batches of an epoch.
        head_rate, features_rate: Highest learning rates.
        patience: Epochs without a better one after which training stops.
    """

    epochs: int
    num_batches: int
    head_rate: float
    features_rate: float
    patience: int


def fit(
    trainer: Trainer,
    plan: Plan,
    *,
    batches: Callable[[int], Iterable[Batch]],
    held_out: Callable[[], Iterable[Batch]],
    precision: Callable[[], float],
    checkpoint: Path,
    tell_history: Callable[[History], None],
) -> History:
    """Trains, and restores the weights that were best on held-out images.

    Best are those of the highest average precision; among equals, to a hundredth, the
    lowest loss decides.

    Args:
        trainer: The networks with their losses.
        plan: How long and how fast.
        batches: From the number of an epoch, from 0, to its batches.
        held_out: The batches that are judged after every epoch.
        precision: Returns `judge.held_out_precision` of the networks as they are.
        checkpoint: File of the state, written after every epoch and read if it exists.
        tell_history: Called after every epoch with the rows so far.

    Returns:
        A row for each epoch: learning rate, the loss and its five parts, of each the
        held-out value with `val_` before its name, and `val_average_precision`.

    Raises:
        InputError: If the loss becomes NaN or infinite.
    """
    optimizer = compile_trainer(trainer, plan)
    history: History = []
    best: list[np.ndarray] = []
    if checkpoint.is_file():
        history, weights, best, slots = read_state(checkpoint)
        trainer.set_weights(weights)
        restore_optimizer(optimizer, slots)
    schedule = warm_up_and_cosine(plan.epochs)
    for epoch in range(len(history), plan.epochs):
        if history and len(history) - 1 - _best_epoch(history) >= plan.patience:
            break
        started = time.perf_counter()
        row: dict[str, Any] = {"epoch": epoch + 1}
        row["learning_rate"] = plan.head_rate * schedule((epoch + 0.5) / plan.epochs)
        row |= _train_epoch(trainer, plan, optimizer, epoch, batches(epoch))
        row |= _judge(trainer, held_out())
        row[PRECISION] = precision()
        history.append(row)
        _tell(row, plan, time.perf_counter() - started)
        if _best_epoch(history) == epoch:
            best = trainer.get_weights()
        write_state(checkpoint, trainer, optimizer, best=best, history=history)
        tell_history(history)
    trainer.set_weights(best)
    return history


def compile_trainer(trainer: Trainer, plan: Plan) -> TwoRateAdamW:
    """Compiles a trainer and returns its optimizer."""
    slow = []
    if plan.features_rate != plan.head_rate:
        slow = trainer.pyramid.get_layer("trunk").trainable_variables
    optimizer = TwoRateAdamW(
        plan.head_rate,
        slow_variables=slow,
        slow_share=plan.features_rate / plan.head_rate,
    )
    optimizer.build(trainer.trainable_variables)
    # XLA takes longer to compile than it saves on a CPU, except where it has to be
    trainer.compile(optimizer, jit_compile=keras.backend.backend() == "jax")
    return optimizer


def _train_epoch(trainer, plan, optimizer, epoch, batches):
    shown = progress(
        batches,
        f"{NAME} {epoch + 1}/{plan.epochs}",
        plan.num_batches,
        unit="step",
        done=epoch * plan.num_batches,
        of=plan.epochs * plan.num_batches,
    )
    schedule = warm_up_and_cosine(plan.epochs)
    logs = []
    for step, batch in enumerate(shown):
        done = (epoch + (step + 0.5) / plan.num_batches) / plan.epochs
        optimizer.learning_rate = plan.head_rate * schedule(done)
        logs.append(trainer.train_on_batch(batch, return_dict=True))
        loss = float(logs[-1]["loss"])
        if not np.isfinite(loss):
            raise InputError(
                f"The training diverged in epoch {epoch + 1}: its loss is {loss}. "
                "Train again with a smaller --head-rate."
            )
    return _means(logs)


def _judge(trainer, batches):
    logs = [trainer.test_on_batch(batch, return_dict=True) for batch in batches]
    return {f"val_{name}": value for name, value in _means(logs).items()}


def _means(logs):
    """The mean of each loss over batches; Keras gives those of each batch alone."""
    return {
        name: float(np.mean([float(log[name]) for log in logs]))
        for name in ("loss", *LOSSES)
    }


def _best_epoch(history):
    """The best epoch, from 0: the first of those that are equal in both."""

    def rank(epoch):
        row = history[epoch]
        loss = row["val_loss"] if np.isfinite(row["val_loss"]) else np.inf
        return -round(row[PRECISION], 2), loss

    return min(range(len(history)), key=rank)


def _tell(row, plan, seconds):
    if seconds > TOLD_FROM_S:
        print(
            f"{NAME} {row['epoch']}/{plan.epochs}: loss {row['loss']:.3f}, held-out "
            f"loss {row['val_loss']:.3f} (proposals "
            f"{row['val_proposal_class'] + row['val_proposal_box']:.3f}, classes "
            f"{row['val_class']:.3f}, boxes {row['val_box']:.3f}, masks "
            f"{row['val_mask']:.3f}), average precision {row[PRECISION]:.2f}",
            flush=True,
        )
