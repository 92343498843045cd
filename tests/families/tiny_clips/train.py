"""Trains nothing: the score of a clip is the mean redness of its frames."""

import numpy as np

from evaluation.predictor import Prediction, Predictor
from evaluation.run_folder import read_run
from evaluation.run_writer import start_run
from preprocessing.images import resize_batch
from preprocessing.manifest import read_dataset

SIZE = (24, 24)
NUM_FRAMES = 3


def add_arguments(parser):
    pass


def train(*, model="tiny_clips", data, runs="runs", seed=0):
    dataset = read_dataset(data, check_files=True)
    with start_run(
        runs,
        model=model,
        family="tiny_clips",
        dataset=dataset,
        arguments={},
        seed=seed,
    ) as run:
        run.finish(_predictor(run.config), dataset)
    return run.folder


def load_predictor(run_folder):
    return _predictor(read_run(run_folder).config)


def _predictor(config):
    def predict(clips):
        return Prediction(np.array([redness(clip) for clip in clips]))

    return Predictor(
        config["classes"],
        config["normal_class"],
        SIZE,
        predict,
        num_frames=NUM_FRAMES,
    )


def redness(clip):
    """Mean over the frames `(frames, height, width, 3)` of the reddest pixels."""
    clip = resize_batch(clip, SIZE)
    red = clip[..., 0].astype(int) - clip[..., 1]
    return float(np.percentile(red, 98, axis=(1, 2)).mean() / 255)
