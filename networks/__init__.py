"""Networks: how they are trained; ONNX, written with Keras, run without it, or int8."""
