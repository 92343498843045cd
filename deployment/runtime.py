"""Inspects images with a bundle, without Keras and TensorFlow.

    from deployment.runtime import load_bundle

    inspector = load_bundle("bottle.goodparts")
    verdict = inspector.inspect(image)  # uint8 RGB (height, width, 3) of any size

NumPy, OpenCV, Pillow and OpenVINO (or ONNX Runtime) are all it needs.
"""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from decisions.rule import Decision, decide_parts
from deployment.bundle import ABOUT, ORDER, read_bundle
from deployment.bundle_schema import check_about
from deployment.trial import check_answer, trial_image, within
from deployment.trust import Trust
from deployment.unlike_good import UNKNOWN, VIEW_SHAPES, VIEW_VALUES, Views, is_unknown
from evaluation.predictor import Answer, Instances, shown
from goodparts.arrays import NamedBytes, check_arrays, read_arrays
from goodparts.command import InputError
from models import bundled

NO_DECISION = "there is no class of good parts"
LOAD_S = 60.0  # to load a bundle and try it on one image


class Verdict(NamedTuple):
    """The result for an image; a field is None if the model does not have it.

    Attributes:
        decision: "accept", "reject" or "inspect"; "" if there is no class of good
            parts.
        reason: The reason, see `decisions.rule`.
        defect_score: Higher is more defective.
        predicted: Name of the most probable class, or of the most certain instance.
        probabilities: float64 `(classes,)`, in the order of the inspector's classes.
        anomaly_map: `(height, width)`, at the resolution of the model.
        instances: Those at or above the score threshold of their class, in pixels of
            the image.
        all_instances: All that were found, for COCO results.
    """

    decision: str
    reason: str
    defect_score: float | None
    predicted: str | None = None
    probabilities: np.ndarray | None = None
    anomaly_map: np.ndarray | None = None
    instances: Instances | None = None
    all_instances: Instances | None = None


class Inspector(NamedTuple):
    """A loaded model and the thresholds by which it decides.

    Attributes:
        name: Name of the bundle or run.
        sha256: Hash of the bundle, which depends on all its files; empty for a run.
        classes: Names, in the order of the probabilities.
        normal_class: The class of good parts.
        decision: The thresholds; None if there is no class of good parts.
        answer: From an image, or a clip where `num_frames` is more than 1, to its
            `Answer`.
        views: `unlike_good.Views` of good parts, by which unfamiliar parts are found;
            None turns this check off.
        false_rejects: Expected fraction of good images that are rejected, from
            validate.
        num_frames: Frames in a clip.
        map_range: Map values that are drawn without colour and in full colour, see
            `anomaly_maps.heat`; None without maps.
        bit_depth: Bit depth of the camera, for image files of more than 8 bits; None
            where the images it was trained on had 8.
        instance_scores: Score threshold of each class of instances; None for none.
    """

    name: str
    sha256: str
    classes: list[str]
    normal_class: str | None
    decision: Decision | None
    answer: Callable[[np.ndarray], Answer]
    views: Views | None = None
    false_rejects: float = 0.01
    num_frames: int = 1
    map_range: list[float] | None = None
    bit_depth: int | None = None
    instance_scores: dict[str, float] | None = None

    def inspect(self, image: np.ndarray) -> Verdict:
        """Returns the `Verdict` on an image.

        Args:
            image: uint8 RGB `(height, width, 3)` of any size, or for a model of clips
                `(frames, height, width, 3)`, the newest last. A still image, or a clip
                that is short, is filled up with its first frame.

        Raises:
            ValueError: If the image is anything else, or the model returned NaN or
                infinity.
        """
        image = self._checked(image)
        answer = self.answer(image)
        if not all(_is_finite(value) for value in answer[:3]):
            raise ValueError(f"The model of {self.name} returned NaN or infinity.")
        decision, reason = self.decide(answer)
        newest = image[-1] if self.num_frames > 1 else image
        if decision == "accept" and self.is_unlike_good(newest):
            decision, reason = "inspect", UNKNOWN
        every = answer.instances
        kept = None if every is None else shown(every, self.instance_scores)
        predicted = None
        if answer.probabilities is not None:
            predicted = self.classes[int(answer.probabilities.argmax())]
        elif kept is not None and kept.labels:
            predicted = kept.labels[0]
        return Verdict(
            decision,
            reason,
            None if answer.defect_score is None else float(answer.defect_score),
            predicted,
            answer.probabilities,
            answer.anomaly_map,
            kept,
            every,
        )

    def decide(self, answer: Answer) -> tuple[str, str]:
        """Decision and reason by the thresholds only, without the check of views."""
        if self.decision is None:
            return "", NO_DECISION
        probabilities = answer.probabilities
        decided, reasons = decide_parts(
            self.decision,
            np.asarray([answer.defect_score], np.float64),
            None if probabilities is None else probabilities[None],
        )
        return str(decided[0]), str(reasons[0])

    def is_unlike_good(self, image: np.ndarray) -> bool:
        """Whether an image is unlike every good part in the training data."""
        return self.views is not None and is_unknown(image, self.views)

    def _checked(self, image):
        image = np.asarray(image)
        clip = image[None] if image.ndim == 3 else image
        if (
            image.dtype != np.uint8
            or clip.ndim != 4
            or clip.shape[3] != 3
            or not image.size
            or len(clip) > self.num_frames
        ):
            raise ValueError(
                "image must be uint8 RGB (height, width, 3), or a clip of at most "
                f"{self.num_frames} of them. Received: {image.dtype} {image.shape}."
            )
        if self.num_frames == 1:
            return clip[0]
        missing = self.num_frames - len(clip)
        return np.concatenate([np.repeat(clip[:1], missing, axis=0), clip])


def deep(bit_depth: int) -> int | None:
    """The bit depth of image files with more than 8 bits; None for 8."""
    return bit_depth if bit_depth > 8 else None


def _is_finite(value):
    return value is None or np.isfinite(value).all()


def load_bundle(
    path: str | os.PathLike[str],
    *,
    engine: str | None = None,
    trust: Trust | None = None,
) -> Inspector:
    """Loads a bundle after checking its files and fields, and tries it on one image.

    Args:
        path: Folder `<name>.goodparts`.
        engine: See `networks.engines.load_network`.
        trust: Required origin of the bundle; None for no requirement.

    Raises:
        InputError: If it is not a bundle, was changed after the export, is not the
            required one, does not return the stated outputs, or takes longer than
            LOAD_S.
    """
    bundle = read_bundle(path, trust=trust)
    try:
        check_about(bundle.about)
    except InputError as error:
        raise InputError(f"{bundle.path / ABOUT}: {error} {ORDER}") from error
    return within(LOAD_S, bundle.path, lambda: _tried(bundle, engine))


def _tried(bundle, engine):
    """The `Inspector` of a checked bundle, after it has inspected the trial image."""
    about, model = bundle.about, bundle.about["model"]
    lines = about["decision"]
    if about["precision"] == "int8":  # engines round it in their own ways
        engine = engine or about["engine"]["name"]
    inspector = Inspector(
        bundle.path.name,
        about["sha256"],
        model["classes"],
        model["normal_class"],
        Decision(
            float(lines["accept_below"]),
            float(lines["reject_from"]),
            lines["least_probability"],
        ),
        load_part(model, bundle.files, engine),
        _views(about["views"], bundle.files),
        lines["false_rejects"],
        model["num_frames"],
        model["map_range"],
        deep(about["bit_depth"]),
        lines.get("instance_scores"),
    )
    image = trial_image(inspector.num_frames)
    answer = inspector.answer(image)
    check_answer(answer, model["outputs"], model["classes"], inspector.num_frames)
    inspector.inspect(image)
    return inspector


def load_part(
    model: dict[str, Any], files: dict[str, bytes], engine: str | None = None
) -> Callable[[np.ndarray], Answer]:
    """Loads a model with all its members as a function from an image to its `Answer`.

    Args:
        model: The part of bundle.json about the model.
        files: Name -> bytes.
        engine: See `networks.engines.load_network`.
    """
    load = bundled(model["family"]).load
    if "members" not in model:
        return load(model, files, engine=engine)
    members = [load_part(member, files, engine) for member in model["members"]]
    return load(model, files, members=members)


def _views(name, files):
    if name is None:
        return None
    arrays = read_arrays(NamedBytes(name, files[name]), *Views._fields)
    check_arrays(arrays, VIEW_SHAPES, name, sizes={"values": VIEW_VALUES})
    return Views(**arrays)
