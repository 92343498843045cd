"""Pictures of what a run saw in an image: Grad-CAM, anomaly map or instances."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from evaluation.anomaly_maps import heat, read_map
from evaluation.found_instances import as_instances, read_found
from evaluation.instance_metrics import judge_image
from evaluation.instance_pairs import most_certain, pair, true_instances
from evaluation.overlay import draw_overlay
from evaluation.picture_text import fonts_for
from evaluation.predictor import Instances
from goodparts.command import InputError
from preprocessing.images import read_image, resize
from preprocessing.instances import (
    Instance,
    draw_instances,
    read_instances,
    read_truth_mask,
)

if TYPE_CHECKING:
    from evaluation.run_folder import Run
    from preprocessing.manifest import Dataset

SHORTEST, LONGEST = 240, 640  # pixels of the longer side of one shown image
GAP = 8  # pixels between two panels
FONT_SIZE = 15


class Overlays:
    """What a run saw in the images of its data set.

    Args:
        run: Whose maps, instances or evidence are shown.
        dataset: What it was trained on.
        explain: Of the `Predictor` of a classifier; without it a run that has neither
            maps nor instances shows nothing.
        compared: Of the `Predictor` of a detector, for what an image was compared with.
    """

    def __init__(
        self,
        run: Run,
        dataset: Dataset,
        explain: Callable[[np.ndarray, list[str]], np.ndarray] | None = None,
        compared: Callable[[np.ndarray], list[tuple[np.ndarray, str]]] | None = None,
    ):
        self.run, self.folder = run, dataset.folder
        self.explain, self.compared = explain, compared
        rows = dataset.manifest.set_index("sample_id")
        self._paths, self._masks = rows["path"], rows["mask_path"]
        self._found: dict[str, list[dict[str, Any]]] = {}
        self._truth: dict[str, list[Instance]] = {}
        if "instances" in run.outputs:
            self._found = read_found(run.folder)
            self._truth = read_instances(self.folder / "instances.json")

    @property
    def has_any(self) -> bool:
        """Whether there is anything to show besides the image itself."""
        if self.run.outputs & {"map", "instances"}:
            return True
        return self.explain is not None and "classes" in self.run.outputs

    def path(self, sample_id: str) -> Path | None:
        """Of the image file; None where the data set has no such image."""
        path = self._paths.get(sample_id)
        path = None if path is None else self.folder / path
        return path if path is not None and path.is_file() else None

    def overlay_for(self, row: Any) -> np.ndarray | None:
        """The picture of a row of the predictions table: panels beside each other.

        A run with a map or instances shows the image with the outline of the true
        defect, and what was found with the same outline; a classifier where it saw the
        class that it named, and the true one; a detector also what it was compared
        with, where that is given.

        Args:
            row: With sample_id, label, predicted, and map_path where there are maps.

        Returns:
            uint8 RGB fit for a screen; None where there is nothing to show, or the
            image cannot be read.
        """
        path = self.path(row.sample_id)
        if path is None or not self.has_any:
            return None
        try:
            image = read_image(path)
            panels = self._panels(image, row)
        except InputError:
            return None
        return beside(panels)

    def _panels(self, image, row):
        """Pairs of a picture and its caption."""
        if not self.run.outputs & {"map", "instances"}:
            both = self.explain(np.stack([image] * 2), [row.predicted, row.label])
            image, scale = fit(image)
            captions = f"predicted: {row.predicted}", f"true: {row.label}"
            return [
                (draw_overlay(image, heat=seen), caption)
                for seen, caption in zip(both, captions, strict=True)
            ]
        size = image.shape[:2]
        truth = self.true_mask(row.sample_id, size)
        shown, scale = fit(image)
        if truth is not None:
            truth = resize(truth.astype(np.uint8), shown.shape[:2]).astype(bool)
        seen = {"truth": truth}
        if "map" in self.run.outputs:
            anomaly_map = read_map(self.run.folder / row.map_path)
            seen["heat"] = heat(anomaly_map, self.run.config["map_range"])
        if "instances" in self.run.outputs:
            found, words, missed = self.instances(row.sample_id, size)
            seen["instances"] = scaled(found, scale, shown.shape[:2])
            seen["words"], seen["missed"] = words, scaled(missed, scale, size)
        outlined = " (outlined)" if truth is not None and truth.any() else ""
        is_rejected = row.defect_score >= self.run.threshold
        decided = "rejected" if is_rejected else "accepted"
        others = [] if self.compared is None else self.compared(image)
        return [
            (draw_overlay(shown, truth=truth), f"true: {row.label}{outlined}"),
            (draw_overlay(shown, **seen), f"{decided}, score {row.defect_score:.4g}"),
            *others,
        ]

    def true_mask(self, sample_id: str, size: tuple[int, int]) -> np.ndarray | None:
        """Bool mask `size` of the true defects; None if there is none."""
        if self._truth.get(sample_id):
            return draw_instances(self._truth[sample_id], size)
        mask = self._masks.get(sample_id)
        return read_truth_mask(self.folder, mask, size) if mask else None

    def instances(
        self, sample_id: str, size: tuple[int, int]
    ) -> tuple[Instances, list[str], Instances]:
        """The instances of an image of `size` (height, width) at the score thresholds.

        Returns:
            The found ones, the text at each (class, score, IoU with its true one), and
            the true ones that were missed, without masks.
        """
        found = most_certain(as_instances(self._found.get(sample_id, [])))
        true = true_instances(self._truth.get(sample_id, []), size)
        pairing = pair(sample_id, 0, found, true)
        kind = "mask" if "mask" in pairing.ious else "box"
        outcome = judge_image(pairing, kind, self.run.instance_scores or {})
        kept = found.subset(outcome.kept)
        words = [
            f"{label} {score:.2f}"
            for label, score in zip(kept.labels, kept.scores, strict=True)
        ]
        words = [
            f"{text} IoU {iou:.2f}" if iou else text
            for text, iou in zip(words, outcome.ious, strict=True)
        ]
        return kept, words, true.subset(outcome.missed)._replace(masks=None)


def fit(image: np.ndarray) -> tuple[np.ndarray, float]:
    """The image at a size for a screen, and the scale that it was brought to."""
    height, width = image.shape[:2]
    longer = max(height, width)
    scale = np.clip(longer, SHORTEST, LONGEST) / longer
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    return resize(image, size), scale


def _as_high(picture, height):
    """A picture at a height, its width in proportion."""
    if picture.shape[0] == height:
        return picture
    width = max(1, round(height / picture.shape[0] * picture.shape[1]))
    return resize(picture, (height, width))


def scaled(instances: Instances, scale: float, size: tuple[int, int]) -> Instances:
    """`Instances` in pixels of the shown image."""
    masks = instances.masks
    if masks is not None and len(masks):
        masks = np.stack([resize(x.astype(np.uint8), size) > 0 for x in masks])
    boxes = instances.boxes * scale
    return Instances(boxes, instances.scores, instances.labels, masks)


def beside(panels: Sequence[tuple[np.ndarray, str]]) -> np.ndarray:
    """Pictures with captions beside each other, as high as the first, uint8 RGB."""
    height = panels[0][0].shape[0]
    panels = [(_as_high(picture, height), caption) for picture, caption in panels]
    captioned = [_captioned(picture, caption) for picture, caption in panels]
    gap = np.full((captioned[0].shape[0], GAP, 3), 255, np.uint8)
    parts = [part for panel in captioned for part in (gap, panel)][1:]
    return np.concatenate(parts, axis=1)


def _captioned(image, caption):
    """Puts a white strip with a caption over an image, which is centred if narrow."""
    room = max(image.shape[1], SHORTEST)
    strip = Image.new("RGB", (room, FONT_SIZE + 9), "white")
    pencil, at = ImageDraw.Draw(strip), 3.0
    for piece, font in fonts_for(_fitted(caption, room - 6), FONT_SIZE):
        pencil.text((at, FONT_SIZE + 2), piece, fill="black", font=font, anchor="ls")
        at += font.getlength(piece)
    left = (room - image.shape[1]) // 2
    sides = ((0, 0), (left, room - image.shape[1] - left), (0, 0))
    wide = np.pad(image, sides, constant_values=255)
    return np.concatenate([np.asarray(strip), wide], axis=0)


def _fitted(caption, room):
    """Cuts a caption in its middle: the ends tell classes apart."""
    kept = len(caption)
    text = caption
    while _length(text) > room and kept > 2:
        kept -= 1
        end = kept // 2
        text = f"{caption[: kept - end]}…{caption[len(caption) - end :]}"
    return text


def _length(text):
    return sum(font.getlength(piece) for piece, font in fonts_for(text, FONT_SIZE))
