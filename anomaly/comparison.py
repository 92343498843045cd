"""Pictures of what an image was compared with: they say why it scores high."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from anomaly.autoencoders import AUTOENCODERS
from anomaly.autoencoders.residual import SHAPES as RESIDUAL_SHAPES
from anomaly.autoencoders.residual import Residual, rebuild
from anomaly.bundled import LEARNT, NETWORK
from anomaly.detector import SCORE_BLUR
from anomaly.memory_bank import SHAPES as BANK_SHAPES
from anomaly.memory_bank import MemoryBank, nearest
from anomaly.view import look, part_of_cells, view_of_json
from goodparts.arrays import check_arrays, read_arrays
from goodparts.command import InputError
from networks.engines import load_network
from preprocessing.images import read_image

ORIGINS = "patches.csv"  # of a run folder: where the patches of a bank come from
SHOWN_CELLS = 6  # side of a picture of a patch
Compared = Callable[[np.ndarray], list[tuple[np.ndarray, str]]]


def compares(method: str) -> bool:
    """Whether a method compares an image with something that can be shown."""
    return method == "memory_bank" or method in AUTOENCODERS


def compared_by(folder: Path, config: Mapping[str, Any]) -> Compared | None:
    """A function from an image to pictures with captions, for `Predictor.compared`.

    Args:
        folder: Of the run.
        config: Its config.json.
    """
    if not compares(config["method"]):
        return None
    show = _nearest_patch if config["method"] == "memory_bank" else _reconstruction
    view = view_of_json(config["view"])

    @cache
    def network():
        return load_network((folder / NETWORK).read_bytes())

    def compared(image):
        canvas = look(view, image)
        if canvas is None:
            return []
        return show(folder, config, view, canvas, network())

    return compared


def _reconstruction(folder, config, view, canvas, network):
    arrays = read_arrays(folder / LEARNT)
    check_arrays(arrays, RESIDUAL_SHAPES, LEARNT)
    rebuilt = rebuild(canvas.pixels, network, Residual(**arrays))
    pixels = np.clip(np.round(255 * rebuilt), 0, 255).astype(np.uint8)
    pixels = np.broadcast_to(pixels, canvas.pixels.shape)
    return [(canvas.pixels, "input"), (np.array(pixels), "reconstruction")]


def _nearest_patch(folder, config, view, canvas, network):
    """The worst patch, and the good one that it is most like."""
    arrays = read_arrays(folder / LEARNT)
    check_arrays(arrays, BANK_SHAPES, LEARNT)
    distances, which = nearest(network(canvas.pixels), MemoryBank(**arrays))
    grid = np.where(part_of_cells(canvas, distances.shape), distances, 0)
    smooth = cv2.GaussianBlur(grid.astype(np.float32), (0, 0), SCORE_BLUR)
    cell = int(smooth.argmax())
    shown = [(_cut(canvas.pixels, cell, grid.shape), "most unlike")]
    try:
        content = (folder / ORIGINS).read_text(encoding="utf-8")
        origin = pd.read_csv(io.StringIO(content)).iloc[int(which.flat[cell])]
        image = read_image(Path(config["dataset_folder"]) / str(origin["path"]))
    except (OSError, InputError, IndexError):
        return shown  # the data set is gone
    good = look(view, image)
    if good is not None:
        patch = _cut(good.pixels, int(origin["cell"]), grid.shape)
        shown.append((patch, "nearest good patch"))
    return shown


def _cut(pixels, cell, grid_size):
    """The surroundings of a cell of the canvas."""
    rows, columns = grid_size
    height, width = pixels.shape[0] / rows, pixels.shape[1] / columns
    row, column = divmod(cell, columns)
    size = round(SHOWN_CELLS * width), round(SHOWN_CELLS * height)
    # OpenCV's origin is in the middle of the first pixel
    centre = (column + 0.5) * width - 0.5, (row + 0.5) * height - 0.5
    return cv2.getRectSubPix(pixels, size, centre)
