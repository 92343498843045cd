"""Three networks and their settings as files: of a run, of a bundle, and in int8."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.predictor import Answer, Prediction, Predictor
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
from goodparts.files import PathLike
from networks.writing import quantise_network
from preprocessing.images import read_image
from segmentation.anchors import STRIDES
from segmentation.arguments import SIDES, is_canvas
from segmentation.canvas import place_image
from segmentation.detector import (
    BOX_HEAD,
    MASK_HEAD,
    PYRAMID,
    open_detector,
    settings_of,
)

if TYPE_CHECKING:
    from evaluation.run_folder import Run
    from preprocessing.manifest import Dataset

NETWORKS = {"pyramid": PYRAMID, "box_head": BOX_HEAD, "mask_head": MASK_HEAD}
MOST_ROIS, MOST_CHANNELS, MOST_LABELS, MOST_RATIOS = 1000, 1024, 1000, 20
LARGEST_ANCHOR = 10_000.0  # pixels
QUANTISED = ("Conv", "Add", "MaxPool", "Clip", "Relu")  # kinds of operators


def write(run: Run, folder: Path, prefix: str, *, precision: str) -> dict[str, Any]:
    """Copies the networks of the run; returns what `load` needs to know of them.

    For int8 it is the run that was made with `quantise`.
    """
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


def open_predictor(folder: PathLike, config: Mapping[str, Any]) -> Predictor:
    """The networks in a run folder as a `Predictor`.

    Args:
        folder: The run folder.
        config: Its config.json.
    """
    names = list(NETWORKS.values())
    classes, normal_class = config["classes"], config["normal_class"]
    answer = open_detector(
        settings_of(config["detector"]),
        {name: (Path(folder) / name).read_bytes() for name in names},
        names,
        classes=classes,
        normal_class=normal_class,
    )

    def predict(images):
        answers = [answer(image) for image in images]
        return Prediction(
            np.array([each.defect_score for each in answers]),
            np.stack([each.probabilities for each in answers]),
            instances=[each.instances for each in answers],
        )

    return Predictor(list(classes), normal_class, None, predict)


class _Canvases:
    """Original images of train on the canvas, by position."""

    def __init__(self, dataset, canvas):
        from preprocessing.manifest import is_copy  # pandas: not needed to inspect

        rows = dataset.rows("train")
        self._paths = [dataset.folder / path for path in rows["path"][~is_copy(rows)]]
        self._canvas = canvas

    def __len__(self) -> int:
        return len(self._paths)

    def get(self, index: int) -> np.ndarray:
        return place_image(read_image(self._paths[index]), self._canvas).pixels


def quantise(run: Run, folder: PathLike, dataset: Dataset) -> None:
    """Writes the networks of a run into a folder, the pyramid in 8-bit integers.

    The heads stay as they are: they take little time. The ranges of the values are
    calibrated on original images of train.
    """
    canvas = settings_of(run.config["detector"]).canvas
    for name in (BOX_HEAD, MASK_HEAD):
        shutil.copyfile(run.folder / name, Path(folder) / name)
    quantise_network(
        run.folder / PYRAMID,
        _Canvases(dataset, canvas),
        Path(folder) / PYRAMID,
        kinds=QUANTISED,
    )


def quantised_predictor(folder: PathLike, config: Mapping[str, Any]) -> Predictor:
    """The networks that `quantise` wrote, as a `Predictor`."""
    return open_predictor(folder, config)
