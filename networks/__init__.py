"""Networks: the training loop; ONNX, written with Keras, run without it, or int8."""
