"""The part of a bundle that is a bag of visual words."""

import io
import shutil

from bovw.bag import class_probabilities, read_bag
from bovw.descriptors import Settings
from evaluation.predictor import classifier_prediction

FILES = ("vocabulary", "svm")


def write(run, folder, prefix, *, precision):
    """Copies vocabulary and SVM; returns what `load` needs to know of them.

    Args:
        run: The `Run`.
        folder: Of the bundle.
        prefix: Of the names of its files.
        precision: Has no meaning here: there is no network.
    """
    files = {name: f"{prefix}{name}.npz" for name in FILES}
    for name, file in files.items():
        shutil.copyfile(run.folder / f"{name}.npz", folder / file)
    arguments = run.config["arguments"]
    settings = {name: arguments[name] for name in ("image_size", "features", "points")}
    return {**files, "settings": settings}


def load(model, files, *, engine=None):
    """A function from an image, uint8 RGB of any size, to its `Answer`.

    Args:
        model: What `write` returned, with classes and normal_class.
        files: Name -> bytes, of the bundle.
        engine: Has no meaning here.
    """
    settings = model["settings"]
    bag = read_bag(
        *(io.BytesIO(files[model[name]]) for name in FILES),
        Settings(
            tuple(settings["image_size"]), settings["features"], settings["points"]
        ),
    )

    def answer(image):
        found = class_probabilities(bag, image[None])
        classes, normal_class = model["classes"], model["normal_class"]
        return classifier_prediction(found, classes, normal_class).answers()[0]

    return answer
