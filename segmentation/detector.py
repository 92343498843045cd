"""The trained detector without Keras: from an image of any size to its `Answer`.

Three networks with NumPy between them: the pyramid finds features and proposals, the
box head says what is in each proposal, and the mask head draws what is kept.

In the outputs of the box head the background is class 0, and the defect class number k
of `Settings.labels`, from 0, is class k + 1. Masks have no background: k is k.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from evaluation.predictor import Answer, Instances
from goodparts.command import InputError
from networks.engines import load_network
from segmentation.anchors import STRIDES, Anchors, from_json, num_cells, place_anchors
from segmentation.boxes import ROI_WEIGHTS, clip_boxes, decode, keep_highest
from segmentation.canvas import Placed, place_image, to_image
from segmentation.sampling import align_boxes, paste_mask

PYRAMID, BOX_HEAD, MASK_HEAD = "pyramid.onnx", "box_head.onnx", "mask_head.onnx"
BOX_BINS, MASK_BINS = 7, 14
CANDIDATES = 200  # of each level, before suppression
PROPOSAL_IOU, DETECTION_IOU = 0.7, 0.5  # of suppression
MIN_SCORE = 0.05  # of an instance
MAX_FOUND = 50  # instances of an image
MOST_CERTAIN = 1 - 1e-6  # score of a class, where odds are taken


class Settings(NamedTuple):
    """What belongs to the networks.

    Attributes:
        canvas: `(height, width)` of the image that the pyramid takes.
        anchors: Sizes and ratios.
        labels: Names of the defect classes.
        channels: Of the pyramid.
        num_rois: Proposals that the box head takes at once.
    """

    canvas: tuple[int, int]
    anchors: Anchors
    labels: list[str]
    channels: int
    num_rois: int


class Networks(NamedTuple):
    """The three networks as functions of one image.

    Attributes:
        pyramid: uint8 `(height, width, 3)` of the canvas -> `(cells, channels + 5 *
            ratios)`: of each cell of P2 to P6 its features, then objectness and deltas
            of its anchors.
        box_head: `(num_rois, BOX_BINS * BOX_BINS * channels)` -> `(num_rois, classes +
            1 + 4 * classes)`: logits, then deltas of each class.
        mask_head: `(MASK_BINS, MASK_BINS, channels)` -> logits `(rows, columns,
            classes)`.
    """

    pyramid: Callable[[np.ndarray], np.ndarray]
    box_head: Callable[[np.ndarray], np.ndarray]
    mask_head: Callable[[np.ndarray], np.ndarray]


class Cells(NamedTuple):
    """The output of the pyramid, taken apart.

    Attributes:
        maps: P2 to P5, `(rows, columns, channels)`.
        objectness: Logits, `(anchors,)`.
        deltas: `(anchors, 4)`.
    """

    maps: list[np.ndarray]
    objectness: np.ndarray
    deltas: np.ndarray


def settings_as_json(settings: Settings) -> dict[str, Any]:
    anchors = {key: list(value) for key, value in settings.anchors._asdict().items()}
    return settings._asdict() | {"canvas": list(settings.canvas), "anchors": anchors}


def settings_of(record: Mapping[str, Any]) -> Settings:
    """The inverse of `settings_as_json`; other fields are passed over."""
    return Settings(
        (record["canvas"][0], record["canvas"][1]),
        from_json(record["anchors"]),
        list(record["labels"]),
        record["channels"],
        record["num_rois"],
    )


def open_detector(
    settings: Settings,
    files: Mapping[str, bytes],
    names: Sequence[str],
    *,
    classes: Sequence[str],
    normal_class: str,
    engine: str | None = None,
) -> Callable[[np.ndarray], Answer]:
    """A function from an image, uint8 RGB of any size, to its `Answer`.

    Args:
        settings: The settings.
        files: Name -> bytes.
        names: Names of pyramid, box head and mask head.
        classes, normal_class: Of the images; see `class_probabilities`.
        engine: See `engines.load_network`.
    """
    kinds = (np.uint8, np.float32, np.float32)
    networks = Networks(
        *(
            load_network(files[name], name=name, engine=engine, dtype=kind)
            for name, kind in zip(names, kinds, strict=True)
        )
    )
    anchors = place_anchors(settings.canvas, settings.anchors)

    def answer(image: np.ndarray) -> Answer:
        instances, scores = find_defects(image, networks, settings, anchors)
        probabilities = class_probabilities(
            scores, settings.labels, classes, normal_class
        )
        return Answer(float(scores.max()), probabilities, instances=instances)

    return answer


def find_defects(
    image: np.ndarray, networks: Networks, settings: Settings, anchors: np.ndarray
) -> tuple[Instances, np.ndarray]:
    """The defects in an image.

    Args:
        image: uint8 RGB of any size.
        networks: The three networks.
        settings: The settings.
        anchors: From `place_anchors`.

    Returns:
        `(instances, scores)`: the instances from MIN_SCORE on, and the highest score of
        each of `settings.labels`, `(labels,)`, however low.

    Raises:
        InputError: If the pyramid returns NaN or infinity.
    """
    placed = place_image(image, settings.canvas)
    cells = take_apart(networks.pyramid(placed.pixels), settings)
    rois = propose(cells, anchors, placed.size, settings)
    probabilities, deltas = _classify(cells, rois, networks, settings)
    found = _detect(probabilities, deltas, rois, placed.size)
    masks = _draw(cells, found, networks, placed, image.shape[:2])
    boxes = clip_boxes(to_image(found.boxes, placed), image.shape[:2])
    instances = Instances(
        np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1),
        found.scores,
        [settings.labels[index] for index in found.labels],
        masks,
    )
    return instances, probabilities[:, 1:].max(axis=0)


def take_apart(cells: np.ndarray, settings: Settings) -> Cells:
    """The output of the pyramid as `Cells`.

    Raises:
        InputError: If it has NaN or infinity.
    """
    if not np.isfinite(cells).all():
        raise InputError(
            "The model returned NaN or infinity: its training diverged. Train again "
            "with a smaller --head-rate."
        )
    channels, num_ratios = settings.channels, len(settings.anchors.ratios)
    maps, start = [], 0
    for rows, columns in num_cells(settings.canvas)[:-1]:
        part = cells[start : start + rows * columns, :channels]
        maps.append(part.reshape(rows, columns, channels))
        start += rows * columns
    objectness = cells[:, channels : channels + num_ratios].reshape(-1)
    return Cells(maps, objectness, cells[:, channels + num_ratios :].reshape(-1, 4))


def propose(
    cells: Cells, anchors: np.ndarray, size: tuple[int, int], settings: Settings
) -> np.ndarray:
    """The boxes that most look like a defect, at most `num_rois`, the best first.

    Args:
        cells: Of one image.
        anchors: From `place_anchors`.
        size: `(height, width)` of the image on the canvas.
        settings: The settings.

    Returns:
        `(n, 4)` in pixels of the canvas; at least one.
    """
    boxes, scores, start = [], [], 0
    for rows, columns in num_cells(settings.canvas):
        stop = start + rows * columns * len(settings.anchors.ratios)
        best = start + _highest(cells.objectness[start:stop], CANDIDATES)
        decoded = clip_boxes(decode(cells.deltas[best], anchors[best]), size)
        best = best[(decoded[:, 2:] - decoded[:, :2]).min(axis=1) > 0]
        decoded = decoded[(decoded[:, 2:] - decoded[:, :2]).min(axis=1) > 0]
        kept = keep_highest(decoded, cells.objectness[best], PROPOSAL_IOU)
        boxes.append(decoded[kept])
        scores.append(cells.objectness[best[kept]])
        start = stop
    found = np.concatenate(boxes)
    if len(found) == 0:  # all decoded boxes lie beside the image
        return np.array([[0, 0, size[1], size[0]]], np.float32)
    return found[_highest(np.concatenate(scores), settings.num_rois)]


def _highest(values, most):
    """Positions of the highest values, at most so many, the highest first."""
    if len(values) > most:
        chosen = np.sort(np.argpartition(-values, most)[:most])
    else:
        chosen = np.arange(len(values))
    return chosen[np.argsort(-values[chosen], kind="stable")]


def _classify(cells, rois, networks, settings):
    """Probabilities `(n, classes + 1)` and deltas `(n, classes, 4)` of the rois."""
    num_classes = len(settings.labels)
    features = align_boxes(cells.maps, rois, STRIDES, BOX_BINS)
    filled = np.zeros((settings.num_rois, features[0].size), np.float32)
    filled[: len(rois)] = features.reshape(len(rois), -1)
    output = np.asarray(networks.box_head(filled), np.float64)[: len(rois)]
    logits, deltas = output[:, : num_classes + 1], output[:, num_classes + 1 :]
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    return probabilities, deltas.reshape(len(rois), num_classes, 4)


class _Found(NamedTuple):
    """Boxes on the canvas `(n, 4)`, scores `(n,)` and numbers of classes `(n,)`."""

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray


def _detect(probabilities, deltas, rois, size) -> _Found:
    """The detections after suppression within each class, the most certain first."""
    parts = []
    for number in range(deltas.shape[1]):
        scores = probabilities[:, number + 1]
        chosen = np.flatnonzero(scores >= MIN_SCORE)
        boxes = clip_boxes(
            decode(deltas[chosen, number], rois[chosen], ROI_WEIGHTS), size
        )
        is_there = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf) > 0
        boxes, scores = boxes[is_there], scores[chosen][is_there]
        kept = keep_highest(boxes, scores, DETECTION_IOU)
        parts.append(_Found(boxes[kept], scores[kept], np.full(len(kept), number)))
    found = _Found(*map(np.concatenate, zip(*parts, strict=True)))
    order = _highest(found.scores, MAX_FOUND)
    return _Found(*(each[order] for each in found))


def _draw(cells, found, networks, placed: Placed, size):
    """The masks in the image, bool `(n, height, width)`."""
    features = align_boxes(cells.maps, found.boxes, STRIDES, MASK_BINS)
    masks = np.zeros((len(found.boxes), *size), bool)
    boxes = to_image(found.boxes, placed)
    for index, number in enumerate(found.labels):
        logits = np.asarray(networks.mask_head(features[index]), np.float64)
        mask = 1 / (1 + np.exp(-logits[..., number]))
        masks[index] = paste_mask(mask, boxes[index], size)
    return masks


def class_probabilities(
    scores: np.ndarray,
    labels: Sequence[str],
    classes: Sequence[str],
    normal_class: str,
) -> np.ndarray:
    """Probabilities of the classes of an image, from the scores of its instances.

    The good class has what the most certain instance leaves over; the rest is divided
    among the other classes by the odds of their most certain instances. The score of a
    label that is no class counts for every other class alike.

    Args:
        scores: The highest score of each label, `(labels,)`.
        labels: Names of the defect classes of instances.
        classes, normal_class: Of the images.

    Returns:
        `(classes,)`, of sum 1.
    """
    scores = np.minimum(scores, MOST_CERTAIN)
    by_label = dict(zip(labels, scores, strict=True))
    elsewhere = max((by_label[x] for x in labels if x not in classes), default=0.0)
    best = np.array([max(by_label.get(name, 0.0), elsewhere) for name in classes])
    is_good = np.array([name == normal_class for name in classes])
    odds = np.where(is_good, 0.0, best / (1 - best)) + np.where(is_good, 0.0, 1e-12)
    found = scores.max() * odds / odds.sum()
    found[is_good] = 1 - scores.max()
    return found
