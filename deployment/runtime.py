"""Inspects images with a bundle, without Keras and TensorFlow.

    from deployment.runtime import load_bundle

    inspector = load_bundle("bottle.goodparts")
    verdict = inspector.inspect(image)  # uint8 RGB (height, width, 3) of any size

NumPy, OpenCV, Pillow and OpenVINO (or ONNX Runtime) are all it needs.
"""

import io
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from bovw.bag import class_probabilities, read_bag
from bovw.descriptors import Settings
from decisions.rule import Decision, decide_parts
from deployment.bundle import read_bundle
from deployment.engines import load_network
from deployment.unlike_good import UNKNOWN, Views, is_unknown
from ensemble.combiners import COMBINERS, combine_members
from goodparts.command import InputError
from preprocessing.images import resize


class Verdict(NamedTuple):
    """What is said of an image.

    Attributes:
        decision: "accept", "reject" or "inspect".
        reason: Why, see `decisions.rule`.
        defect_score: Higher is more defective.
        predicted: Name of the most probable class.
        probabilities: float64 `(classes,)`, in the order of the inspector's classes.
    """

    decision: str
    reason: str
    defect_score: float
    predicted: str
    probabilities: np.ndarray


class Inspector(NamedTuple):
    """A loaded model and the lines by which it decides.

    Attributes:
        name: Of the bundle or run.
        sha256: Of the bundle; it changes with any of its files. Empty for a run.
        classes: Names, in the order of the probabilities.
        normal_class: The class of good parts.
        decision: `decisions.rule.Decision`.
        classify: From an image to probabilities `(classes,)`.
        views: `deployment.unlike_good.Views` of good parts; None asks for none.
        false_rejects: Share of good images that are rejected, as validate bounds it.
    """

    name: str
    sha256: str
    classes: list
    normal_class: str
    decision: Decision
    classify: Callable[[np.ndarray], np.ndarray]
    views: Views | None = None
    false_rejects: float = 0.01

    def inspect(self, image):
        """The `Verdict` on an image.

        Args:
            image: uint8 RGB `(height, width, 3)`, of any size.

        Raises:
            ValueError: If it is anything else, or the answer is no number.
        """
        image = np.asarray(image)
        if (
            image.dtype != np.uint8
            or image.ndim != 3
            or image.shape[2] != 3
            or not image.size
        ):
            raise ValueError(
                "image must be uint8 RGB (height, width, 3). Received: "
                f"{image.dtype} {image.shape}."
            )
        probabilities = np.asarray(self.classify(image), np.float64)
        if not np.isfinite(probabilities).all():
            raise ValueError(
                f"The model of {self.name} gave an answer that is no number."
            )
        score = 1.0 - probabilities[self.classes.index(self.normal_class)]
        decided, reasons = decide_parts(self.decision, [score], probabilities[None])
        if decided[0] == "accept" and self.views and is_unknown(image, self.views):
            decided, reasons = ["inspect"], [UNKNOWN]
        return Verdict(
            str(decided[0]),
            str(reasons[0]),
            float(score),
            self.classes[int(probabilities.argmax())],
            probabilities,
        )


def load_bundle(path, *, engine=None):
    """Loads a bundle, checked.

    Args:
        path: Folder `<name>.goodparts`.
        engine: See `engines.load_network`.

    Raises:
        InputError: If it is no bundle, or not as it was exported.
    """
    bundle = read_bundle(path)
    about = bundle.about
    try:
        lines = about["decision"]
        decision = Decision(
            float(lines["accept_below"]),
            float(lines["reject_from"]),
            lines["least_probability"],
        )
        if about["precision"] == "int8":  # engines round it in their own ways
            engine = engine or about["engine"]["name"]
        classify = _load(about["model"], bundle, engine)
    except KeyError as error:
        raise InputError(
            f"{bundle.path}/bundle.json lacks {error}. Export again."
        ) from error
    return Inspector(
        bundle.path.name,
        about["sha256"],
        about["classes"],
        about["normal_class"],
        decision,
        classify,
        _views(about, bundle),
        lines["false_rejects"],
    )


def _views(about, bundle):
    if about["views"] is None:
        return None
    with np.load(
        io.BytesIO(bundle.files[about["views"]]), allow_pickle=False
    ) as arrays:
        return Views(**arrays)


def _load(model, bundle, engine):
    """A function from an image to probabilities, for each kind of model."""
    kinds = {"network": _load_network, "bovw": _load_bag, "ensemble": _load_ensemble}
    return kinds[model["kind"]](model, bundle, engine)


def _load_network(model, bundle, engine):
    network = load_network(bundle.files[model["file"]], engine=engine)
    size = tuple(model["image_size"])
    return lambda image: network(resize(image, size))


def _load_bag(model, bundle, engine):
    settings = model["settings"]
    settings = Settings(
        tuple(settings["image_size"]), settings["features"], settings["points"]
    )
    vocabulary, svm = (
        io.BytesIO(bundle.files[model[name]]) for name in ("vocabulary", "svm")
    )
    bag = read_bag(vocabulary, svm, settings)
    return lambda image: class_probabilities(bag, image[None])[0]


def _load_ensemble(model, bundle, engine):
    members = [_load(member, bundle, engine) for member in model["members"]]
    with np.load(io.BytesIO(bundle.files[model["file"]]), allow_pickle=False) as arrays:
        learnt = dict(arrays)
    classes = bundle.about["classes"]

    def classify(image):
        return combine_members(
            [(None, member(image)[None]) for member in members],
            [member["classes"] for member in model["members"]],
            classes=classes,
            normal_class=bundle.about["normal_class"],
            calibrations=model["calibrations"],
            combiner=COMBINERS[model["combiner"]],
            learnt=learnt,
        )[0]

    return classify
