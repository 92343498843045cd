"""The interface of all predictors, of any family.

It only needs NumPy, so that bundles can use it too. `predictions.py` writes what it
returns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

OUTPUTS = ("score", "classes", "map", "instances", "clips")  # of config["outputs"]


class Instances(NamedTuple):
    """The defects found in one image, in pixels of the image that was given.

    Attributes:
        boxes: `(n, 4)`: x, y of the upper left corner, width, height.
        scores: `(n,)`, in `[0, 1]`, the most certain first.
        labels: n class names.
        masks: Bool `(n, height, width)`; None where only boxes are known.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: list[str]
    masks: np.ndarray | None = None

    def subset(self, indices: np.ndarray) -> Instances:
        """The instances at these indices, in their order."""
        return Instances(
            self.boxes[indices],
            self.scores[indices],
            [self.labels[index] for index in indices],
            None if self.masks is None else self.masks[indices],
        )


class Answer(NamedTuple):
    """The output for one image; a field is None if the family does not have it.

    Attributes:
        defect_score: Higher is more defective; None if there is no class of good parts.
        probabilities: `(classes,)`, in the order of the classes.
        anomaly_map: `(height, width)` at the resolution of the model, higher is more
            anomalous.
        instances: In pixels of the image.
    """

    defect_score: float | None
    probabilities: np.ndarray | None = None
    anomaly_map: np.ndarray | None = None
    instances: Instances | None = None


class Prediction(NamedTuple):
    """The output for a batch: the fields of `Answer`, batch first.

    Attributes:
        defect_score: `(batch,)` or None.
        probabilities: `(batch, classes)` or None.
        anomaly_map: `(batch, height, width)` or None.
        instances: One for each image, or None.
    """

    defect_score: np.ndarray | None
    probabilities: np.ndarray | None = None
    anomaly_map: np.ndarray | None = None
    instances: list[Instances] | None = None

    def answers(self) -> list[Answer]:
        """The `Answer` on each image of the batch."""
        count = next(len(column) for column in self if column is not None)
        columns = ([None] * count if column is None else column for column in self)
        return [Answer(*values) for values in zip(*columns, strict=True)]


class Predictor(NamedTuple):
    """A loaded model, ready to inspect.

    Attributes:
        classes: Class names, in the order of the probabilities.
        normal_class: The class of good parts; None if there is none.
        image_size: `(height, width)` of the model: images should be resized to it;
            other sizes are resized inside. None if it needs images in their own size,
            as a family with instances does, whose boxes and masks are in their pixels.
        predict: Takes uint8 RGB images `(batch, height, width, 3)`, or clips
            `(batch, num_frames, height, width, 3)` where `num_frames` is more than 1;
            returns a `Prediction`, of a clip on its last frame.
        explain: Takes images of one size and a class name for each, and returns maps
            `(batch, height, width)` of 0 to 1 of the regions that support this class;
            None if the family has none.
        num_frames: Frames in a clip; a still image is a clip of one.
        compared: Takes an image, returns pictures with captions of what it was compared
            with, such as its reconstruction; may be empty. None if the family has none.
    """

    classes: list[str]
    normal_class: str | None
    image_size: tuple[int, int] | None
    predict: Callable[[np.ndarray], Prediction]
    explain: Callable[[np.ndarray, list[str]], np.ndarray] | None = None
    num_frames: int = 1
    compared: Callable[[np.ndarray], list[tuple[np.ndarray, str]]] | None = None


def classifier_prediction(
    probabilities: npt.ArrayLike, classes: Sequence[str], normal_class: str | None
) -> Prediction:
    """A classifier's `Prediction`: the defect score is 1 - P(normal class)."""
    probabilities = np.asarray(probabilities, np.float64)
    if normal_class is None:
        return Prediction(None, probabilities)
    normal = list(classes).index(normal_class)
    return Prediction(1.0 - probabilities[:, normal], probabilities)


def join_instances(parts: Sequence[Instances]) -> Instances:
    """The `Instances` of several models of one image, the most certain first."""
    scores = np.concatenate([part.scores for part in parts])
    order = np.argsort(-scores, kind="stable")
    labels = [label for part in parts for label in part.labels]
    boxes = np.concatenate([part.boxes for part in parts])
    masks = None
    if all(part.masks is not None for part in parts):
        masks = np.concatenate([part.masks for part in parts])
    return Instances(boxes, scores, labels, masks).subset(order)


def shown(instances: Instances, scores: Mapping[str, float] | None) -> Instances:
    """The instances at or above the score threshold of their class.

    Args:
        instances: Everything that was found in an image.
        scores: Score threshold of each class, see `score_thresholds.choose_scores`; a
            class that is missing has none. None for all instances.
    """
    least = [(scores or {}).get(label, 0.0) for label in instances.labels]
    kept = np.flatnonzero(np.asarray(instances.scores) >= np.array(least))
    return instances.subset(kept)


def found_outputs(prediction: Prediction | Answer, num_frames: int = 1) -> list[str]:
    """The outputs that a `Prediction` or `Answer` has, in the order of OUTPUTS."""
    there = {
        "score": prediction.defect_score is not None,
        "classes": prediction.probabilities is not None,
        "map": prediction.anomaly_map is not None,
        "instances": prediction.instances is not None,
        "clips": num_frames > 1,
    }
    return [name for name in OUTPUTS if there[name]]
