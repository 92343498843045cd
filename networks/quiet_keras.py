"""Imports `keras` without the messages that TensorFlow prints at its start."""

import logging
import os
from typing import TYPE_CHECKING

from goodparts.command import working


def _import_quietly():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with working("loading Keras"):  # on a terminal; the rest of stderr is left out
        return _import_with_nothing_shown()


def _import_with_nothing_shown():
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import keras
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)
    return keras


if TYPE_CHECKING:
    import keras
else:
    keras = _import_quietly()
