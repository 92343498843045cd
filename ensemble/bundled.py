"""The part of a bundle for an ensemble, which combines its members."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ensemble.calibration import check_calibration
from ensemble.combination import Combination, combine_predictions, last_frames
from ensemble.combiners import COMBINERS, check_learnt
from evaluation.predictor import Prediction
from goodparts.arrays import NamedBytes, read_arrays
from goodparts.fields import check_choice, check_file, check_list, check_object, refuse
from goodparts.files import read_json

if TYPE_CHECKING:
    from evaluation.predictor import Answer
    from evaluation.run_folder import Run


def write(run: Run, folder: Path, prefix: str, *, precision: str) -> dict[str, Any]:
    """Copies the fitted arrays; returns what `load` needs to know about them.

    Args:
        run: The finished run.
        folder: Folder of the bundle.
        prefix: Prefix of the names of its files.
        precision: Ignored, because the members contain the networks.
    """
    file = f"{prefix}combiner.npz"
    shutil.copyfile(run.folder / "combiner.npz", folder / file)
    return {
        "combiner": run.config["arguments"]["combine"],
        "calibrations": read_json(run.folder / "calibration.json"),
        "file": file,
    }


def check(model: dict[str, Any], where: str, files: Container[str]) -> None:
    """Raises InputError unless `model` has the form that `write` returns.

    Args:
        model: The content of bundle.json, with classes, normal_class and members, which
            were checked.
        where: Name of the part in error messages.
        files: The files of the bundle, by name.
    """
    check_object(model, where, "combiner", "calibrations", "file")
    check_choice(model["combiner"], f"{where}.combiner", COMBINERS)
    check_file(model["file"], f"{where}.file", files)
    members, calibrations = model["members"], model["calibrations"]
    check_list(calibrations, f"{where}.calibrations", len(members), len(members))
    num_classifiers = sum("classes" in member["outputs"] for member in members)
    for number, calibration in enumerate(calibrations):
        is_detector = number >= num_classifiers
        num_classes = None if is_detector else len(model["classes"])
        at = f"{where}.calibrations[{number}]"
        check_calibration(calibration, at, num_classes=num_classes)
    for number, member in enumerate(members):
        at = f"{where}.members[{number}]"
        if sorted(member["classes"]) != sorted(model["classes"]):
            refuse(
                f"{at}.classes", "the same as those of the ensemble", member["classes"]
            )
        if member["num_frames"] > model["num_frames"]:
            most = f"at most {model['num_frames']}, as for the ensemble"
            refuse(f"{at}.num_frames", most, member["num_frames"])


def load(
    model: Mapping[str, Any],
    files: Mapping[str, bytes],
    *,
    members: Sequence[Callable[[np.ndarray], Answer]],
) -> Callable[[np.ndarray], Answer]:
    """Returns a function from an image, uint8 RGB of any size, to its `Answer`.

    Args:
        model: What `write` returned, with classes, normal_class and members.
        files: Name -> bytes, of the bundle.
        members: Functions from an image to an `Answer`.
    """
    about = model["members"]
    learnt = read_arrays(NamedBytes(model["file"], files[model["file"]]))
    num_classifiers = sum("classes" in each["outputs"] for each in about)
    check_learnt(
        learnt,
        model["combiner"],
        model["file"],
        num_classifiers=num_classifiers,
        num_detectors=len(about) - num_classifiers,
        num_classes=len(model["classes"]),
    )
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
