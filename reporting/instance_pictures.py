"""Close-ups of the worst mistakes of a run with instances: misses and false alarms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.instance_metrics import FALSE_ALARM, MISSED, Matches, Outcome
from evaluation.instance_pairs import pair_instances
from evaluation.overlay import draw_overlay
from evaluation.predictor import Instances
from goodparts.command import InputError
from preprocessing.images import read_image, resize
from reporting.overlays import Overlays, beside, fit, scaled

if TYPE_CHECKING:
    from evaluation.run_folder import Run
    from preprocessing.manifest import Dataset

AROUND = 4  # sides of the instance that a close-up shows
LEAST_SIDE = 160  # pixels of the image that a close-up shows
MAX_PICTURES = 12  # of each kind


def matches_of_test(run: Run, dataset: Dataset | None) -> Matches | None:
    """The instances of `test` at the score thresholds of a run; None without truth."""
    if dataset is None or "instances" not in run.outputs:
        return None
    table, normal_class = run.split("test"), run.config["normal_class"]
    pairings = pair_instances(run.folder, dataset, table, normal_class=normal_class)
    if not pairings:
        return None
    return Matches(pairings, table["group"].nunique(), run.instance_scores)


def worst_instances(outcomes: Sequence[Outcome]) -> dict[str, list[dict[str, Any]]]:
    """The largest missed defects, and the false alarms with the highest scores.

    Args:
        outcomes: What became of the instances of each image.

    Returns:
        For "missed" and "false alarm" dicts of `sample_id`, `label`, `box`, and `text`
        with the area or score, the worst first.
    """
    missed, alarms = [], []
    for each in outcomes:
        found, true = each.pairing.found, each.pairing.true
        for index in each.missed:
            entry = _entry(each, true, index, f"{true.areas[index]:.0f} pixels")
            missed.append((-true.areas[index], entry))
        for index in each.kept[each.partners < 0]:
            entry = _entry(each, found, index, f"score {found.scores[index]:.3f}")
            alarms.append((-found.scores[index], entry))
    return {
        kind: [entry for _, entry in sorted(entries, key=lambda pair: pair[0])]
        for kind, entries in ((MISSED, missed), (FALSE_ALARM, alarms))
    }


def _entry(outcome, listed, index, text):
    return {
        "sample_id": outcome.pairing.sample_id,
        "label": listed.labels[index],
        "box": listed.boxes[index],
        "text": text,
    }


def close_ups(
    entries: Sequence[dict[str, Any]], overlays: Overlays
) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """Yields up to MAX_PICTURES entries of `worst_instances`, each with its picture."""
    pictures = ((entry, close_up(entry, overlays)) for entry in entries)
    drawn = ((entry, image) for entry, image in pictures if image is not None)
    yield from islice(drawn, MAX_PICTURES)


def close_up(entry: dict[str, Any], overlays: Overlays) -> np.ndarray | None:
    """The surroundings of an instance: with the truth, and with what was found.

    Returns:
        uint8 RGB fit for a screen; None if the image cannot be read.
    """
    sample_id = entry["sample_id"]
    path = overlays.path(sample_id)
    if path is None:
        return None
    try:
        image = read_image(path)
        truth = overlays.true_mask(sample_id, image.shape[:2])
    except InputError:
        return None
    found, words, missed = overlays.instances(sample_id, image.shape[:2])
    window = _window(entry["box"], image.shape[:2])
    shown, scale = fit(image[window])
    size = shown.shape[:2]
    if truth is not None:
        truth = resize(truth[window].astype(np.uint8), size).astype(bool)
    kept = _inside(found, window)
    seen = scaled(_cut(found.subset(kept), window), scale, size)
    words = [words[index] for index in kept]
    missed = missed.subset(_inside(missed, window))
    missed = scaled(_cut(missed, window), scale, size)
    right = draw_overlay(shown, instances=seen, truth=truth, words=words, missed=missed)
    is_outlined = truth is not None and truth.any()
    caption = "true (outlined)" if is_outlined else "true: no defect here"
    return beside([(draw_overlay(shown, truth=truth), caption), (right, "found")])


def _window(box, size):
    """Rows and columns around a box, within an image of `size` (height, width)."""
    x, y, width, height = box
    side = max(AROUND * max(width, height), LEAST_SIDE)
    spans = []
    for middle, length in ((y + height / 2, size[0]), (x + width / 2, size[1])):
        span = int(min(side, length))
        start = int(np.clip(middle - span / 2, 0, length - span))
        spans.append(slice(start, start + span))
    return tuple(spans)


def _inside(instances, window):
    """Indices of the instances whose boxes reach into a window."""
    rows, columns = window
    x, y, width, height = instances.boxes.T
    across = (x < columns.stop) & (x + width > columns.start)
    return np.flatnonzero(across & (y < rows.stop) & (y + height > rows.start))


def _cut(instances, window):
    """The instances in pixels of a window."""
    rows, columns = window
    shift = np.array([columns.start, rows.start, 0, 0])
    masks = instances.masks
    return Instances(
        instances.boxes - shift,
        instances.scores,
        instances.labels,
        None if masks is None else masks[:, rows, columns],
    )
