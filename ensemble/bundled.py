"""The part of a bundle that combines its members."""

import io
import shutil

import numpy as np

from ensemble.combination import Combination, combine_predictions, last_frames
from evaluation.predictor import Prediction
from goodparts.files import read_json


def write(run, folder, prefix, *, precision):
    """Copies what was learnt; returns what `load` needs to know of it.

    Args:
        run: The `Run`.
        folder: Of the bundle.
        prefix: Of the names of its files.
        precision: Has no meaning here: the members hold the networks.
    """
    file = f"{prefix}combiner.npz"
    shutil.copyfile(run.folder / "combiner.npz", folder / file)
    return {
        "combiner": run.config["arguments"]["combine"],
        "calibrations": read_json(run.folder / "calibration.json"),
        "file": file,
    }


def load(model, files, *, members):
    """A function from an image, uint8 RGB of any size, to its `Answer`.

    Args:
        model: What `write` returned, with classes, normal_class and members.
        files: Name -> bytes, of the bundle.
        members: Functions from an image to an `Answer`.
    """
    with np.load(io.BytesIO(files[model["file"]]), allow_pickle=False) as arrays:
        learnt = dict(arrays)
    about = model["members"]
    combination = Combination(
        model["classes"],
        model["normal_class"],
        model["combiner"],
        model["calibrations"],
        learnt,
        [each["map_range"] for each in about if each["map_range"] is not None],
    )

    def answer(image):
        said = [
            _alone(member(last_frames(image[None], each["num_frames"])[0]))
            for member, each in zip(members, about, strict=True)
        ]
        classes = [each["classes"] for each in about]
        return combine_predictions(combination, said, classes).answers()[0]

    return answer


def _alone(answer):
    """An `Answer` as the `Prediction` of a batch of one."""
    arrays = (None if each is None else np.asarray(each)[None] for each in answer[:3])
    found = None if answer.instances is None else [answer.instances]
    return Prediction(*arrays, found)
