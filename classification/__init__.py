"""Transfer learning: a classifier on a pretrained backbone, and a small CNN."""

import logging
import os


def _import_keras_quietly():
    """Imports Keras without the notices that TensorFlow prints before its log opens."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import keras  # noqa: F401
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


_import_keras_quietly()
