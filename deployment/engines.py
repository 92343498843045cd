"""ONNX networks on the CPU: ONNX Runtime or OpenVINO, each imported when it is used.

ONNX Runtime is faster in 32-bit floats on the MobileNets, OpenVINO several times so in
8-bit integers; where the better one is not installed, the other does the work.
"""

import numpy as np

from preprocessing.command import InputError

PRECISIONS = ("fp32", "int8")


def load_network(content, precision, *, engine=None, num_threads=None):
    """Loads a network.

    Args:
        content: Bytes of an ONNX file; one input `(batch, height, width, 3)`, one
            output `(batch, classes)`.
        precision: One of PRECISIONS, that of the file.
        engine: A key of ENGINES; the faster one for the precision if None.
        num_threads: All cores if None.

    Returns:
        A function from one image, uint8 RGB of the network's size, to probabilities
        `(classes,)`.

    Raises:
        InputError: If neither engine is installed.
    """
    wanted = (
        ["onnxruntime", "openvino"]
        if precision == "fp32"
        else ["openvino", "onnxruntime"]
    )
    for name in wanted if engine is None else [engine]:
        try:
            return ENGINES[name](content, num_threads)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
    raise InputError(f"Nothing runs ONNX here: pip install {' or '.join(wanted)}.")


def _with_onnxruntime(content, num_threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads or 0
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name

    def predict(image):
        return session.run(None, {name: image[None].astype(np.float32)})[0][0]

    return predict


def _with_openvino(content, num_threads):
    import openvino

    core = openvino.Core()
    model = core.read_model(model=content)
    shape = model.input(0).get_partial_shape()
    shape[0] = 1
    model.reshape(shape)
    # without the hint it calculates in bfloat16 where the processor can: other answers
    # on other machines
    options = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if num_threads:
        options["INFERENCE_NUM_THREADS"] = num_threads
    request = core.compile_model(model, "CPU", options).create_infer_request()

    def predict(image):
        return request.infer({0: image[None].astype(np.float32)})[0][0].copy()

    return predict


ENGINES = {"onnxruntime": _with_onnxruntime, "openvino": _with_openvino}
