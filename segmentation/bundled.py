"""The part of a bundle that finds instances: three networks and their settings."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.predictor import Answer
from goodparts.fields import (
    check_file,
    check_image_size,
    check_list,
    check_number,
    check_object,
    check_text,
    check_whole,
    refuse,
)
from segmentation.anchors import STRIDES
from segmentation.arguments import SIDES, is_canvas
from segmentation.detector import (
    BOX_HEAD,
    MASK_HEAD,
    PYRAMID,
    open_detector,
    settings_of,
)

if TYPE_CHECKING:
    from evaluation.run_folder import Run

NETWORKS = {"pyramid": PYRAMID, "box_head": BOX_HEAD, "mask_head": MASK_HEAD}
MOST_ROIS, MOST_CHANNELS, MOST_LABELS, MOST_RATIOS = 1000, 1024, 1000, 20
LARGEST_ANCHOR = 10_000.0  # pixels


def write(run: Run, folder: Path, prefix: str, *, precision: str) -> dict[str, Any]:
    """Copies the networks of the run; returns what `load` needs to know of them."""
    for name in NETWORKS.values():
        shutil.copyfile(run.folder / name, folder / f"{prefix}{name}")
    files = {key: f"{prefix}{name}" for key, name in NETWORKS.items()}
    return {**files, **run.config["detector"]}


def check(model: dict[str, Any], where: str, files: Container[str]) -> None:
    """Raises InputError unless a part is as `write` returns it.

    Args:
        model: What bundle.json says, with classes and normal_class.
        where: What messages call it.
        files: The files of the bundle, by name.
    """
    names = ("canvas", "anchors", "labels", "channels", "num_rois")
    check_object(model, where, *NETWORKS, *names)
    for name in NETWORKS:
        check_file(model[name], f"{where}.{name}", files)
    check_image_size(model["canvas"], f"{where}.canvas")
    if not is_canvas(model["canvas"]):
        refuse(f"{where}.canvas", f"multiples of {SIDES}", model["canvas"])
    check_whole(model["channels"], f"{where}.channels", 1, MOST_CHANNELS)
    check_whole(model["num_rois"], f"{where}.num_rois", 1, MOST_ROIS)
    check_list(model["labels"], f"{where}.labels", 1, MOST_LABELS)
    for label in model["labels"]:
        check_text(label, f"{where}.labels")
    if len(set(model["labels"])) < len(model["labels"]):
        refuse(f"{where}.labels", "different names", model["labels"])
    anchors = f"{where}.anchors"
    check_object(model["anchors"], anchors, "sizes", "ratios")
    sizes, ratios = model["anchors"]["sizes"], model["anchors"]["ratios"]
    check_list(sizes, f"{anchors}.sizes", len(STRIDES), len(STRIDES))
    check_list(ratios, f"{anchors}.ratios", 1, MOST_RATIOS)
    for value in sizes:
        check_number(value, f"{anchors}.sizes", 0.1, LARGEST_ANCHOR)
    for value in ratios:
        check_number(value, f"{anchors}.ratios", 0.01, 100)


def load(
    model: Mapping[str, Any], files: Mapping[str, bytes], *, engine: str | None = None
) -> Callable[[np.ndarray], Answer]:
    """A function from an image, uint8 RGB of any size, to its `Answer`.

    Args:
        model: What `write` returned, with classes and normal_class.
        files: Name -> bytes, of the bundle.
        engine: See `engines.load_network`.
    """
    return open_detector(
        settings_of(model),
        files,
        [model[name] for name in NETWORKS],
        classes=model["classes"],
        normal_class=model["normal_class"],
        engine=engine,
    )
