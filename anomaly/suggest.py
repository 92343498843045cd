"""Suggests a detector for a data set from its good parts alone.

A few presets are trained on good parts of train and asked for defects that were drawn
onto others. Real defects are other defects: this finds presets that fail, and does not
tell how well the others will do.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from anomaly.bundled import LEARNT, NETWORK
from anomaly.detector import METHODS, open_detector
from anomaly.foreground import find_foreground
from anomaly.good_facts import find_facts
from anomaly.job import Job, find_view, good_rows
from anomaly.suggestion import CANNOT_TELL, Pictures, write_suggestion
from anomaly.synthetic_defects import KINDS, draw_defect
from anomaly.train import RECIPES, learn
from anomaly.view import View, view_as_json
from evaluation.intervals import interval, paired_interval, resample_groups
from evaluation.metrics import auroc
from goodparts.command import InputError, progress
from goodparts.files import PathLike
from preprocessing.images import read_image
from preprocessing.manifest import read_dataset
from preprocessing.splitting.split import hold_out

HELD_OUT = 0.25  # share of the groups of good parts
MAX_TRAINED, MAX_JUDGED = 200, 40  # images


class Preset(NamedTuple):
    """A detector with options that go together.

    Attributes:
        model: A key of RECIPES.
        has_pose: Whether parts are brought into one pose.
    """

    model: str
    has_pose: bool = True

    @property
    def flags(self) -> str:
        """As they are given to `train`."""
        return f"--model {self.model}{'' if self.has_pose else ' --pose none'}"


PRESETS = (
    Preset("memory_bank"),
    Preset("memory_bank", has_pose=False),
    Preset("gaussian"),
    Preset("feature_noise"),
    Preset("colour_novelty"),
)


class _Case(NamedTuple):
    """The scores of a held-out image, without a defect where `kind` is empty."""

    kind: str
    group: int
    scores: list[float]


def suggest(
    *,
    data: PathLike,
    out: PathLike | None = None,
    seed: int = 0,
    weights: str = "imagenet",
    image_size: Sequence[int] | None = None,
) -> dict[str, Any]:
    """Judges the presets by synthetic defects, and writes table and pictures.

    Args:
        data: Data set folder, `dataset/<name>`.
        out: Folder of table and pictures, replaced if it exists;
            `runs/suggest-<name>` if None.
        seed: Of the held-out images, the defects and the detectors.
        weights: Of the backbone: "imagenet", "none" or a file.
        image_size: `(height, width)` of the canvas; chosen if None.

    Returns:
        The content of suggestion.json, see `suggestion.py`, and `folder`.

    Raises:
        InputError: If there are too few good parts.
    """
    dataset = read_dataset(data, check_files=True)
    rows = good_rows(dataset)
    held = hold_out(rows["label"], rows["group"], share=HELD_OUT, seed=seed)
    if held.sum() < 2 or (~held).sum() < 2:
        raise InputError(
            f"{dataset.folder} has {len(rows)} good images in train; suggest needs "
            "four or more, of different parts."
        )
    trained, judged = _some(rows[~held], MAX_TRAINED), _some(rows[held], MAX_JUDGED)
    paths = [dataset.folder / path for path in trained["path"]]
    facts = find_facts(map(read_image, progress(paths, "looking", len(paths))))
    views = _views(dataset, trained, image_size)
    detectors = []
    for preset, view in views:
        print(f"training {preset.flags}", flush=True)
        detectors.append(_trained(dataset, trained, preset, view, seed, weights))
    is_posed = any(view.is_posed for _, view in views)
    pictures = Pictures()
    cases = _judge(dataset, judged, detectors, pictures, seed, is_posed=is_posed)
    record = _record([preset for preset, _ in views], cases) | {
        "data": str(data),
        "facts": facts._asdict(),
        "cannot_tell": CANNOT_TELL,
    }
    folder = Path(out or Path("runs") / f"suggest-{dataset.name}")
    write_suggestion(folder, record, pictures)
    return record | {"folder": str(folder)}


def _some(rows, most):
    """At most so many rows, evenly spread."""
    chosen = np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)
    return rows.iloc[chosen].reset_index(drop=True)


def _views(dataset, rows, image_size) -> list[tuple[Preset, View]]:
    """The presets, each with its view; one without pose only where it is another."""
    size = None if image_size is None else (image_size[0], image_size[1])
    found: list[tuple[Preset, View]] = []
    for preset in PRESETS:
        canvases = RECIPES[preset.model].canvases
        view = find_view(
            dataset, rows, canvases, image_size=size, has_pose=preset.has_pose
        )
        if (preset.model, view) not in [(known.model, seen) for known, seen in found]:
            found.append((preset, view))
    return found


def _trained(dataset, rows, preset, view, seed, weights) -> Callable:
    """A detector that was trained on some rows."""
    has_network = METHODS[preset.model].has_network
    options = {"weights": weights} if has_network else {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        learn(
            Job(
                model=preset.model,
                folder=folder,
                dataset=dataset,
                rows=rows,
                view=view,
                arguments=RECIPES[preset.model].options(None, **options),
                seed=seed,
                about={"notes": []},
            )
        )
        about = {"method": preset.model, "view": view_as_json(view)}
        network = (folder / NETWORK).read_bytes() if has_network else None
        return open_detector(about, network, folder / LEARNT)


def _judge(dataset, rows, detectors, pictures, seed, *, is_posed) -> list[_Case]:
    """Asks for every image without and with a defect of each kind; one by one, so that
    memory does not grow.
    """
    cases = []
    names = rows["group"].unique().tolist()
    steps = progress(rows.itertuples(), "judging", len(rows))
    for number, row in enumerate(steps):
        image, group = read_image(dataset.folder / row.path), names.index(row.group)
        is_part = None
        if is_posed:
            mask = find_foreground(image).mask.astype(np.uint8)
            is_part = cv2.resize(mask, image.shape[1::-1]) > 0
        for place, kind in enumerate(["", *KINDS]):
            shown, mask = image, np.zeros(image.shape[:2], bool)
            if kind:
                random = np.random.default_rng([seed, number, place])
                shown, mask = draw_defect(image, kind, random, is_part)
                if not mask.any():
                    continue
            answers = [answer(shown) for answer in detectors]
            scores = [float(answer.defect_score) for answer in answers]
            cases.append(_Case(kind, group, scores))
            pictures.add(kind, shown, mask, [each.anomaly_map for each in answers])
    return cases


def _record(presets: list[Preset], cases: list[_Case]) -> dict[str, Any]:
    kinds = np.array([case.kind for case in cases])
    groups = np.array([case.group for case in cases])
    num_groups = int(groups.max()) + 1
    resampled = resample_groups(num_groups)[:, groups]
    weights = np.concatenate([np.ones((1, len(cases))), resampled])
    scores = np.array([case.scores for case in cases]).T
    curves = [auroc(each, kinds != "", weights) for each in scores]
    best = int(np.argmax([curve[0] for curve in curves]))
    rivals = max(1, len(curves) - 1)
    found = []
    for preset, each, curve in zip(presets, scores, curves, strict=True):
        apart = paired_interval(curves[best] - curve, num_rivals=rivals)
        found.append(
            {
                "flags": preset.flags,
                "auroc": interval(float(curve[0]), curve[1:], num_groups),
                "by_kind": {kind: _of_kind(each, kinds, kind) for kind in KINDS},
                "is_clearly_worse": apart["low"] is not None and apart["low"] > 0,
            }
        )
    return {
        "best": best,
        "num_images": int((kinds == "").sum()),
        "presets": found,
    }


def _of_kind(scores, kinds, kind) -> float | None:
    """The AUROC against one kind of defect; None where none was drawn."""
    if not (kinds == kind).any():
        return None
    chosen = (kinds == "") | (kinds == kind)
    ones = np.ones(int(chosen.sum()))
    return float(auroc(scores[chosen], kinds[chosen] != "", ones))
