"""Pretrained backbone networks; building one imports Keras."""

from __future__ import annotations

import hashlib
import os
import threading
import urllib.error
import urllib.request
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zipfile import BadZipFile

from goodparts.command import InputError, reason
from goodparts.files import PathLike

if TYPE_CHECKING:
    import keras

REACHABLE_WITHIN_S = 8
KERAS_APPLICATIONS = "https://storage.googleapis.com/tensorflow/keras-applications"


class Backbone(NamedTuple):
    """A network of `keras.applications`, without its top.

    Attributes:
        constructor: Name in `keras.applications`.
        image_size: `(height, width)` that the network uses by default.
        smallest_side: Smallest side in pixels that its strides allow.
        channels: "RGB" or "BGR", the channel order that it expects.
        scale, offset: The input of the network is `image * scale + offset` for values 0
            to 255; the offset may have one value per channel, in the order of
            `channels`.
        blocks: Name of the last layer of each block, from the image to the features;
            this layer is the only output of the block.
        unfreeze: Default schedule of fine-tuning: from which epoch on, counted from
            0, how many of the last blocks are trained.
        weights_url: URL of the ImageNet weights without top, with `{alpha}` in it if
            the network has several widths.
        weights_md5: MD5 of that file; None if Keras publishes none.
        alphas: Widths for which weights exist; () if the width is fixed.
        options: Further arguments of the constructor.
    """

    constructor: str
    image_size: tuple[int, int]
    smallest_side: int
    channels: str
    scale: float
    offset: float | tuple[float, ...]
    blocks: tuple[str, ...]
    unfreeze: dict[int, int]
    weights_url: str
    weights_md5: str | None = None
    alphas: tuple[float, ...] = ()
    options: dict[str, Any] = {}


def _mobilenetv2_blocks():
    added = {2, 4, 5, 7, 8, 9, 11, 12, 14, 15}  # blocks whose input is added at the end
    last = (f"block_{n}_{'add' if n in added else 'project_BN'}" for n in range(1, 17))
    return ("Conv1_relu", "expanded_conv_project_BN", *last, "out_relu")


BACKBONES = {
    "mobilenetv2": Backbone(
        constructor="MobileNetV2",
        image_size=(320, 320),  # magnetic_tile: macro-F1 on validate 0.98, at 224 0.96
        smallest_side=32,
        channels="RGB",
        scale=1 / 127.5,
        offset=-1.0,
        blocks=_mobilenetv2_blocks(),
        unfreeze={0: 12},
        weights_url=f"{KERAS_APPLICATIONS}/mobilenet_v2/"
        "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_224_no_top.h5",
        alphas=(0.35, 0.5, 0.75, 1.0, 1.3, 1.4),
    ),
    "resnet50": Backbone(
        constructor="ResNet50",
        image_size=(224, 224),
        smallest_side=32,
        channels="BGR",
        scale=1.0,
        offset=(-103.939, -116.779, -123.68),
        blocks=(
            "pool1_pool",
            "conv2_block3_out",
            "conv3_block4_out",
            "conv4_block6_out",
            "conv5_block3_out",
        ),
        unfreeze={0: 2},
        weights_url=f"{KERAS_APPLICATIONS}/resnet/"
        "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        weights_md5="4d473c1dd8becc155b73f8504c6f6626",
    ),
    "inceptionresnetv2": Backbone(
        constructor="InceptionResNetV2",
        image_size=(299, 299),
        smallest_side=75,
        channels="RGB",
        scale=1 / 127.5,
        offset=-1.0,
        blocks=(
            "mixed_5b",
            "block35_10_ac",
            "mixed_6a",
            "block17_20_ac",
            "mixed_7a",
            "conv_7b_ac",
        ),
        unfreeze={0: 2},
        weights_url=f"{KERAS_APPLICATIONS}/inception_resnet_v2/"
        "inception_resnet_v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
        weights_md5="d19885ff4a710c122648d3b5c3b684e4",
    ),
    "efficientnetv2s": Backbone(
        constructor="EfficientNetV2S",
        image_size=(384, 384),
        smallest_side=32,
        channels="RGB",
        scale=1 / 128,
        offset=-1.0,
        blocks=(
            "stem_activation",
            "block1b_add",
            "block2d_add",
            "block3d_add",
            "block4f_add",
            "block5i_add",
            "block6o_add",
            "top_activation",
        ),
        unfreeze={0: 3},
        weights_url=f"{KERAS_APPLICATIONS}/efficientnet_v2/efficientnetv2-s_notop.h5",
        weights_md5="af0682fb74e8c54910f2d4393339c070",
        options={"include_preprocessing": False},
    ),
}


def weights_url(name: str, alpha: float | None = None) -> str:
    """Where the ImageNet weights of a backbone are published."""
    return BACKBONES[name].weights_url.replace("{alpha}", str(float(alpha or 1.0)))


def weights_file(name: str, alpha: float | None = None) -> Path:
    """Where Keras keeps the ImageNet weights of a backbone on this machine."""
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    return Path(home) / "models" / weights_url(name, alpha).rsplit("/", 1)[1]


def imagenet_available(name: str, alpha: float | None = None) -> bool:
    """Whether the ImageNet weights are cached or can be downloaded; answers within 10
    s.
    """
    if weights_file(name, alpha).is_file():
        return True
    answers = []

    def ask():
        request = urllib.request.Request(weights_url(name, alpha), method="HEAD")
        try:
            with urllib.request.urlopen(request, timeout=REACHABLE_WITHIN_S / 2):
                answers.append(True)
        except (urllib.error.URLError, OSError):
            pass

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(REACHABLE_WITHIN_S)
    return bool(answers)


def find_weights(
    name: str, weights: PathLike = "imagenet", alpha: float | None = None
) -> Path | None:
    """Returns the weights file, downloaded if it is not cached; None for "none".

    Args:
        name: A key of BACKBONES.
        weights: "imagenet", "none" (random) or the path of a weights file.
        alpha: Width of the network, where it has widths; 1.0 if None.

    Raises:
        InputError: If they cannot be downloaded, or the file is not the published one.
    """
    if weights == "none":
        return None
    if weights != "imagenet":
        if not Path(weights).is_file():
            raise InputError(
                "--weights must be imagenet, none or a file. Received: "
                f"{str(weights)!r}."
            )
        return Path(weights)
    path = weights_file(name, alpha)
    if not path.is_file():
        _download(name, path, alpha)
    expected = BACKBONES[name].weights_md5
    with open(path, "rb") as file:
        received = hashlib.file_digest(file, "md5").hexdigest() if expected else None
    if received != expected:
        raise InputError(
            f"{path} is not the published weights file of {name}: its md5 is "
            f"{received}, not {expected}. Delete it and download it again from "
            f"{weights_url(name, alpha)}."
        )
    return path


def choose_alpha(model: str, alpha: float | None) -> float | None:
    """The width multiplier of a network that has one, 1.0 by default; else None.

    Raises:
        InputError: If the network has no weights of this width.
    """
    alphas = BACKBONES[model].alphas if model in BACKBONES else ()
    if alpha is None:
        return 1.0 if alphas else None
    if alpha not in alphas:
        known = f"one of {', '.join(map(str, alphas))}" if alphas else "left out"
        raise InputError(f"--alpha of {model} must be {known}. Received: {alpha:g}.")
    return float(alpha)


def build_backbone(
    name: str, *, weights: PathLike = "imagenet", alpha: float | None = None
) -> keras.Model:
    """Builds a backbone without top, for images of any size.

    Args:
        name: A key of BACKBONES.
        weights: "imagenet", "none" (random) or the path of a weights file.
        alpha: Width of the network, where it has widths; 1.0 if None.

    Raises:
        InputError: If the weights cannot be downloaded or do not fit.
    """
    import keras

    path = find_weights(name, weights, alpha)
    backbone = BACKBONES[name]
    width = {"alpha": float(alpha or 1.0)} if backbone.alphas else {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`input_shape` is undefined")
        network = getattr(keras.applications, backbone.constructor)(
            include_top=False,
            weights=None,
            input_shape=(None, None, 3),
            **width,
            **backbone.options,
        )
    if path is not None:
        try:
            with warnings.catch_warnings():  # Keras only warns of what it cannot fill
                warnings.simplefilter("error", UserWarning)
                network.load_weights(path)
        except (OSError, ValueError, KeyError, BadZipFile, UserWarning) as error:
            raise InputError(
                f"The weights file {path} cannot be used for {name} "
                f"({reason(error)}). It is incomplete, or belongs to another network, "
                "to one with a top layer or to another alpha. The right file is at "
                f"{weights_url(name, alpha)}."
            ) from error
    return network


def preprocess(images: keras.KerasTensor, backbone: Backbone) -> keras.KerasTensor:
    """Images of 0 to 255 RGB as a backbone wants them, as layers."""
    import keras

    if backbone.channels == "BGR":
        images = keras.ops.flip(images, axis=-1)
    return keras.layers.Rescaling(backbone.scale, backbone.offset)(images)


def _download(name, path, alpha):
    import keras

    url = weights_url(name, alpha)
    advice = (
        f"The ImageNet weights of {name} are not cached and cannot be downloaded. Put "
        f"{path.name} into {path.parent} (from {url}), or train with --weights none."
    )
    if not imagenet_available(name, alpha):
        raise InputError(advice)
    partial = f"{path.name}.partial"
    try:
        found = keras.utils.get_file(
            partial,
            url,
            cache_dir=path.parent.parent,
            cache_subdir=path.parent.name,
            force_download=True,  # what a killed download left is not the file
        )
        os.replace(found, path)
    except Exception as error:  # get_file raises nothing narrower
        raise InputError(f"{advice} ({reason(error)})") from error
