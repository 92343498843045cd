"""The order of the images in an epoch of a training."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

LEAST_BATCHES = 15  # of an epoch

# inputs (an array, or several), targets, sample weights
Batch = tuple[Any, np.ndarray, np.ndarray]
Batches = Callable[[int], Iterator[Batch]]  # takes the number of an epoch


def batches_of_a_pass(num_images: int, batch_size: int) -> int:
    return -(-num_images // batch_size)


def num_batches(num_images: int, batch_size: int) -> int:
    """Number of batches in an epoch: one pass over the images, or more if few."""
    of_a_pass = batches_of_a_pass(num_images, batch_size)
    return of_a_pass * -(-LEAST_BATCHES // of_a_pass)


def order(chosen: np.ndarray, batch_size: int, *, seed: int, epoch: int) -> np.ndarray:
    """The batches of an epoch, all of one size.

    In a pass every image comes once, and a few twice, to fill the last batch.

    Args:
        chosen: Positions of the images.
        batch_size: Images in a batch.
        seed, epoch: Decide the order.

    Returns:
        Array of positions, `(batches, batch_size)`.
    """
    random = np.random.default_rng([seed, epoch])
    of_a_pass = batches_of_a_pass(len(chosen), batch_size)
    passes = num_batches(len(chosen), batch_size) // of_a_pass
    shape = (of_a_pass, batch_size)
    return np.concatenate(
        [np.resize(random.permutation(chosen), shape) for _ in range(passes)]
    )
