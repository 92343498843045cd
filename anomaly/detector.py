"""A trained detector: from an image to its `Answer`. It needs no Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import IO, Any, NamedTuple

import cv2
import numpy as np

from anomaly import colour_table, discriminator, gaussian, memory_bank
from anomaly.autoencoders import AUTOENCODERS, residual
from anomaly.view import look, map_of_image, map_size, part_of_cells, view_of_json
from evaluation.predictor import Answer
from goodparts.arrays import check_arrays, file_name, read_arrays
from goodparts.command import InputError
from goodparts.files import PathLike
from networks.engines import Network, load_network

NO_PART = 100.0  # score of an image that shows no part as the view knows it
SCORE_BLUR = 0.8  # cells of 16 pixels


class Method(NamedTuple):
    """How a detector measures.

    Attributes:
        learnt: NamedTuple of arrays.
        shapes: Of them, for `check_arrays`.
        check: Says what does not fit together.
        measure: Pixels of the canvas, its network and what was learnt to distances
            `(rows, columns)`.
        has_network: Whether there is one.
        blur: Cells; the score is the maximum of the blurred distances.
    """

    learnt: type
    shapes: Mapping[str, tuple[str, ...]]
    check: Callable[[Any], str | None]
    measure: Callable[[np.ndarray, Any, Any], np.ndarray]
    has_network: bool = True
    blur: float = SCORE_BLUR


def _of_features(measure):
    """The measure of a method whose network gives features of the canvas."""
    return lambda pixels, network, learnt: measure(network(pixels), learnt)


METHODS = {
    "memory_bank": Method(
        memory_bank.MemoryBank,
        memory_bank.SHAPES,
        memory_bank.check_bank,
        _of_features(memory_bank.measure),
    ),
    "gaussian": Method(
        gaussian.Gaussian,
        gaussian.SHAPES,
        gaussian.check_gaussian,
        _of_features(gaussian.measure),
    ),
    "feature_noise": Method(
        discriminator.Discriminator,
        discriminator.SHAPES,
        discriminator.check_discriminator,
        _of_features(discriminator.measure),
    ),
    "colour_novelty": Method(
        colour_table.ColourTable,
        colour_table.SHAPES,
        colour_table.check_table,
        lambda pixels, network, table: colour_table.measure(pixels, table),
        has_network=False,
        blur=1.0,
    ),
    **dict.fromkeys(
        AUTOENCODERS,
        Method(
            residual.Residual,
            residual.SHAPES,
            residual.check_residual,
            residual.measure,
            blur=2.0,
        ),
    ),
}


def open_detector(
    about: Mapping[str, Any],
    network: bytes | None,
    learnt: PathLike | IO[bytes],
    *,
    name: str = "The network",
    engine: str | None = None,
) -> Callable[[np.ndarray], Answer]:
    """A function from an image, uint8 RGB of any size, to its `Answer`.

    It gives score and map, or the score NO_PART, all over the map, where the part
    cannot be brought into its pose, so that it is never taken for good.

    Args:
        about: `method`, a key of METHODS, and `view`, as `view_as_json` wrote it.
        network: Bytes of the ONNX file; None for a method that has none.
        learnt: The npz of what was learnt.
        name: What messages call the network.
        engine: See `engines.load_network`.

    Raises:
        InputError: If a file is damaged, or they do not belong together.
    """
    method, view = METHODS[about["method"]], view_of_json(about["view"])
    arrays = read_arrays(learnt)
    check_arrays(arrays, method.shapes, file_name(learnt))
    known = method.learnt(**arrays)
    if problem := method.check(known):
        raise InputError(f"{file_name(learnt)}: {problem}.")
    loaded: Network | None = None
    if network is not None:
        loaded = load_network(network, name=name, engine=engine)

    def answer(image):
        canvas = look(view, image)
        if canvas is None:
            size = map_size(image.shape[:2])
            return Answer(NO_PART, anomaly_map=np.full(size, NO_PART, np.float32))
        grid = method.measure(canvas.pixels, loaded, known)
        grid = np.where(part_of_cells(canvas, grid.shape), grid, 0)
        found = map_of_image(grid, canvas, image.shape[:2])
        return Answer(score_of(grid, method.blur), anomaly_map=found)

    return answer


def score_of(grid: np.ndarray, blur: float = SCORE_BLUR) -> float:
    """The defect score of an image from the distances `(rows, columns)` of its cells.

    The maximum after a slight blur: a single cell weighs less than two neighbours.
    """
    return float(cv2.GaussianBlur(grid.astype(np.float32), (0, 0), blur).max())
