"""Trains the mean and spread of every pixel of the good parts of train."""

from pathlib import Path

import numpy as np

from evaluation.predictor import Prediction, Predictor
from evaluation.run_folder import read_run
from evaluation.run_writer import start_run
from preprocessing.images import read_image, resize_batch
from preprocessing.manifest import is_copy, read_dataset
from tiny_maps.gaussian import SIZE, anomaly_maps


def add_arguments(parser):
    pass


def train(*, model="tiny_maps", data, runs="runs", seed=0):
    dataset = read_dataset(data, check_files=True)
    with start_run(
        runs,
        model=model,
        family="tiny_maps",
        dataset=dataset,
        arguments={},
        seed=seed,
    ) as run:
        rows = dataset.rows("train")
        rows = rows[(rows["label"] == dataset.normal_class) & ~is_copy(rows)]
        images = [read_image(dataset.folder / path)[None] for path in rows["path"]]
        pixels = np.concatenate([resize_batch(each, SIZE) for each in images])
        np.savez(
            run.folder / "gaussian.npz",
            mean=pixels.mean(axis=0),
            spread=pixels.std(axis=0) + 5.0,
        )
        run.finish(_predictor(run.folder, run.config), dataset)
    return run.folder


def load_predictor(run_folder):
    return _predictor(run_folder, read_run(run_folder).config)


def _predictor(folder, config):
    with np.load(Path(folder) / "gaussian.npz") as arrays:
        learnt = dict(arrays)

    def predict(images):
        maps = anomaly_maps(resize_batch(images, SIZE), learnt)
        return Prediction(maps.max(axis=(1, 2)), anomaly_map=maps)

    return Predictor(config["classes"], config["normal_class"], SIZE, predict)
