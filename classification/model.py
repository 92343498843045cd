"""The classifiers: from RGB images of 0 to 255 to class probabilities.

Each consists of two models in sequence: `features` (preprocessing, backbone, global
pooling) and `head` (Dropout(0.2), Dense(1024), Dense(classes)).
"""

import numpy as np

from backbones import BACKBONES, build_backbone, preprocess
from goodparts.files import PathLike
from networks.quiet_keras import keras

DROPOUT = 0.2
HEAD_UNITS = 1024
LEAN = 0.5
# kernel, filters and stride of each convolution
SMALL_CNN_LAYERS = (
    (5, 16, 2),
    (3, 32, 2),
    (3, 32, 1),
    (3, 64, 2),
    (3, 64, 1),
    (3, 64, 1),
)


def build_features(
    name: str,
    image_size: tuple[int, int],
    *,
    weights: PathLike = "imagenet",
    alpha: float | None = None,
    num_classes: int = 0,
) -> keras.Model:
    """Network and global pooling: images in, features out.

    With pretrained weights, BatchNormalization stays in inference mode even if parts of
    the backbone are trained later; without, it is trained too.

    small_cnn is pooled by mean and maximum: a defect at one position of the maps is
    lost in the mean. The last of its maps are a score of each class at each position,
    which masks can teach, see `places`.

    Args:
        name: "small_cnn" or a key of BACKBONES.
        image_size: `(height, width)`.
        weights, alpha: See `backbones.build_backbone`; small_cnn has none.
        num_classes: Number of classes; only small_cnn needs it.
    """
    images = keras.layers.Input((*image_size, 3))
    if name == "small_cnn":
        maps = _small_cnn(keras.layers.Rescaling(1 / 127.5, -1.0)(images))
        scores = keras.layers.Conv2D(num_classes, 1, name="scores")(maps)
        maps = keras.layers.Concatenate()([maps, scores])
    else:
        backbone = build_backbone(name, weights=weights, alpha=alpha)
        if weights == "none":
            _follow_statistics(backbone)
            maps = backbone(preprocess(images, BACKBONES[name]))
        else:
            maps = backbone(preprocess(images, BACKBONES[name]), training=False)
    features = keras.layers.GlobalAveragePooling2D(name="pooling")(maps)
    if name == "small_cnn":
        highest = keras.layers.GlobalMaxPooling2D(name="highest")(maps)
        features = keras.layers.Concatenate()([features, highest])
    return keras.Model(images, features, name="features")


def build_head(num_features: int, num_classes: int) -> keras.Sequential:
    """Features in, probabilities out."""
    return keras.Sequential(
        [
            keras.layers.Input((num_features,)),
            keras.layers.Dropout(DROPOUT),
            keras.layers.Dense(HEAD_UNITS, activation="relu"),
            keras.layers.Dense(num_classes, activation="softmax"),
        ],
        name="head",
    )


def join(features: keras.Model, head: keras.Model) -> keras.Model:
    """One model from images to probabilities."""
    images = keras.layers.Input(features.input_shape[1:])
    return keras.Model(images, head(features(images)), name="classifier")


def adjust_bias_to_priors(head: keras.Sequential, shares: np.ndarray) -> None:
    """Adjusts the bias of a head, trained with equal class weights, to the class
    priors.

    Equal class weights find more rare defects, but also predict them for good parts. As
    a compromise, half the log of the class frequencies is added to the last bias
    (validate of five folds of magnetic_tile: 14 of 414 wrong without the adjustment, 12
    with half of it, 13 with all of it; log loss 0.229, 0.200, 0.202).

    Args:
        head: Head from `build_head`.
        shares: Relative frequency of the classes in `train`, `(classes,)`, above 0.

    Reference:
        Menon et al., Long-tail learning via logit adjustment, ICLR 2021.
    """
    kernel, bias = head.layers[-1].get_weights()
    head.layers[-1].set_weights([kernel, bias + LEAN * np.log(shares)])


def unfreeze_blocks(classifier: keras.Model, name: str, num_blocks: int) -> None:
    """Makes the last blocks of the backbone trainable, and no others.

    Args:
        classifier: Classifier from `join`.
        name: Name of its backbone.
        num_blocks: How many; from the number of `Backbone.blocks` on, all.
    """
    backbone = _backbone(classifier)
    names = [layer.name for layer in backbone.layers]
    blocks = BACKBONES[name].blocks
    frozen = max(0, len(blocks) - num_blocks)
    first = names.index(blocks[frozen - 1]) + 1 if frozen else 0
    for place, layer in enumerate(backbone.layers):
        is_norm = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = place >= first and not is_norm


def _backbone(classifier):
    features = classifier.get_layer("features")
    return next(x for x in features.layers if isinstance(x, keras.Model))


def _follow_statistics(backbone):
    """BatchNormalization with a momentum for short trainings; 0.99 is too slow."""
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.9


def _small_cnn(maps):
    """Maps of an eighth of the image's height and width; each sees 57 pixels."""
    for kernel, filters, stride in SMALL_CNN_LAYERS:
        maps = keras.layers.Conv2D(
            filters, kernel, strides=stride, padding="same", use_bias=False
        )(maps)
        maps = keras.layers.BatchNormalization(momentum=0.9)(maps)
        maps = keras.layers.ReLU()(maps)
    return maps
