"""Applies a fitted ensemble: combines the predictions of its members into one."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ensemble.combiners import COMBINERS, Learnt, calibrate
from evaluation.anomaly_maps import mean_map
from evaluation.predictor import Prediction, classifier_prediction, join_instances


class Combination(NamedTuple):
    """The fitted parts of an ensemble.

    Attributes:
        classes: Names, the order of its probabilities.
        normal_class: The class of good parts.
        combiner: A key of COMBINERS.
        calibrations: Calibrations of the classifiers, then of the detectors, each in
            the order of the members.
        learnt: The fitted arrays of the combiner, by name.
        map_ranges: Map ranges of each member with maps, see
            `anomaly_maps.MapWriter.range`.
    """

    classes: list[str]
    normal_class: str | None
    combiner: str
    calibrations: list[dict[str, Any]]
    learnt: Learnt
    map_ranges: list[Sequence[float]]


def combine_predictions(
    combination: Combination,
    said: Sequence[Prediction],
    member_classes: Sequence[Sequence[str]],
) -> Prediction:
    """Combines the `Prediction`s of all members for the same images into one.

    Scores and probabilities come from the combiner; maps are averaged, instances are
    merged. An ensemble of detectors only returns a score without probabilities.

    Args:
        combination: The fitted ensemble.
        said: The prediction of each member.
        member_classes: Names for each member, in the order of its probabilities.
    """
    classes, normal_class = combination.classes, combination.normal_class
    probabilities = [
        each.probabilities[:, [list(names).index(name) for name in classes]]
        for each, names in zip(said, member_classes, strict=True)
        if each.probabilities is not None
    ]
    scores = [
        each.defect_score
        for each in said
        if each.probabilities is None and each.defect_score is not None
    ]
    normal = 0 if normal_class is None else list(classes).index(normal_class)
    answers = calibrate(
        np.array(probabilities), scores, combination.calibrations, normal
    )
    combined = COMBINERS[combination.combiner].combine(answers, combination.learnt)
    if probabilities:
        found = classifier_prediction(combined, classes, normal_class)
    else:
        found = Prediction(combined[:, 1])
    return found._replace(
        anomaly_map=_maps(said, combination.map_ranges), instances=_instances(said)
    )


def last_frames(images: np.ndarray, num_frames: int) -> np.ndarray:
    """The last frames of clips `(batch, frames, height, width, 3)`, for a member.

    Args:
        images: Clips, or images where no member takes clips.
        num_frames: Number of frames that the member expects; 1 returns images.
    """
    if images.ndim == 4:
        return images
    return images[:, -1] if num_frames == 1 else images[:, -num_frames:]


def _maps(said, map_ranges):
    maps = [each.anomaly_map for each in said if each.anomaly_map is not None]
    if not maps:
        return None
    return np.stack([mean_map(each, map_ranges) for each in zip(*maps, strict=True)])


def _instances(said):
    found = [each.instances for each in said if each.instances is not None]
    return [join_instances(each) for each in zip(*found, strict=True)] or None
