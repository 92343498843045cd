"""Image loading: images are decoded once and kept in memory if they fit."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from goodparts.command import progress
from goodparts.files import PathLike
from preprocessing.images import image_size, image_threads, read_image, resize

if TYPE_CHECKING:
    from preprocessing.manifest import Dataset

MEMORY_BUDGET_MB = 6000  # at most; half of the free memory where that is less
BATCHES_AHEAD = 4
SIDES = 32  # what the sides of an image size are multiples of
NUM_LOOKED_AT = 50  # images whose size is read from their files, to choose one

Augment = Callable[[np.ndarray, int], np.ndarray]  # takes an image and a seed
Read = Callable[[PathLike], np.ndarray]  # takes a path, returns uint8 RGB
Batch = TypeVar("Batch")


class ImageStore:
    """The images of some manifest rows at one size, by position.

    Args:
        paths: Paths of the image files.
        image_size: `(height, width)`, pixels.
        memory_budget_mb: Up to this size all are decoded now and kept; beyond it,
            each is decoded when asked for. None for `memory_budget()`.
        read: Reads an image at that size; the whole image is resized if None.
    """

    def __init__(
        self,
        paths: Iterable[PathLike],
        image_size: tuple[int, int],
        *,
        memory_budget_mb: float | None = None,
        read: Read | None = None,
    ):
        self.paths = list(paths)
        height, width = image_size
        self.image_size = (height, width)
        self._read: Read = read or self._read_whole
        shape = (len(self.paths), *self.image_size, 3)
        self.images: np.ndarray | None = None
        if memory_budget_mb is None:
            memory_budget_mb = memory_budget()
        if np.prod(shape) <= memory_budget_mb * 2**20:
            images = np.empty(shape, np.uint8)
            with image_threads() as pool:
                decoded = pool.map(self._read, self.paths)
                steps = progress(decoded, "decoding", len(images))
                for index, image in enumerate(steps):
                    images[index] = image
            self.images = images

    def __len__(self) -> int:
        return len(self.paths)

    def subset(self, chosen: np.ndarray) -> ImageStore:
        """A store of the images where the bool array `chosen` is True."""
        part = ImageStore([], self.image_size, read=self._read)
        part.paths = [
            path for path, wanted in zip(self.paths, chosen, strict=True) if wanted
        ]
        part.images = None if self.images is None else self.images[chosen]
        return part

    def get(self, index: int) -> np.ndarray:
        """The image at a position, uint8 RGB `(height, width, 3)`; do not change it."""
        if self.images is not None:
            return self.images[index]
        return self._read(self.paths[index])

    def batch(
        self,
        indices: Sequence[int] | np.ndarray,
        augment: Augment | None = None,
        seeds: Sequence[int] = (),
    ) -> np.ndarray:
        """Images at positions as one new array `(len(indices), height, width, 3)`."""
        images = np.empty((len(indices), *self.image_size, 3), np.uint8)
        for row, index in enumerate(indices):
            image = self.get(index)
            images[row] = image if augment is None else augment(image, seeds[row])
        return images

    def batches(self, batch_size: int | None = None) -> Iterator[np.ndarray]:
        """Yields all images in order, in batches made ahead of time.

        Args:
            batch_size: 64 images of 224 pixels if None, fewer if they are larger,
                because the activations of the network have to fit into memory.
        """
        if batch_size is None:
            batch_size = prediction_batch(self.image_size)
        parts = [
            range(start, min(start + batch_size, len(self)))
            for start in range(0, len(self), batch_size)
        ]
        yield from ahead(self.batch, ((part,) for part in parts))

    def _read_whole(self, path):
        return resize(read_image(path), self.image_size)


def prediction_batch(image_size: tuple[int, int]) -> int:
    """Images to pass through a network at once: 64 at 224 x 224, at least 1."""
    height, width = image_size
    return int(np.clip(64 * 224 * 224 // (height * width), 1, 64))


def memory_budget() -> float:
    """MB for decoded images: half of what is free, at most MEMORY_BUDGET_MB.

    If the system does not report the free memory, a quarter of the total.
    """
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(line for line in lines if line.startswith("MemAvailable:"))
        budget = int(free.split()[1]) / 1024 / 2
    except (OSError, StopIteration):
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        budget = pages / 2**20 / 4
    return min(MEMORY_BUDGET_MB, budget)


def training_batches(
    store: ImageStore,
    targets: np.ndarray,
    epochs: Iterable[Iterable[np.ndarray]],
    *,
    augment: Augment | None = None,
    seed: int | Sequence[int] = 0,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields `(images, targets)` batches without end of the given epochs, for `fit`.

    Batches are prepared in threads ahead of the training step. The content of a batch
    depends only on the seed and its position, not on timing.

    Args:
        store: Store of the images.
        targets: Array whose first axis matches the store.
        epochs: Each has batches of positions in the store; see `shuffled`.
        augment: Function of an image and a seed that returns an image of the same
            shape; None for none.
        seed: Seed of the augmentation.
    """

    def make(indices, seeds):
        return store.batch(indices, augment, seeds), targets[indices]

    yield from seeded_batches(make, epochs, seed=seed)


def seeded_batches(
    make: Callable[[np.ndarray, list[int]], Batch],
    epochs: Iterable[Iterable[np.ndarray]],
    *,
    seed: int | Sequence[int] = 0,
) -> Iterator[Batch]:
    """Yields what `make` returns for each batch of positions and a seed per position.

    Batches are made in threads, a few ahead; see `training_batches`.
    """
    random = np.random.default_rng(seed)

    def jobs():
        for epoch in epochs:
            for indices in epoch:
                yield indices, random.integers(2**31, size=len(indices)).tolist()

    yield from ahead(make, jobs())


def shuffled(
    num_images: int, batch_size: int, *, seed: int = 0
) -> Iterator[list[np.ndarray]]:
    """Yields epochs without end; each holds every index once, in a new order."""
    random = np.random.default_rng(seed)
    while True:
        order = random.permutation(num_images)
        yield [order[i : i + batch_size] for i in range(0, num_images, batch_size)]


def choose_image_size(
    dataset: Dataset, pixels: float, *, at_most: float | None = None
) -> tuple[int, int]:
    """`(height, width)` with the parts' own aspect ratio and about so many pixels.

    Both sides are multiples of SIDES.

    Args:
        dataset: The median ratio of some of its train images is taken.
        pixels: Wanted area, e.g. 224 * 224.
        at_most: Area up to which larger images keep their own; None for none.
    """
    paths = dataset.rows("train")["path"]
    paths = paths.iloc[:: max(1, len(paths) // NUM_LOOKED_AT)]
    sizes = np.array([image_size(dataset.folder / path) for path in paths], float)
    ratio = np.median(sizes[:, 0] / sizes[:, 1])
    ratio = float(np.clip(ratio, 1 / 4, 4))
    if at_most is not None:
        pixels = np.clip(np.median(sizes.prod(axis=1)), pixels, at_most)
    height, width = np.sqrt(pixels * ratio), np.sqrt(pixels / ratio)
    sides = np.maximum(1, np.round(np.array([height, width]) / SIDES))
    return int(sides[0]) * SIDES, int(sides[1]) * SIDES


def ahead(make: Callable[..., Batch], jobs: Iterable[tuple]) -> Iterator[Batch]:
    """Calls `make(*job)` in threads, a few jobs ahead, and yields in their order."""
    with image_threads() as pool:
        waiting = deque()
        try:
            for job in jobs:
                waiting.append(pool.submit(make, *job))
                if len(waiting) > BATCHES_AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
