"""Learns to tell good features from features with noise, and from known defects."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from anomaly.discriminator import SLOPE, Discriminator, inputs_of
from networks.epochs import num_batches, order
from networks.optimizer import warm_up_and_cosine
from networks.training import Stage, fit

if TYPE_CHECKING:
    from networks.quiet_keras import keras

MAX_PATCHES = 60_000  # of good parts, and as many of defects
UNITS = 128  # of the hidden layer
EPOCHS, STEPS_LEAST = 6, 1500
BATCH_SIZE = 256  # good patches, and as many with noise
RATE = 1e-3
NOISE = (0.25, 4.0)  # of a feature's standard deviation; drawn for each patch between
PLACE = 5.0  # weight of the place in the canvas
LIKELIEST = 0.02  # of the cells of a defective part without a mask: its defect
TellHistory = Callable[[list[dict[str, Any]]], None]


class NoiseLearner:
    """Collects patches, then trains the network on them.

    Args:
        num_images: Good images that will come.
        has_place: Whether the place of a patch counts, as for parts in one pose.
        num_defective: Defective images that will come.
        seed: Of draws, weights and noise.
        tell_history: See `training.fit`.
    """

    def __init__(
        self,
        num_images: int,
        *,
        has_place: bool,
        num_defective: int = 0,
        seed: int = 0,
        tell_history: TellHistory | None = None,
    ):
        self._quota = -(-MAX_PATCHES // num_images)
        self._defect_quota = -(-MAX_PATCHES // max(num_defective, 1))
        self._has_place, self._seed = has_place, seed
        self._tell_history = tell_history
        self._random = np.random.default_rng(seed)
        self._good: list[tuple[np.ndarray, np.ndarray, bool]] = []
        self._marked: list[tuple[np.ndarray, np.ndarray]] = []
        self._unmarked: list[tuple[np.ndarray, np.ndarray]] = []
        self._shape = (0, 0)

    def add(
        self, features: np.ndarray, is_part: np.ndarray, *, is_held: bool = False
    ) -> None:
        """Takes the features `(rows, columns, d)` of a good image.

        Args:
            features: Of the canvas.
            is_part: Bool `(rows, columns)`, the cells that count.
            is_held: Whether the image is held out, to choose the epoch by.
        """
        self._shape = features.shape[:2]
        self._good.append((*self._drawn(features, is_part, self._quota), is_held))

    def add_defect(
        self, features: np.ndarray, is_part: np.ndarray, is_defect: np.ndarray | None
    ) -> None:
        """Takes the features of a defective image.

        Args:
            features, is_part: See `add`.
            is_defect: Bool `(rows, columns)`, the cells of the defect; None where they
                are not known.
        """
        if is_defect is not None:
            drawn = self._drawn(features, is_defect & is_part, self._defect_quota)
            self._marked.append(drawn)
        else:
            self._unmarked.append(self._drawn(features, is_part, self._defect_quota))

    def learnt(self) -> Discriminator:
        """Trains the network; with unmarked defects once more, with the cells that the
        first one finds least like good ones.
        """
        from networks.quiet_keras import keras

        values, cells, held = (
            np.concatenate(each) for each in zip(*map(_row, self._good), strict=True)
        )
        mean, scale = values.mean(axis=0), np.maximum(values.std(axis=0), 1e-6)
        place = PLACE * self._has_place

        def normed(values, cells):
            grid = np.zeros((*self._shape, values.shape[1]), np.float32)
            where = inputs_of(grid, mean, scale, place)[cells, -2:]
            return np.concatenate(
                [(values - mean) / scale, where], axis=1, dtype=np.float32
            )

        good = normed(values, cells)
        defects = [normed(*each) for each in self._marked]
        model = self._trained(keras, good, held, defects)
        if self._unmarked:
            defects += [_least_good(model, normed(*each)) for each in self._unmarked]
            model = self._trained(keras, good, held, defects)
        hidden, hidden_bias, output, output_bias = model.get_weights()
        return Discriminator(
            mean.astype(np.float32),
            scale.astype(np.float32),
            np.asarray(place, np.float32),
            hidden,
            hidden_bias,
            output[:, 0],
            output_bias[0],
        )

    def _drawn(self, features, counts, quota):
        """Features `(n, d)` and cells `(n,)` drawn from those that count."""
        cells = self._random.permutation(np.flatnonzero(counts))[:quota]
        return features.reshape(-1, features.shape[2])[cells], cells

    def _trained(self, keras, good, held, defects) -> keras.Model:
        keras.utils.set_random_seed(self._seed)
        model = keras.Sequential(
            [
                keras.Input((good.shape[1],)),
                keras.layers.Dense(UNITS),
                keras.layers.LeakyReLU(SLOPE),
                keras.layers.Dense(1),
            ]
        )
        known = np.concatenate(defects) if defects else None
        kept = np.flatnonzero(~held)
        judged = np.flatnonzero(held) if held.any() else kept
        size = min(BATCH_SIZE, len(kept))
        count = num_batches(len(kept), size)
        epochs = max(EPOCHS, -(-STEPS_LEAST // count))
        loss = keras.losses.BinaryCrossentropy(from_logits=True)

        def mixed(chosen, key):
            return _with_noise(good[chosen], known, np.random.default_rng(key))

        def batches(epoch):
            each = order(kept, size, seed=self._seed, epoch=epoch)
            for step, chosen in enumerate(each):
                inputs, targets = mixed(chosen, [self._seed, epoch, step])
                yield inputs, targets, np.ones(len(targets), np.float32)

        def judge():
            inputs, targets = mixed(judged, [self._seed])
            found = model.predict(inputs, batch_size=4096, verbose=0)
            return {"val_loss": float(loss(targets, found))}

        fit(
            model,
            Stage(
                name="with known defects" if defects else "against noise",
                epochs=epochs,
                num_batches=count,
                head_rate=RATE,
                features_rate=RATE,
                schedule=warm_up_and_cosine(epochs),
                loss=loss,
                metrics=(),
                patience=max(3, epochs // 3),
            ),
            batches=batches,
            judge=judge,
            seed=self._seed,
            tell_history=self._tell_history,
        )
        return model


def _row(image):
    values, cells, is_held = image
    return values, cells, np.full(len(cells), is_held)


def _with_noise(good, known, random):
    """Good patches and as many that are not: with noise, half of them known defects."""
    low, high = np.log(NOISE)
    strength = np.exp(random.uniform(low, high, (len(good), 1)))
    other = good.copy()
    noise = random.normal(size=(len(good), good.shape[1] - 2))
    other[:, :-2] += (strength * noise).astype(np.float32)
    if known is not None:
        half = len(other) // 2
        other[:half] = known[random.integers(len(known), size=half)]
    targets = np.repeat([0.0, 1.0], len(good)).astype(np.float32)[:, None]
    return np.concatenate([good, other]), targets


def _least_good(model, inputs):
    """The patches of an image that a network takes for the least good."""
    found = model.predict(inputs, batch_size=4096, verbose=0)[:, 0]
    count = max(1, round(LIKELIEST * len(found)))
    return inputs[np.argsort(-found, kind="stable")[:count]]
