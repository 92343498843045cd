"""Networks: what trainings share, and ONNX written with Keras and run without it."""
