"""The pretrained networks that features come from; building one imports Keras."""

import os
import threading
import urllib.error
import urllib.request
import warnings
from pathlib import Path
from typing import NamedTuple

from preprocessing.command import InputError

REACHABLE_WITHIN_S = 8


class Backbone(NamedTuple):
    """A network of `keras.applications`, without its top.

    Attributes:
        constructor: Name in `keras.applications`.
        image_size: `(height, width)` that it was trained at.
        scale, offset: `image * scale + offset` is what it wants of values 0 to 255.
        unfreeze_from: Name of the first layer that fine-tuning trains.
        weights_url: Of the ImageNet weights without top.
    """

    constructor: str
    image_size: tuple
    scale: float
    offset: float
    unfreeze_from: str
    weights_url: str


BACKBONES = {
    "mobilenetv2": Backbone(
        "MobileNetV2",
        (224, 224),
        1 / 127.5,
        -1.0,
        "block_6_expand",
        "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/"
        "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
    ),
}


def weights_file(name):
    """Where Keras keeps the ImageNet weights of a backbone."""
    file_name = BACKBONES[name].weights_url.rsplit("/", 1)[1]
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    return Path(home) / "models" / file_name


def imagenet_available(name):
    """Whether the ImageNet weights are cached or can be had, known within 10 s."""
    if weights_file(name).is_file():
        return True
    answers = []

    def ask():
        request = urllib.request.Request(BACKBONES[name].weights_url, method="HEAD")
        try:
            with urllib.request.urlopen(request, timeout=REACHABLE_WITHIN_S / 2):
                answers.append(True)
        except (urllib.error.URLError, OSError):
            pass

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(REACHABLE_WITHIN_S)
    return bool(answers)


def build_backbone(name, *, weights="imagenet"):
    """Builds a backbone without top, for images of any size.

    Args:
        name: A key of BACKBONES.
        weights: "imagenet", "none" (random) or the path of a weights file.

    Raises:
        InputError: If the weights cannot be had or do not fit.
    """
    import keras

    path = weights_file(name)
    if weights == "imagenet" and not imagenet_available(name):
        raise InputError(
            f"The ImageNet weights of {name} are not here and cannot be downloaded. "
            f"Put {path.name} into {path.parent}, or train with --weights none."
        )
    if weights not in ("imagenet", "none") and not Path(weights).is_file():
        raise InputError(f"--weights {weights!r} is neither imagenet, none nor a file.")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`input_shape` is undefined")
            return getattr(keras.applications, BACKBONES[name].constructor)(
                include_top=False,
                weights=None if weights == "none" else weights,
                input_shape=(None, None, 3),
            )
    except (OSError, ValueError) as error:
        if weights == "none":
            raise
        used = path if weights == "imagenet" else weights
        raise InputError(
            f"The weights file {used} cannot be used for {name} ({error}). "
            "Remove it and load it again."
        ) from error
