"""The part of a bundle that is a Gaussian per pixel."""

import shutil

from evaluation.predictor import Answer
from goodparts.arrays import NamedBytes, check_arrays, read_arrays
from goodparts.fields import check_file, check_object
from preprocessing.images import resize
from tiny_maps.gaussian import SIZE, anomaly_maps

SHAPES = {name: ("height", "width", "channels") for name in ("mean", "spread")}


def write(run, folder, prefix, *, precision):
    shutil.copyfile(run.folder / "gaussian.npz", folder / f"{prefix}gaussian.npz")
    return {"file": f"{prefix}gaussian.npz"}


def check(model, where, files):
    check_object(model, where, "file")
    check_file(model["file"], f"{where}.file", files)


def load(model, files, *, engine=None):
    learnt = read_arrays(NamedBytes(model["file"], files[model["file"]]))
    sizes = {"height": SIZE[0], "width": SIZE[1], "channels": 3}
    check_arrays(learnt, SHAPES, model["file"], sizes=sizes)

    def answer(image):
        found = anomaly_maps(resize(image, SIZE)[None], learnt)[0]
        return Answer(found.max(), anomaly_map=found)

    return answer
