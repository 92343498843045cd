"""The part of a bundle for a network: written with Keras, loaded without it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.predictor import Answer, Predictor, classifier_prediction
from goodparts.fields import check_file, check_image_size, check_object
from goodparts.files import PathLike
from networks.engines import load_network
from networks.writing import export_network, quantise_network
from preprocessing.datasets import ImageStore
from preprocessing.images import resize, resize_batch

if TYPE_CHECKING:
    from evaluation.run_folder import Run
    from preprocessing.manifest import Dataset

NETWORK = "network.onnx"
KERAS_MODEL = "model.keras"  # of a run folder: one network that other formats can hold


def write(run: Run, folder: Path, prefix: str, *, precision: str) -> dict[str, Any]:
    """Writes the network as ONNX; returns what `load` needs to know about it.

    Args:
        run: The finished run; for int8, the run that was made with `quantise`.
        folder: Folder of the bundle.
        prefix: Prefix of the names of its files.
        precision: One of `engines.PRECISIONS`.
    """
    file = f"{prefix}{NETWORK}"
    if precision == "int8":
        shutil.copyfile(run.folder / NETWORK, folder / file)
    else:
        export_network(run.folder / KERAS_MODEL, folder / file, "onnx")
    return {"file": file, "image_size": list(run.config["arguments"]["image_size"])}


def check(model: dict[str, Any], where: str, files: Container[str]) -> None:
    """Raises InputError unless `model` has the form that `write` returns.

    Args:
        model: The content of bundle.json, with classes and normal_class.
        where: Name of the part in error messages.
        files: The files of the bundle, by name.
    """
    check_object(model, where, "file", "image_size")
    check_file(model["file"], f"{where}.file", files)
    check_image_size(model["image_size"], f"{where}.image_size")


def load(
    model: Mapping[str, Any], files: Mapping[str, bytes], *, engine: str | None = None
) -> Callable[[np.ndarray], Answer]:
    """Returns a function from an image, uint8 RGB of any size, to its `Answer`.

    Args:
        model: What `write` returned, with classes and normal_class.
        files: Name -> bytes, of the bundle.
        engine: See `engines.load_network`.
    """
    network = load_network(files[model["file"]], name=model["file"], engine=engine)
    size = tuple(model["image_size"])
    normal = model["classes"].index(model["normal_class"])

    def answer(image):
        probabilities = np.asarray(network(resize(image, size)), np.float64)
        return Answer(1.0 - probabilities[normal], probabilities)

    return answer


def quantise(run: Run, folder: PathLike, dataset: Dataset) -> None:
    """Writes the network of a run, quantised to 8-bit integers, into a folder.

    The ranges of its values are calibrated on original images of train.
    """
    from preprocessing.manifest import is_copy  # pandas: not needed to inspect

    size = tuple(run.config["arguments"]["image_size"])
    rows = dataset.rows("train")
    rows = rows[~is_copy(rows)]
    paths = [dataset.folder / path for path in rows["path"]]
    store = ImageStore(paths, size, memory_budget_mb=0)
    plain = Path(folder) / "fp32.onnx"
    export_network(run.folder / KERAS_MODEL, plain, "onnx")
    quantise_network(plain, store, Path(folder) / NETWORK)
    plain.unlink()


def quantised_predictor(folder: PathLike, config: Mapping[str, Any]) -> Predictor:
    """The network that `quantise` wrote, as a `Predictor`."""
    network = load_network((Path(folder) / NETWORK).read_bytes())
    size = tuple(config["arguments"]["image_size"])
    classes, normal_class = config["classes"], config["normal_class"]

    def predict(images):
        found = np.stack([network(image) for image in resize_batch(images, size)])
        return classifier_prediction(found, classes, normal_class)

    return Predictor(list(classes), normal_class, size, predict)
