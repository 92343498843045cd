"""Losses of a rebuilt image: squared differences and structural similarity."""

from collections.abc import Callable
from typing import Any

import numpy as np

from anomaly.autoencoders.residual import C1, C2, SIGMA, WINDOW
from networks.quiet_keras import keras

ops = keras.ops
Tensor = Any  # of Keras, (batch, height, width, channels), values of 0 to 1
Loss = Callable[[Tensor, Tensor], Tensor]

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # from fine to coarse
TINY = 1e-6
IMAGE = (1, 2, 3)  # axes


def l2(truth: Tensor, rebuilt: Tensor) -> Tensor:
    """Half the sum of the squared differences of each image, `(batch,)`."""
    return ops.sum((truth - rebuilt) ** 2, axis=IMAGE) / 2


def mse(truth: Tensor, rebuilt: Tensor) -> Tensor:
    """The mean squared difference of each image, `(batch,)`."""
    return ops.mean((truth - rebuilt) ** 2, axis=IMAGE)


def ssim(truth: Tensor, rebuilt: Tensor) -> Tensor:
    """1 - the mean structural similarity of each image, `(batch,)`."""
    light, structure = _similarities(truth, rebuilt)
    return 1 - ops.mean(light * structure, axis=IMAGE)


def ms_ssim(truth: Tensor, rebuilt: Tensor) -> Tensor:
    """1 - the structural similarity over several scales of each image, `(batch,)`.

    There are five scales where the image is large enough, or else fewer, their weights
    in proportion.

    Reference:
        Wang, Simoncelli and Bovik, Multi-scale structural similarity, 2003.
    """
    smallest = min(truth.shape[1:3])
    weights = [
        weight
        for scale, weight in enumerate(SCALE_WEIGHTS)
        if smallest // 2**scale >= WINDOW
    ]
    total, found = sum(weights), 1.0
    for scale, weight in enumerate(weights):
        if scale > 0:
            truth = ops.average_pool(truth, 2, padding="valid")
            rebuilt = ops.average_pool(rebuilt, 2, padding="valid")
        light, structure = _similarities(truth, rebuilt)
        is_last = scale == len(weights) - 1
        value = ops.mean(light * structure if is_last else structure, axis=IMAGE)
        found = found * ops.maximum(value, TINY) ** (weight / total)
    return 1 - found


def combined(truth: Tensor, rebuilt: Tensor) -> Tensor:
    """The mean of `mse` and `ssim`, `(batch,)`."""
    return (mse(truth, rebuilt) + ssim(truth, rebuilt)) / 2


def _similarities(first, second):
    """Similarity in light, and in contrast and structure, of each window."""
    num_channels = first.shape[-1]
    parts = [first, second, first**2, second**2, first * second]
    averages = _windowed(ops.concatenate(parts, axis=-1), len(parts) * num_channels)
    mean_1, mean_2, square_1, square_2, product = ops.split(averages, len(parts), -1)
    covariance = product - mean_1 * mean_2
    variances = square_1 - mean_1**2 + square_2 - mean_2**2
    light = (2 * mean_1 * mean_2 + C1) / (mean_1**2 + mean_2**2 + C1)
    return light, (2 * covariance + C2) / (variances + C2)


def _windowed(images, num_channels):
    """The averages in Gaussian windows that lie in the image."""
    for shape in ((WINDOW, 1), (1, WINDOW)):
        kernel = np.tile(_taps().reshape(*shape, 1, 1), (1, 1, num_channels, 1))
        images = ops.depthwise_conv(images, kernel, padding="valid")
    return images


def _taps():
    steps = np.arange(WINDOW) - WINDOW // 2
    values = np.exp(-(steps**2) / (2 * SIGMA**2))
    return (values / values.sum()).astype(np.float32)


LOSSES: dict[str, Loss] = {
    "l2": l2,
    "mse": mse,
    "ssim": ssim,
    "ms_ssim": ms_ssim,
    "combined": combined,
}
