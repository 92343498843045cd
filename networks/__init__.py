"""Networks as ONNX: written with Keras, run without it, in floats or 8-bit integers."""
