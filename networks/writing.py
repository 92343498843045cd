"""Keras networks as ONNX, SavedModel or LiteRT; ONNX in 8-bit integers."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from goodparts.command import InputError, progress, working
from goodparts.files import PathLike
from networks.engines import Network

if TYPE_CHECKING:
    import keras

FORMATS = {"savedmodel": "tf_saved_model", "litert": "litert"}
CALIBRATION_IMAGES = 100  # of train


class ImageSource(Protocol):
    """Images by position, uint8 RGB `(height, width, 3)`, such as an `ImageStore`."""

    def __len__(self) -> int: ...

    def get(self, index: int) -> np.ndarray: ...


def load_keras(path: PathLike) -> keras.Model:
    """The Keras model of a `.keras` file, after it has run once."""
    from networks.quiet_keras import keras

    network = keras.models.load_model(path)
    shape = (1, *network.input_shape[1:])
    network.predict_on_batch(np.zeros(shape, np.float32))  # an export needs that
    return network


def export_network(keras_file: PathLike, path: PathLike, keras_format: str) -> None:
    """Writes the network of a `.keras` file in a format of Keras' `Model.export`.

    Bundles contain ONNX; OpenVINO reads it too, and on some backbones it is several
    times faster than with the OpenVINO export of Keras.
    """
    with working("loading the network"):
        network = load_keras(keras_file)
    _export(network, path, keras_format)


def export_model(network: keras.Model, path: PathLike) -> None:
    """Writes a network as ONNX."""
    shape = (1, *network.input_shape[1:])
    network.predict_on_batch(np.zeros(shape, np.float32))  # an export needs that
    _export(network, path, "onnx")


def _export(network, path, keras_format):
    with working("writing the network"), _quiet():
        network.export(str(path), format=keras_format, verbose=False)


@contextlib.contextmanager
def _quiet():
    """Suppresses the messages of libraries during conversion, which are of no use."""
    for name in ("tf2onnx", "onnxruntime", "absl", "tensorflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def load_exported(path: PathLike, name: str) -> Network:
    """Loads a network written by `export_network` as a function from image to
    probabilities.

    Args:
        path: SavedModel folder or LiteRT file.
        name: A key of FORMATS.
    """
    import tensorflow

    if name == "savedmodel":
        saved = tensorflow.saved_model.load(str(path))
        return lambda image: saved.serve(image[None].astype(np.float32)).numpy()[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it moves to a new package
        interpreter = tensorflow.lite.Interpreter(str(path))
    interpreter.allocate_tensors()
    given, found = (
        interpreter.get_input_details()[0],
        interpreter.get_output_details()[0],
    )

    def predict(image):
        interpreter.set_tensor(given["index"], image[None].astype(np.float32))
        interpreter.invoke()
        return interpreter.get_tensor(found["index"])[0]

    return predict


def quantise_network(
    onnx_file: PathLike,
    store: ImageSource,
    out: PathLike,
    *,
    kinds: Sequence[str] | None = None,
) -> None:
    """Writes a network with weights and activations quantised to 8-bit integers.

    Args:
        onnx_file: The network in 32-bit floats.
        store: Train images at its size; the ranges of the activations are calibrated on
            CALIBRATION_IMAGES of them.
        out: The file to write.
        kinds: Operators that are quantised, such as Conv; None for all that can be.
    """
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    if len(store) == 0:
        raise InputError(
            "int8 needs images of train to calibrate the range of values, but there "
            "are none."
        )
    chosen = np.linspace(0, len(store) - 1, min(CALIBRATION_IMAGES, len(store)))
    prepared = Path(out).with_suffix(".prepared")
    with working("preparing the network"), _quiet():
        quant_pre_process(str(onnx_file), str(prepared), skip_symbolic_shape=True)
    name = _input_name(prepared)

    class Images(quantization.CalibrationDataReader):
        def __init__(self):
            steps = progress(chosen.astype(int), "quantising", len(chosen))
            self.images = (store.get(index) for index in steps)

        def get_next(self):
            image = next(self.images, None)
            return None if image is None else {name: image[None].astype(np.float32)}

    with _quiet():
        quantization.quantize_static(
            str(prepared),
            str(out),
            Images(),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=None if kinds is None else list(kinds),
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
    prepared.unlink()


def _input_name(path):
    import onnx

    return onnx.load(str(path)).graph.input[0].name
