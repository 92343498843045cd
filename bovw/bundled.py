"""The part of a bundle for a bag of visual words."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bovw.bag import class_probabilities, read_bag
from bovw.descriptors import FEATURES, POINTS, Settings
from evaluation.predictor import classifier_prediction
from goodparts.arrays import NamedBytes
from goodparts.fields import (
    check_choice,
    check_file,
    check_image_size,
    check_object,
    refuse,
)

if TYPE_CHECKING:
    import numpy as np

    from evaluation.predictor import Answer
    from evaluation.run_folder import Run

FILES = ("vocabulary", "svm")


def write(run: Run, folder: Path, prefix: str, *, precision: str) -> dict[str, Any]:
    """Copies vocabulary and SVM; returns what `load` needs to know about them.

    Args:
        run: The finished run.
        folder: Folder of the bundle.
        prefix: Prefix of the names of its files.
        precision: Ignored, because there is no network.
    """
    files = {name: f"{prefix}{name}.npz" for name in FILES}
    for name, file in files.items():
        shutil.copyfile(run.folder / f"{name}.npz", folder / file)
    arguments = run.config["arguments"]
    settings = {name: arguments[name] for name in ("image_size", "features", "points")}
    return {**files, "settings": settings}


def check(model: dict[str, Any], where: str, files: Container[str]) -> None:
    """Raises InputError unless `model` has the form that `write` returns.

    Args:
        model: The content of bundle.json, with classes and normal_class.
        where: Name of the part in error messages.
        files: The files of the bundle, by name.
    """
    check_object(model, where, *FILES, "settings")
    for name in FILES:
        check_file(model[name], f"{where}.{name}", files)
    settings, where = model["settings"], f"{where}.settings"
    check_object(settings, where, "image_size", "features", "points")
    check_image_size(settings["image_size"], f"{where}.image_size")
    check_choice(settings["features"], f"{where}.features", FEATURES)
    check_choice(settings["points"], f"{where}.points", POINTS)


def load(
    model: Mapping[str, Any], files: Mapping[str, bytes], *, engine: str | None = None
) -> Callable[[np.ndarray], Answer]:
    """Returns a function from an image, uint8 RGB of any size, to its `Answer`.

    Args:
        model: What `write` returned, with classes and normal_class.
        files: Name -> bytes, of the bundle.
        engine: Ignored, because there is no network.
    """
    settings = model["settings"]
    vocabulary, machine = (
        NamedBytes(model[name], files[model[name]]) for name in FILES
    )
    bag = read_bag(
        vocabulary,
        machine,
        Settings(
            tuple(settings["image_size"]), settings["features"], settings["points"]
        ),
    )

    if bag.svm.classes.tolist() != model["classes"]:
        refuse(f"classes in {model['svm']}", model["classes"], bag.svm.classes.tolist())

    def answer(image):
        found = class_probabilities(bag, image[None])
        classes, normal_class = model["classes"], model["normal_class"]
        return classifier_prediction(found, classes, normal_class).answers()[0]

    return answer
