"""The part of a bundle that is a one-class detector: the files of its run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anomaly.detector import METHODS, open_detector
from evaluation.predictor import Answer
from goodparts.arrays import NamedBytes
from goodparts.fields import (
    check_choice,
    check_file,
    check_image_size,
    check_number,
    check_object,
    refuse,
)

if TYPE_CHECKING:
    from evaluation.run_folder import Run

NETWORK, LEARNT = "features.onnx", "learnt.npz"
LONGEST = 65_535  # pixels


def write(run: Run, folder: Path, prefix: str, *, precision: str) -> dict[str, Any]:
    """Copies the files of the run; returns what `load` needs to know of them."""
    method = METHODS[run.config["method"]]
    for name in (NETWORK, LEARNT) if method.has_network else (LEARNT,):
        shutil.copyfile(run.folder / name, folder / f"{prefix}{name}")
    return {
        "network": f"{prefix}{NETWORK}" if method.has_network else None,
        "learnt": f"{prefix}{LEARNT}",
        "method": run.config["method"],
        "view": run.config["view"],
    }


def check(model: dict[str, Any], where: str, files: Container[str]) -> None:
    """Raises InputError unless a part is as `write` returns it.

    Args:
        model: What bundle.json says, with classes and normal_class.
        where: What messages call it.
        files: The files of the bundle, by name.
    """
    check_object(model, where, "network", "learnt", "method", "view")
    check_choice(model["method"], f"{where}.method", METHODS)
    if METHODS[model["method"]].has_network:
        check_file(model["network"], f"{where}.network", files)
    elif model["network"] is not None:
        refuse(f"{where}.network", "null for this method", model["network"])
    check_file(model["learnt"], f"{where}.learnt", files)
    view = model["view"]
    check_object(view, f"{where}.view", "size", "length", "breadth", "has_axis")
    check_image_size(view["size"], f"{where}.view.size")
    for name in ("length", "breadth"):
        check_number(view[name], f"{where}.view.{name}", 0, LONGEST)
    if (view["length"] == 0) != (view["breadth"] == 0):
        refuse(f"{where}.view", "of a length and a breadth, or of neither", view)
    if not isinstance(view["has_axis"], bool):
        refuse(f"{where}.view.has_axis", "true or false", view["has_axis"])


def load(
    model: Mapping[str, Any], files: Mapping[str, bytes], *, engine: str | None = None
) -> Callable[[np.ndarray], Answer]:
    """A function from an image, uint8 RGB of any size, to its `Answer`.

    Args:
        model: What `write` returned, with classes and normal_class.
        files: Name -> bytes, of the bundle.
        engine: See `engines.load_network`.
    """
    learnt = NamedBytes(model["learnt"], files[model["learnt"]])
    name = model["network"]
    network = None if name is None else files[name]
    return open_detector(model, network, learnt, name=name or "", engine=engine)
