"""The part of a bundle that is a Gaussian per pixel."""

import io
import shutil

import numpy as np

from evaluation.predictor import Answer
from preprocessing.images import resize
from tiny_maps.gaussian import SIZE, anomaly_maps


def write(run, folder, prefix, *, precision):
    shutil.copyfile(run.folder / "gaussian.npz", folder / f"{prefix}gaussian.npz")
    return {"file": f"{prefix}gaussian.npz"}


def load(model, files, *, engine=None):
    with np.load(io.BytesIO(files[model["file"]]), allow_pickle=False) as arrays:
        learnt = dict(arrays)

    def answer(image):
        found = anomaly_maps(resize(image, SIZE)[None], learnt)[0]
        return Answer(found.max(), anomaly_map=found)

    return answer
