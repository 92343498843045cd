"""Trains an autoencoder on good parts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from anomaly.autoencoders.architectures import ARCHITECTURES, build_autoencoder
from anomaly.autoencoders.losses import LOSSES
from anomaly.autoencoders.residual import Residual, patch_starts, target_of
from anomaly.bundled import LEARNT, NETWORK
from anomaly.job import Job, rows_in_view
from anomaly.synthetic_defects import stain
from anomaly.view import look
from evaluation.plots.learning_rate import rate_plot
from evaluation.plots.style import save_plot
from goodparts.files import write_csv
from networks.epochs import Batches, num_batches, order
from networks.optimizer import warm_up_and_cosine
from networks.quiet_keras import keras
from networks.rate_finder import choose_rate, find_rate
from networks.repeatable import make_reproducible
from networks.training import Stage, fit
from networks.writing import export_model
from preprocessing.augmenting.augmentation import augment, geometry_and_light
from preprocessing.datasets import ImageStore, training_batches
from preprocessing.images import read_image
from preprocessing.splitting.split import hold_out

STEPS = 1000  # of a training, where the number of epochs is not given
PATCHES = 8  # of an image in a batch
MAX_JUDGED = 100  # held-out images that the epochs are compared on
ROTATION, BRIGHTNESS = 3, (0.95, 1.05)  # of the augmentation, degrees and factors


def learn(job: Job) -> None:
    """Trains the network, and writes it with what measures the residual."""
    make_reproducible(job.seed)
    about, view = job.arguments, job.view
    side = min(about.get("patch_size", 0), *view.size)
    images = _Images(job, side)
    num_channels = 3 if about["colours"] == "rgb" else 1
    size = (side, side) if side else view.size
    model = build_autoencoder(job.model, size, num_channels)
    job.about["num_parameters"] = model.count_params()
    stage = _stage(about, images)
    batches = _batches(job, images, num_channels)
    if about["find_lr"]:
        rate = _found_rate(job, model, stage, batches)
        job.note(f"the learning rate finder chose {rate:.2g}")
        stage = stage._replace(head_rate=rate, features_rate=rate)
    fit(
        model,
        stage,
        batches=batches,
        judge=lambda: {"val_loss": _held_loss(model, stage, images, num_channels)},
        seed=job.seed,
        checkpoint=job.checkpoints and job.checkpoints / "autoencoder.npz",
        tell_history=job.tell_history,
    )
    export_model(model, job.folder / NETWORK)
    weight = float(about["residual"] == "ssim")
    residual = Residual(np.array(weight, np.float32), np.array(side, np.float32))
    np.savez(job.folder / LEARNT, **residual._asdict())


class _Images:
    """The canvases of good parts, some of them held out.

    Args:
        job: The training.
        side: Of patches in pixels; 0 for none.
    """

    def __init__(self, job: Job, side: int):
        def read(path):
            canvas = look(job.view, read_image(path))
            if canvas is None:
                raise ValueError(f"{path} showed a part before")
            return canvas.pixels

        rows = rows_in_view(job)
        held = hold_out(rows["label"], rows["group"], seed=job.seed)
        paths = [job.dataset.folder / path for path in rows["path"]]
        self.side = side
        self.store = ImageStore(paths, job.view.size, read=read)
        self.kept = np.flatnonzero(~held)
        self.judged = np.flatnonzero(held)[:MAX_JUDGED]
        self.batch_size = min(job.arguments["batch_size"], len(self.kept))

    def held_batches(self) -> Iterator[np.ndarray]:
        """Held-out canvases, or the patches of each, all batches of one size but the
        last."""
        if self.side:
            rows, columns = (
                patch_starts(length, self.side) for length in self.store.image_size
            )
            for index in self.judged:
                image = self.store.get(index)
                cut = [_patch(image, y, x, self.side) for y in rows for x in columns]
                yield np.stack(cut)
            return
        for start in range(0, len(self.judged), self.batch_size):
            yield self.store.batch(self.judged[start : start + self.batch_size])


def _stage(about, images):
    count = num_batches(len(images.kept), images.batch_size)
    epochs = about["epochs"] or max(4, round(STEPS / count))
    return Stage(
        name="autoencoder",
        epochs=epochs,
        num_batches=count,
        head_rate=about["learning_rate"],
        features_rate=about["learning_rate"],
        schedule=warm_up_and_cosine(epochs),
        loss=LOSSES[about["loss"]],
        metrics=(),
        patience=max(5, epochs // 3),
    )


def _batches(job: Job, images: _Images, num_channels: int) -> Batches:
    """Canvases or patches, with stains where the architecture wants them, and what is
    to be rebuilt of them.
    """
    has_stains = ARCHITECTURES[job.model].has_stains
    gentle = geometry_and_light(
        flips=("none",), rotation=ROTATION, brightness=BRIGHTNESS
    )

    def change(image, seed):
        return augment(gentle, image, [], seed)[0]

    def batches(epoch):
        each = order(images.kept, images.batch_size, seed=job.seed, epoch=epoch)
        made = training_batches(
            images.store,
            np.arange(len(images.store)),
            [each],
            augment=change,
            seed=[job.seed, epoch, 1],
        )
        for step, (shown, _) in enumerate(made):
            random = np.random.default_rng([job.seed, epoch, 2, step])
            if images.side:
                shown = _random_patches(shown, images.side, random)
            inputs = shown
            if has_stains:
                inputs = np.stack([stain(image, random) for image in shown])
            weights = np.ones(len(shown), np.float32)
            yield inputs, target_of(shown, num_channels), weights

    return batches


def _random_patches(images, side, random):
    height, width = images.shape[1:3]
    return np.stack(
        [
            _patch(
                image,
                random.integers(height - side + 1),
                random.integers(width - side + 1),
                side,
            )
            for image in images
            for _ in range(PATCHES)
        ]
    )


def _patch(image, top, left, side):
    return image[top : top + side, left : left + side]


def _held_loss(model, stage, images, num_channels):
    """The mean loss of the held-out images."""
    total, count, size = 0.0, 0, None
    for shown in images.held_batches():
        size = size or len(shown)
        filled = np.resize(shown, (size, *shown.shape[1:]))  # one shape is compiled
        rebuilt = model.predict_on_batch(filled)[: len(shown)]
        losses = keras.ops.convert_to_numpy(
            stage.loss(target_of(shown, num_channels), rebuilt)
        )
        total += float(losses.sum())
        count += len(shown)
    return total / count


def _found_rate(job: Job, model: keras.Model, stage: Stage, batches: Batches) -> float:
    """The rate that the finder chooses; of a resumed training, that of before."""
    table = job.folder / "learning_rate.csv"
    if not table.is_file():
        _, curve = find_rate(model, stage, batches)
        write_csv(table, pd.DataFrame(curve._asdict()))
    found = pd.read_csv(table)
    rate = choose_rate(found["rates"].to_numpy(), found["losses"].to_numpy())
    figure = rate_plot(found["rates"], found["losses"], rate)
    save_plot(figure, job.folder / "plots" / "learning_rate.png")
    return rate
