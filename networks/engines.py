"""ONNX networks on the CPU: OpenVINO or ONNX Runtime, each imported when it is used.

OpenVINO is a tenth faster with 32-bit floats on an idle processor, and several times
faster with 8-bit integers; if it is not installed, ONNX Runtime is used.
"""

import contextlib
import importlib.metadata
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from goodparts.command import InputError
from goodparts.machine import num_cpus
from networks.onnx_file import check_onnx

PRECISIONS = ("fp32", "int8")

Network = Callable[[np.ndarray], np.ndarray]  # such as an image to probabilities


def load_network(
    content: bytes,
    *,
    name: str = "The network",
    engine: str | None = None,
    dtype: npt.DTypeLike = np.uint8,
) -> Network:
    """Loads a network.

    Args:
        content: Bytes of an ONNX file; one input `(batch, ...)`, such as `(batch,
            height, width, 3)`, and one output, such as `(batch, classes)`.
        name: Name of the network in error messages.
        engine: A key of ENGINES; the first that is installed if None.
        dtype: Of what the function is given: uint8 for images, or float32.

    Returns:
        A function from one input without its batch axis, such as an image, uint8 RGB
        of the network's size, to the output without it, such as probabilities
        `(classes,)`.

    Raises:
        InputError: If the engine is not installed, or see `onnx_file.check_onnx`.
    """
    check_onnx(content, name)
    for each in ENGINES if engine is None else [engine]:
        try:
            return ENGINES[each](content, num_cpus(), np.dtype(dtype))
        except ModuleNotFoundError as error:
            if error.name != each:
                raise
    wanted = engine or " or ".join(ENGINES)
    raise InputError(f"The bundle needs {wanted} to run here: pip install {wanted}.")


def engine_in_use() -> dict[str, str]:
    """Name and version of the default engine."""
    for name in ENGINES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return {"name": name, "version": importlib.metadata.version(name)}
    raise InputError(
        f"No ONNX engine is installed: pip install {' or '.join(ENGINES)}."
    )


def _with_openvino(content, num_threads, dtype):
    import openvino

    core = openvino.Core()
    model = core.read_model(model=content)
    shape = model.input(0).get_partial_shape()
    shape[0] = 1
    model.reshape(shape)
    steps = openvino.preprocess.PrePostProcessor(model)
    steps.input().tensor().set_element_type(openvino.Type(dtype))
    # without the first hint it calculates in bfloat16 where the processor can: other
    # answers on other machines
    options = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": num_threads,
    }
    request = core.compile_model(steps.build(), "CPU", options).create_infer_request()

    given = request.get_input_tensor(0).data

    def predict(image):
        if image.shape != given.shape[1:]:  # NumPy would stretch a smaller one
            raise ValueError(
                f"the network expects images of the shape {given.shape[1:]}, not "
                f"{image.shape}"
            )
        given[0] = image
        request.infer()
        return request.get_output_tensor(0).data[0].copy()

    return predict


def _with_onnxruntime(content, num_threads, _):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name

    def predict(image):  # of images too it takes floats
        return session.run(None, {name: image[None].astype(np.float32)})[0][0]

    return predict


ENGINES = {"openvino": _with_openvino, "onnxruntime": _with_onnxruntime}
