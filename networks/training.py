"""The training loop of every stage; it can be resumed after any epoch.

An epoch depends only on the seed, its number and the state before it; after each epoch
the whole state is written. A training that was killed continues from there and ends
with the same history and weights as one that was not interrupted.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from goodparts.command import progress
from networks.epochs import Batch, Batches
from networks.optimizer import Schedule, TwoRateAdamW
from networks.quiet_keras import keras
from networks.repeatable import read_state, restore_optimizer, write_state

FALL = 0.2  # from one learning rate of the head to the next
TOLD_FROM_S = 1.0  # epochs that took longer get a line

Judge = Callable[[], dict[str, float]]  # val_loss and other curves of held-out images
TellHistory = Callable[[list[dict[str, Any]]], None]


class Stage(NamedTuple):
    """The settings of one training stage.

    Attributes:
        name: Shown in history.csv.
        epochs: Maximum number of epochs.
        num_batches: Batches of an epoch.
        head_rate, features_rate: Highest learning rates.
        schedule: Function from the fraction of steps done, 0 to 1, to a factor for the
            rates.
        loss: A Keras loss of the targets.
        metrics: Names of the other curves, Keras metrics of the targets.
        unfreeze: From which epoch on, counted from 0, how many of the last blocks
            are trained; None where that does not change.
        set_blocks: Called with that number; see `model.unfreeze_blocks`.
        judged_from: The first epoch, from 0, whose weights may be the best.
        patience: Epochs without a lower held-out loss after which training stops; None
            disables early stopping.
    """

    name: str
    epochs: int
    num_batches: int
    head_rate: float
    features_rate: float
    schedule: Schedule
    loss: keras.losses.Loss
    metrics: tuple[str, ...] = ("accuracy",)
    unfreeze: dict[int, int] | None = None
    set_blocks: Callable[[int], None] | None = None
    judged_from: int = 0
    patience: int | None = None


def falling_steps(done: float) -> float:
    """1e-3, 2e-4, 4e-5 for a rate of 1e-3: a third of the epochs each."""
    return FALL ** min(2, int(3 * done))


def fit(
    model: keras.Model,
    stage: Stage,
    *,
    batches: Batches,
    judge: Judge,
    seed: int,
    checkpoint: Path | None = None,
    tell_history: TellHistory | None = None,
) -> pd.DataFrame:
    """Trains a model and restores the weights with the lowest held-out loss.

    Args:
        model: A Keras model, or a head alone.
        stage: The settings of the stage.
        batches: Takes the number of an epoch, returns an iterable of its
            `(inputs, targets, sample weights)`, the same whenever it is called; all
            batches are of one size.
        judge: Function without arguments that returns `val_loss` of the model on the
            held-out images, and `val_<name>` of each of the stage's metrics.
        seed: Seed of dropout.
        checkpoint: File of the state, written after every epoch and read if it exists;
            None writes none.
        tell_history: Called after every epoch with the rows of the curves so far.

    Returns:
        The curves, with the columns stage, epoch, learning_rate, loss, val_loss, and
        two for each of the stage's metrics.
    """
    history, best, optimizer, blocks = [], [], None, None
    if checkpoint is not None and checkpoint.is_file():
        history, best, optimizer, blocks = _restore(checkpoint, model, stage)
    for epoch in range(len(history), stage.epochs):
        if _is_over(history, stage):
            break
        wanted = _num_blocks(stage, epoch)
        if optimizer is None or wanted != blocks:
            optimizer, blocks = compile_stage(model, stage, wanted), wanted
        _seed_dropout(model, seed, epoch)
        middle = stage.schedule((epoch + 0.5) / stage.epochs)
        row = {"stage": stage.name, "epoch": epoch + 1}
        row["learning_rate"] = stage.head_rate * middle
        started = time.perf_counter()
        row |= train_epoch(model, stage, optimizer, epoch, batches(epoch))
        row |= judge()
        history.append(row)
        if time.perf_counter() - started > TOLD_FROM_S:
            print(_told(stage, row), flush=True)
        if _best_epoch(history, stage) == epoch:
            best = model.get_weights()
        if checkpoint is not None:
            write_state(checkpoint, model, optimizer, best=best, history=history)
        if tell_history is not None:
            tell_history(history)
    model.set_weights(best)
    return pd.DataFrame(history)


def train_epoch(
    model: keras.Model,
    stage: Stage,
    optimizer: TwoRateAdamW,
    epoch: int,
    batches: Iterable[Batch],
) -> dict[str, float]:
    shown = progress(
        batches,
        f"{stage.name} {epoch + 1}/{stage.epochs}",
        stage.num_batches,
        unit="step",
        done=epoch * stage.num_batches,
        of=stage.epochs * stage.num_batches,
    )
    logs = []
    for step, (inputs, targets, weights) in enumerate(shown):
        done = (epoch + (step + 0.5) / stage.num_batches) / stage.epochs
        optimizer.learning_rate = stage.head_rate * stage.schedule(done)
        logs.append(model.train_on_batch(inputs, targets, weights, return_dict=True))
    names = ("loss", *stage.metrics)
    return {name: float(np.mean([float(log[name]) for log in logs])) for name in names}


def _told(stage, row):
    """An epoch in a line."""
    text = f"{stage.name} {row['epoch']}/{stage.epochs}: loss {row['loss']:.4f}, "
    text += f"held-out loss {row['val_loss']:.4f}"
    if "val_accuracy" in row:
        text += f", held-out accuracy {row['val_accuracy']:.1%}"
    return text


def _num_blocks(stage, epoch):
    if stage.unfreeze is None:
        return None
    begun = [start for start in stage.unfreeze if start <= epoch]
    return stage.unfreeze[max(begun)] if begun else 0


def _best_epoch(history, stage):
    """The epoch, from 0, with the lowest held-out loss of those that are judged."""
    first = min(stage.judged_from, len(history) - 1)
    losses = np.array([row["val_loss"] for row in history[first:]])
    return first + int(np.argmin(np.where(np.isnan(losses), np.inf, losses)))


def _is_over(history, stage):
    if stage.patience is None or not history:
        return False
    return len(history) - 1 - _best_epoch(history, stage) >= stage.patience


def compile_stage(model: keras.Model, stage: Stage, blocks: int | None) -> TwoRateAdamW:
    """Compiles the model for this number of trained blocks and returns the new
    optimizer.

    Its moments begin anew: with those of some variables and the count of steps kept,
    the first steps of the others would be several times too long.
    """
    if blocks is not None and stage.set_blocks is not None:
        stage.set_blocks(blocks)
    slow = []
    if stage.features_rate != stage.head_rate:
        slow = model.get_layer("features").trainable_variables
    optimizer = TwoRateAdamW(
        stage.head_rate,
        slow_variables=slow,
        slow_share=stage.features_rate / stage.head_rate,
    )
    optimizer.build(model.trainable_variables)
    model.compile(optimizer, stage.loss, metrics=list(stage.metrics))
    return optimizer


def _seed_dropout(model, seed, epoch):
    for number, layer in enumerate(_dropouts(model)):
        state = np.random.default_rng([seed, epoch, number]).integers(2**31, size=2)
        layer.seed_generator.state.assign(state)


def _dropouts(model):
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _dropouts(layer)
        elif hasattr(layer, "seed_generator"):
            yield layer


def _restore(path, model, stage):
    """The state in a checkpoint, put into the model."""
    state = read_state(path)
    model.set_weights(state.weights)
    blocks = _num_blocks(stage, len(state.history) - 1)
    optimizer = compile_stage(model, stage, blocks)
    restore_optimizer(optimizer, state.slots)
    return state.history, state.best, optimizer, blocks
