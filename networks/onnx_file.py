"""Checks ONNX files without the package onnx, which the runtime does not have.

It only parses what is needed to refuse a file before an engine loads it: protobuf is a
list of numbered fields, and fields that are not needed are skipped.

Reference:
    https://protobuf.dev/programming-guides/encoding and onnx/onnx.proto of ONNX.
"""

import numpy as np

from goodparts.command import InputError

INSIDE = {  # by kind of message, the fields that are messages of interest themselves
    "model": {7: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 10: "tensor", 22: "sparse tensor", 23: "sparse tensor"},
    "tensor": {},
    "sparse tensor": {1: "tensor", 2: "tensor"},
}
REFUSED = {
    ("model", 20): "holds training steps",
    ("model", 25): "holds functions",
    ("attribute", 6): "has a branch or loop (If, Loop, Scan)",
    ("attribute", 11): "has a branch or loop (If, Loop, Scan)",
    ("tensor", 13): "keeps weights outside of its file",
    ("tensor", 14): "keeps weights outside of its file",
}
DOMAINS = (b"", b"ai.onnx")  # of operators
NODE_DOMAIN = 7
TENSOR_TYPE, TENSOR_FLOATS, TENSOR_BYTES = 2, 4, 9
FLOATS = {1: np.float32, 10: np.float16, 11: np.float64}  # by the type of a tensor


def check_onnx(content: bytes, name: str) -> None:
    """Checks a network before it is loaded.

    Args:
        content: Bytes of an ONNX file.
        name: Name of the file in error messages.

    Raises:
        InputError: If it is not an ONNX file or is truncated, keeps weights in other
            files, has branches, loops, functions or operators that are not part of
            ONNX, which no exported network has, or weights that are NaN.
    """
    try:
        num_graphs = _check_message(memoryview(content), "model", name)
    except (ValueError, IndexError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{name} is damaged or not an ONNX file ({error}).") from error
    if num_graphs != 1:
        raise InputError(f"{name} is not an ONNX file: it contains no network.")


def _check_message(data, kind, name):
    """Checks a message and those in it; returns how many of the latter it has."""
    num_inside, tensor = 0, {}
    for number, value in _fields(data):
        if value and (kind, number) in REFUSED:
            raise InputError(f"{name} {REFUSED[kind, number]}. Export the run again.")
        if kind == "node" and number == NODE_DOMAIN and value not in DOMAINS:
            raise InputError(
                f"{name} has an operator of {str(value[:40], errors='replace')!r}, "
                "which is not part of ONNX. Export the run again."
            )
        if number in INSIDE[kind]:
            num_inside += 1
            _check_message(value, INSIDE[kind][number], name)
        elif kind == "tensor":
            tensor[number] = value
    if tensor.get(TENSOR_TYPE) in FLOATS:
        _check_weights(tensor, name)
    return num_inside


def _check_weights(tensor, name):
    kind = FLOATS[tensor[TENSOR_TYPE]]
    for number, dtype in ((TENSOR_BYTES, kind), (TENSOR_FLOATS, np.float32)):
        values = tensor.get(number)
        if values is not None and np.isnan(np.frombuffer(values, dtype)).any():
            raise InputError(f"{name} has weights that are NaN. Export the run again.")


def _fields(data):
    """Yields number and value of every field of a message: bytes or a whole number."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, place = _varint(data, place)
        else:
            if wire == 2:
                length, place = _varint(data, place)
            elif wire in (1, 5):
                length = 8 if wire == 1 else 4
            else:
                raise ValueError(f"field {number} has no known form")
            value, place = data[place : place + length], place + length
        if place > len(data):
            raise ValueError("cut off")
        yield number, value


def _varint(data, place):
    """A whole number with 7 bits per byte, the lowest first, and the next position."""
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
        if shift > 63:
            raise ValueError("a number has too many bytes")
