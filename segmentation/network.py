"""The networks of Mask R-CNN in Keras: pyramid with proposals, box head, mask head.

Narrower than in the paper, 64 instead of 256 channels, so that on two cores the whole
costs about two and a half passes through the backbone.

References:
    Lin et al., Feature pyramid networks for object detection, CVPR 2017.
    He et al., Mask R-CNN, ICCV 2017.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from backbones import BACKBONES, build_backbone, preprocess
from goodparts.files import PathLike
from networks.quiet_keras import keras
from segmentation.arguments import LEVELS
from segmentation.detector import BOX_BINS, MASK_BINS, Networks, Settings

BOX_UNITS = 256  # of each of two dense layers
MASK_LAYERS = 4
MASK_SIDE = 2 * MASK_BINS  # of the masks that the mask head draws
SPREAD = 0.01  # of the first weights of last layers


class Parts(NamedTuple):
    """The three networks; their outputs are described in `detector.Networks`."""

    pyramid: keras.Model
    box_head: keras.Model
    mask_head: keras.Model


def build_parts(
    settings: Settings,
    backbone: str,
    *,
    weights: PathLike = "imagenet",
    alpha: float | None = None,
) -> Parts:
    """Builds the three networks.

    With pretrained weights the layers up to the first level of the pyramid are frozen,
    and BatchNormalization is everywhere in inference mode; without, all is trained.

    Args:
        settings: Canvas, anchors, labels and channels.
        backbone: A key of LEVELS.
        weights, alpha: See `backbones.build_backbone`.
    """
    num_labels = len(settings.labels)
    return Parts(
        _build_pyramid(settings, backbone, weights, alpha),
        _build_box_head(settings.num_rois, settings.channels, num_labels),
        _build_mask_head(settings.channels, num_labels),
    )


def _build_pyramid(settings, backbone, weights, alpha):
    images = keras.layers.Input((*settings.canvas, 3))
    trunk = _build_trunk(backbone, weights, alpha)
    inputs = preprocess(images, BACKBONES[backbone])
    if weights == "none":
        levels = trunk(inputs)
    else:
        levels = trunk(inputs, training=False)
    maps = _merge(levels, settings.channels)
    rpn = _build_rpn(settings.channels, len(settings.anchors.ratios))
    cells = []
    for each in maps:
        both = keras.layers.Concatenate()([each, rpn(each)])
        cells.append(keras.layers.Reshape((-1, both.shape[-1]))(both))
    return keras.Model(images, keras.layers.Concatenate(axis=1)(cells), name="pyramid")


def _build_trunk(name, weights, alpha):
    """The backbone with the outputs of strides 4, 8, 16 and 32."""
    network = build_backbone(name, weights=weights, alpha=alpha)
    outputs = [network.get_layer(layer).output for layer in LEVELS[name]]
    trunk = keras.Model(network.input, outputs, name="trunk")
    first = trunk.layers.index(trunk.get_layer(LEVELS[name][0]))
    for place, layer in enumerate(trunk.layers):
        is_norm = isinstance(layer, keras.layers.BatchNormalization)
        if weights == "none":
            if is_norm:
                layer.momentum = 0.9  # 0.99 is too slow for short trainings
        else:
            layer.trainable = place > first and not is_norm
    return trunk


def _merge(levels, channels):
    """P2 to P6 of the outputs of the trunk."""
    merged = None
    maps = []
    for number, level in reversed(list(enumerate(levels, 2))):
        across = keras.layers.Conv2D(channels, 1, name=f"lateral_{number}")(level)
        if merged is not None:
            above = keras.layers.UpSampling2D(2)(merged)
            across = keras.layers.Add()([across, above])
        merged = across
        conv = keras.layers.Conv2D(channels, 3, padding="same", name=f"p{number}")
        maps.insert(0, conv(merged))
    top = keras.layers.MaxPooling2D(1, strides=2, padding="same", name="p6")(maps[-1])
    return [*maps, top]


def _build_rpn(channels, num_ratios):
    """The head that all levels share: objectness, then deltas, of each anchor."""
    maps = keras.layers.Input((None, None, channels))
    hidden = keras.layers.Conv2D(channels, 3, padding="same", activation="relu")(maps)
    objectness = keras.layers.Conv2D(
        num_ratios, 1, kernel_initializer=_small(), name="objectness"
    )(hidden)
    deltas = keras.layers.Conv2D(
        4 * num_ratios, 1, kernel_initializer=_small(), name="deltas"
    )(hidden)
    return keras.Model(
        maps, keras.layers.Concatenate()([objectness, deltas]), name="rpn"
    )


def _build_box_head(num_rois, channels, num_labels):
    """What is in each RoI: `(batch, num_rois, values)` to logits and deltas.

    In training there are other numbers of RoIs: all layers see each by itself.
    """
    features = keras.layers.Input((None, BOX_BINS * BOX_BINS * channels))
    hidden = features
    for _ in range(2):
        hidden = keras.layers.Dense(BOX_UNITS, activation="relu")(hidden)
    logits, deltas = (
        keras.layers.Dense(count, kernel_initializer=_small(), name=name)(hidden)
        for name, count in (("classes", num_labels + 1), ("boxes", 4 * num_labels))
    )
    return keras.Model(
        features, keras.layers.Concatenate()([logits, deltas]), name="box_head"
    )


def _build_mask_head(channels, num_labels):
    """The mask of each class in a RoI, as logits `(batch, 28, 28, classes)`."""
    features = keras.layers.Input((MASK_BINS, MASK_BINS, channels))
    hidden = features
    for _ in range(MASK_LAYERS):
        hidden = keras.layers.Conv2D(
            channels,
            3,
            padding="same",
            activation="relu",
            kernel_initializer="he_normal",
        )(hidden)
    hidden = keras.layers.Conv2DTranspose(
        channels, 2, strides=2, activation="relu", kernel_initializer="he_normal"
    )(hidden)
    masks = keras.layers.Conv2D(num_labels, 1, kernel_initializer=_small())(hidden)
    return keras.Model(features, masks, name="mask_head")


def _small():
    return keras.initializers.RandomNormal(stddev=SPREAD)


def for_one_image(parts: Parts, settings: Settings) -> Parts:
    """The same networks with the number of RoIs fixed, as they are written as ONNX."""
    size = BOX_BINS * BOX_BINS * settings.channels
    features = keras.layers.Input((settings.num_rois, size))
    box_head = keras.Model(features, parts.box_head(features), name="box_head")
    return parts._replace(box_head=box_head)


def networks_of(parts: Parts) -> Networks:
    """The networks as `detector` calls them, in Keras, while they are trained."""

    def of_one(network):
        def predict(values):
            return network.predict_on_batch(values[None].astype(np.float32))[0]

        return predict

    return Networks(*map(of_one, parts))
