"""Mid-level features of a pretrained network, on a grid over the image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from backbones import BACKBONES, Backbone, build_backbone, preprocess
from goodparts.files import PathLike
from networks.writing import export_model

if TYPE_CHECKING:
    import keras

LAYERS = {  # whose outputs are joined; the strides of each are 8 or 16
    "mobilenetv2": ("block_9_add", "block_12_add"),
    "resnet50": ("conv3_block4_out", "conv4_block6_out"),
    "inceptionresnetv2": ("mixed_5b", "mixed_6a"),
    "efficientnetv2s": ("block4f_add", "block5i_add"),
}


def write_features(
    path: Path,
    backbone: str,
    image_size: tuple[int, int],
    *,
    weights: PathLike = "imagenet",
    alpha: float | None = None,
    seed: int = 0,
) -> list[int]:
    """Writes the network as ONNX: an image in, features `(rows, columns, d)` out.

    Args:
        path: Of the file.
        backbone: A key of BACKBONES.
        image_size: `(height, width)`.
        weights, alpha: See `backbones.build_backbone`.
        seed: Of random weights.

    Returns:
        Channels of each layer in the features, in their order.
    """
    from networks.quiet_keras import keras

    keras.utils.set_random_seed(seed)
    network, layers = _build(backbone, image_size, weights, alpha)
    export_model(network, path)
    return layers


def _build(name, image_size, weights, alpha) -> tuple[keras.Model, list[int]]:
    from networks.quiet_keras import keras

    about: Backbone = BACKBONES[name]
    network = build_backbone(name, weights=weights, alpha=alpha)
    layers = [network.get_layer(layer).output for layer in LAYERS[name]]
    trunk = keras.Model(network.input, layers)
    images = keras.layers.Input((*image_size, 3))
    maps = trunk(preprocess(images, about), training=False)
    rows, columns = maps[0].shape[1:3]
    joined = [
        each
        if each.shape[1:3] == (rows, columns)
        else keras.ops.image.resize(each, (rows, columns))
        for each in maps
    ]
    pooled = [_mean_of_neighbours(each) for each in joined]
    network = keras.Model(images, keras.ops.concatenate(pooled, axis=-1))
    return network, [int(each.shape[-1]) for each in maps]


def _mean_of_neighbours(maps):
    """Each cell becomes the mean of 3 x 3, of those that are there at the border."""
    from networks.quiet_keras import keras

    return keras.ops.average_pool(maps, 3, strides=1, padding="same")
