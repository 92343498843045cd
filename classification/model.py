"""The classifiers: images in, 0 to 255 RGB, class probabilities out."""

import keras
from keras import layers

from backbones import BACKBONES, build_backbone

DROPOUT = 0.2
HEAD_UNITS = 1024


def build_head(num_features, num_classes):
    """Dropout(0.2), Dense(1024), Dense(classes): features in, probabilities out."""
    return keras.Sequential(
        [
            layers.Input((num_features,)),
            layers.Dropout(DROPOUT),
            layers.Dense(HEAD_UNITS, activation="relu"),
            layers.Dense(num_classes, activation="softmax"),
        ],
        name="head",
    )


def build_features(name, image_size, *, weights):
    """Backbone and global average pooling: images in, features out.

    Args:
        name: A key of BACKBONES.
        image_size: `(height, width)`.
        weights: See `backbones.build_backbone`.
    """
    backbone = build_backbone(name, weights=weights)
    images = layers.Input((*image_size, 3))
    scaled = layers.Rescaling(BACKBONES[name].scale, BACKBONES[name].offset)(images)
    features = layers.GlobalAveragePooling2D()(backbone(scaled, training=False))
    return keras.Model(images, features, name="features")


def unfreeze(features, name):
    """Makes the last blocks of the backbone trainable; see `Backbone.unfreeze_from`.

    BatchNormalization stays as it is: the backbone is called in inference mode.
    """
    backbone = next(x for x in features.layers if isinstance(x, keras.Model))
    names = [layer.name for layer in backbone.layers]
    first = names.index(BACKBONES[name].unfreeze_from)
    for place, layer in enumerate(backbone.layers):
        frozen = place < first or isinstance(layer, layers.BatchNormalization)
        layer.trainable = not frozen


def join(features, head):
    """One model from images to probabilities."""
    images = layers.Input(features.input_shape[1:])
    return keras.Model(images, head(features(images)), name="classifier")


def build_from_scratch(name, image_size, num_classes):
    """A network with random weights, to be trained as a whole.

    Args:
        name: "small_cnn" or a key of BACKBONES.
        image_size: `(height, width)`.
        num_classes: Number of classes.
    """
    images = layers.Input((*image_size, 3))
    if name == "small_cnn":
        maps = _small_cnn(layers.Rescaling(1 / 127.5, -1.0)(images))
    else:
        backbone = build_backbone(name, weights="none")
        for layer in backbone.layers:
            if isinstance(layer, layers.BatchNormalization):
                layer.momentum = 0.9  # 0.999 lags behind in a short training
        maps = backbone(
            layers.Rescaling(BACKBONES[name].scale, BACKBONES[name].offset)(images)
        )
    features = layers.Dropout(DROPOUT)(layers.GlobalAveragePooling2D()(maps))
    probabilities = layers.Dense(num_classes, activation="softmax")(features)
    return keras.Model(images, probabilities, name=name)


def _small_cnn(maps):
    """Four blocks of two convolutions: sees a quarter of a 128-pixel part."""
    for filters in (16, 32, 64, 128):
        for stride in (1, 2):
            maps = layers.Conv2D(
                filters, 3, strides=stride, padding="same", use_bias=False
            )(maps)
            maps = layers.BatchNormalization(momentum=0.9)(maps)
            maps = layers.ReLU()(maps)
    return maps
