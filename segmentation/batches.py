"""Batches of truths for the training: order, augmentation, padding and targets.

A batch depends only on the seed and its place, not on timing: a training that is
resumed sees the same.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from preprocessing.augmenting.augmentation import Augmentation, geometry_and_light
from preprocessing.datasets import ahead
from preprocessing.manifest import Dataset
from segmentation.canvas import on_canvas
from segmentation.targets import sample_anchors
from segmentation.truth import Truth, TruthStore, augmented

LEAST_BATCHES = 15  # of an epoch
MOST_TRUTHS = 100  # instances of an image that are learnt from
GENTLE_ROTATION, GENTLE_BRIGHTNESS = 10, (0.8, 1.2)

Batch = dict[str, np.ndarray]


def loop_augmentation(dataset: Dataset) -> Augmentation:
    """Flips and small changes of brightness; those of `goodparts augment` if it ran.

    Rotations of the latter are limited to GENTLE_ROTATION degrees.
    """
    recipe = dataset.info.get("augmentation")
    if not recipe:
        return geometry_and_light(rotation=0, brightness=GENTLE_BRIGHTNESS)
    return geometry_and_light(
        flips=("none", *recipe["flips"]),
        rotation=min(recipe["rotation"], GENTLE_ROTATION),
        brightness=np.clip(recipe["brightness"], *GENTLE_BRIGHTNESS).tolist(),
    )


def epoch_order(
    is_defective: np.ndarray, batch_size: int, *, seed: int, epoch: int
) -> np.ndarray:
    """The batches of an epoch, all of one size.

    Every image with a defect comes once, and as many of the good ones, other ones in
    every epoch, where there are more of them. Short epochs are repeated.

    Args:
        is_defective: Bool `(images,)`, of the images to train on.
        batch_size: Images in a batch.
        seed, epoch: Decide the order.

    Returns:
        Positions, `(batches, batch_size)`.
    """
    random = np.random.default_rng([seed, epoch])
    bad, good = np.flatnonzero(is_defective), np.flatnonzero(~is_defective)
    num_images = len(bad) + min(len(bad), len(good))
    num_batches = batches_of_epoch(is_defective, batch_size)
    passes = -(-num_batches * batch_size // num_images)
    order = [
        random.permutation([*bad, *random.permutation(good)[: len(bad)]])
        for _ in range(passes)
    ]
    flat = np.concatenate(order).astype(int)[: num_batches * batch_size]
    return flat.reshape(num_batches, batch_size)


def batches_of_epoch(is_defective: np.ndarray, batch_size: int) -> int:
    """Number of batches in an epoch, see `epoch_order`."""
    num_bad = int(is_defective.sum())
    num_images = num_bad + min(num_bad, len(is_defective) - num_bad)
    return max(LEAST_BATCHES, -(-num_images // batch_size))


def truth_batch(
    truths: list[Truth],
    canvas: tuple[int, int],
    anchors: np.ndarray,
    *,
    num_truths: int,
    noise_length: int,
    seeds: list[int],
) -> Batch:
    """What `Trainer` takes.

    Args:
        truths: Of the images, each of a size of its own.
        canvas: `(height, width)`.
        anchors: `(anchors, 4)`.
        num_truths: Instances of an image that there is room for; more are left out.
        noise_length: See `trainer.noise_length`.
        seeds: Of the samples, one for each image.
    """
    count = len(truths)
    batch: Batch = {
        "images": np.stack([on_canvas(truth.image, canvas) for truth in truths]),
        "sizes": np.array([truth.image.shape[:2] for truth in truths], np.float32),
        "boxes": np.zeros((count, num_truths, 4), np.float32),
        "labels": np.zeros((count, num_truths), np.int32),
        "masks": np.zeros((count, num_truths, *canvas), np.uint8),
        "has_outline": np.zeros((count, num_truths), np.float32),
    }
    samples, noise = [], []
    for row, (truth, seed) in enumerate(zip(truths, seeds, strict=True)):
        random = np.random.default_rng(seed)
        boxes = truth.boxes()
        used = min(num_truths, len(boxes))
        height, width = truth.image.shape[:2]
        batch["boxes"][row, :used] = boxes[:used]
        batch["labels"][row, :used] = truth.labels[:used]
        batch["masks"][row, :used, :height, :width] = truth.masks[:used]
        batch["has_outline"][row, :used] = truth.has_outline[:used]
        samples.append(sample_anchors(boxes, anchors, random))
        noise.append(random.random(noise_length, np.float32))
    places, label, target = (np.stack(part) for part in zip(*samples, strict=True))
    return batch | {
        "anchor_index": places,
        "anchor_label": label,
        "anchor_target": target,
        "noise": np.stack(noise),
    }


class TruthBatches:
    """The batches of a data set, made in threads ahead of the training step.

    Args:
        store: Of all images.
        anchors: `(anchors, 4)`.
        noise_length: A function from the room for truths to `trainer.noise_length`.
        augmentation: Of the images that are trained on.
        seed: The one seed.
    """

    def __init__(
        self,
        store: TruthStore,
        anchors: np.ndarray,
        *,
        noise_length: int,
        num_truths: int,
        augmentation: Augmentation,
        seed: int,
    ):
        self._store, self._anchors = store, anchors
        self._sizes = {"num_truths": num_truths, "noise_length": noise_length}
        self._augmentation, self._seed = augmentation, seed

    def train(self, order: np.ndarray, epoch: int) -> Iterator[Batch]:
        """Augmented batches of positions `(batches, batch_size)`."""
        random = np.random.default_rng([self._seed, epoch, 1])
        seeds = random.integers(2**31, size=(*order.shape, 2))
        jobs = ((rows, each) for rows, each in zip(order, seeds.tolist(), strict=True))
        yield from ahead(self._augmented_batch, jobs)

    def judge(self, positions: np.ndarray, batch_size: int) -> Iterator[Batch]:
        """Batches of images as they are, always with the same samples.

        The last batch is filled up with images of the first.
        """
        count = -(-len(positions) // batch_size)
        rows = np.resize(positions, (count, batch_size))
        yield from ahead(self._plain_batch, ((each,) for each in rows))

    def _augmented_batch(self, rows, seeds):
        truths = [
            augmented(self._store.get(row), self._augmentation, seed)
            for row, (seed, _) in zip(rows, seeds, strict=True)
        ]
        return self._batch(truths, [seed for _, seed in seeds])

    def _plain_batch(self, rows):
        truths = [self._store.get(row) for row in rows]
        return self._batch(truths, [int(row) for row in rows])

    def _batch(self, truths, seeds):
        return truth_batch(
            truths, self._store.canvas, self._anchors, seeds=seeds, **self._sizes
        )
