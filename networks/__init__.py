"""Networks: the training loop; ONNX, written with Keras and run without it, in floats or
8-bit integers.
"""
