"""Finds a learning rate: it rises step by step until the loss does.

Reference:
    Smith, Cyclical learning rates for training neural networks, 2017.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from goodparts.command import InputError, progress
from networks.epochs import Batch, Batches
from networks.quiet_keras import keras
from networks.training import Stage, compile_stage

FIRST_RATE, LAST_RATE = 1e-5, 1.0
GROWTH = 1.1  # of the rate at each step
MAX_RISE = 6.0  # times the lowest loss, at which it ends
FALLEN = 0.85  # of the way from the highest to the lowest loss, at the rate to take
SMOOTHED = 0.9  # how much of the mean loss so far stays at each step


class RateCurve(NamedTuple):
    """The losses of a search.

    Attributes:
        rates: `(steps,)`, rising.
        losses: `(steps,)`, smoothed.
    """

    rates: np.ndarray
    losses: np.ndarray


def find_rate(
    model: keras.Model, stage: Stage, batches: Batches
) -> tuple[float, RateCurve]:
    """The highest learning rate of a stage, and the losses that it was read from.

    The weights of the model are the same afterwards.

    Args:
        model: A Keras model.
        stage: What is trained; its rates do not count.
        batches: See `training.fit`.

    Raises:
        InputError: If the loss falls at no rate.
    """
    weights = model.get_weights()
    optimizer = compile_stage(model, stage, None)
    rates, losses, mean = [], [], None
    num_steps = int(np.log(LAST_RATE / FIRST_RATE) / np.log(GROWTH))
    steps = zip(range(num_steps), _endless(batches), strict=False)
    for step, batch in progress(steps, "learning rate", num_steps, unit="step"):
        rate = FIRST_RATE * GROWTH**step
        optimizer.learning_rate = rate
        loss = float(model.train_on_batch(*batch, return_dict=True)["loss"])
        mean = loss if mean is None else SMOOTHED * mean + (1 - SMOOTHED) * loss
        if not np.isfinite(loss) or mean > MAX_RISE * min([mean, *losses]):
            break
        rates.append(rate)
        losses.append(mean)
    model.set_weights(weights)
    curve = RateCurve(np.array(rates), np.array(losses))
    return choose_rate(curve.rates, curve.losses), curve


def choose_rate(rates: ArrayLike, losses: ArrayLike) -> float:
    """The first rate at which the loss has nearly fallen to its lowest value.

    Args:
        rates: Rising.
        losses: At each of them.

    Raises:
        InputError: If the loss falls at no rate.
    """
    rates, losses = np.asarray(rates), np.asarray(losses)
    lowest = int(losses.argmin()) if losses.size else 0
    fallen = losses[: lowest + 1]
    if lowest == 0 or not fallen.max() > fallen[-1]:
        raise InputError(
            "No learning rate was found at which the loss falls. Give --learning-rate."
        )
    line = fallen.max() - FALLEN * (fallen.max() - fallen[-1])
    after = int(fallen.argmax())
    return float(rates[after + int(np.flatnonzero(fallen[after:] <= line)[0])])


def _endless(batches: Batches) -> Iterator[Batch]:
    for epoch in itertools.count():
        yield from batches(epoch)
