"""The networks that rebuild an image: published architectures, their dead ends mended.

Every size whose sides are multiples of SIDES fits. An encoder halves the image as often
as published, or as often as both sides can be halved; the decoder is its mirror image.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from networks.quiet_keras import keras

layers = keras.layers
Tensor = Any  # of Keras, (batch, height, width, channels)


class Architecture(NamedTuple):
    """A network and how it is trained.

    Attributes:
        build: Takes an image of 0 to 1 and its number of channels, returns the rebuilt
            one.
        has_stains: Whether the images that it is given in training have stains, which
            it learns to remove; without them a network with a wide code or with skip
            connections copies defects as well as anything else.
    """

    build: Callable[[Tensor, int], Tensor]
    has_stains: bool = False


def build_autoencoder(
    name: str, image_size: tuple[int, int], num_channels: int
) -> keras.Model:
    """A network from images, values of 0 to 255, to rebuilt ones of 0 to 1.

    Args:
        name: A key of ARCHITECTURES.
        image_size: `(height, width)`.
        num_channels: Of what it rebuilds: 3 for RGB, 1 for grey.
    """
    from anomaly.autoencoders.residual import GREY

    images = layers.Input((*image_size, 3))
    scaled = images / 255.0
    if num_channels == 1:
        scaled = keras.ops.sum(scaled * GREY, axis=-1, keepdims=True)
    return keras.Model(images, ARCHITECTURES[name].build(scaled, num_channels))


def _conv(x, filters, kernel=3, stride=1, *, slope=0.0, has_norm=True):
    x = layers.Conv2D(filters, kernel, stride, padding="same", use_bias=not has_norm)(x)
    if has_norm:
        x = layers.BatchNormalization()(x)
    return layers.LeakyReLU(slope)(x)


def _rebuilt(x, num_channels, kernel=3):
    return layers.Conv2D(num_channels, kernel, padding="same", activation="sigmoid")(x)


def _doubled(x):
    return layers.UpSampling2D(2)(x)


def _num_halvings(x, most):
    """How often both sides of an image can be halved, at most so often."""
    sides, count = x.shape[1:3], 0
    while count < most and not any(side % 2 ** (count + 1) for side in sides):
        count += 1
    return count


# filters, kernel and stride of the encoder; filters, kernel and enlargement of the
# decoder, whose last layer is `_rebuilt`
MVTEC_DOWN = (
    *((32, 4, 2), (32, 4, 2), (32, 4, 2), (32, 3, 1), (64, 4, 2), (64, 3, 1)),
    *((128, 4, 2), (64, 3, 1), (32, 3, 1)),
)
MVTEC_UP = (
    *((32, 3, 1), (64, 3, 1), (128, 4, 1), (64, 3, 2), (64, 4, 2), (32, 3, 1)),
    *((32, 4, 2), (32, 8, 2)),
)


def _mvtec(x, num_channels):
    """Mended: layers of the decoder that enlarged only to halve again."""
    for filters, kernel, stride in MVTEC_DOWN:
        x = _conv(x, filters, kernel, stride, has_norm=False)
    x = layers.Conv2D(1, 8, padding="same")(x)
    for filters, kernel, enlargement in MVTEC_UP:
        x = _doubled(x) if enlargement == 2 else x
        x = _conv(x, filters, kernel, has_norm=False)
    return _rebuilt(_doubled(x), num_channels, 8)


BASELINE = (32, 32, 64, 64, 128, 128)  # filters of each halving


def _baseline(x, num_channels):
    """As published."""
    filters = BASELINE[: _num_halvings(x, len(BASELINE))]
    for count in filters:
        x = layers.MaxPooling2D(2)(_conv(x, count, slope=0.1))
    rows, columns = x.shape[1:3]
    code = layers.Dense(4 * rows * columns)(layers.Flatten()(x))
    x = layers.Reshape((rows, columns, 4))(layers.LeakyReLU(0.1)(code))
    for count in reversed(filters):
        x = _doubled(_conv(x, count, slope=0.1))
    return _rebuilt(x, num_channels)


def _inception(x, num_channels):
    """Mended: its code is as wide as the image, so that it is trained with stains."""
    filters = BASELINE[: _num_halvings(x, len(BASELINE))]
    for count in filters:
        x = layers.MaxPooling2D(2)(_branches(x, count))
    for count in reversed(filters):
        x = _doubled(_branches(x, count))
    return _rebuilt(x, num_channels)


def _branches(x, filters):
    pooled = layers.MaxPooling2D(3, 1, padding="same")(x)
    kernels = ((x, 1), (x, 3), (x, 5), (pooled, 1))
    return layers.Concatenate()(
        [_conv(source, filters, kernel, slope=0.1) for source, kernel in kernels]
    )


RESNET = ((64, 1), (128, 2), (256, 2), (512, 2))  # filters and stride of each stage
UNITS = 2  # of a stage
RESNET_CODE = 64


def _resnet(x, num_channels):
    """Mended: shortcuts are added to the convolutions of a unit, which did not count
    in the last stage; a code of 64 channels instead of 512, and stains.
    """
    x = layers.MaxPooling2D(2)(_conv(x, 64, 7, 2))
    for filters, stride in RESNET:
        for unit in range(UNITS):
            x = _residual_unit(x, filters, stride if unit == 0 else 1)
    x = _conv(x, RESNET_CODE, 1, has_norm=False)
    x = _conv(x, 512, 1, has_norm=False)
    for filters, _ in reversed(RESNET):
        first = _enlarged(x, filters, 4, 2)
        x = layers.Add()([first, _enlarged(first, filters, 3, 1)])
    return layers.Conv2DTranspose(
        num_channels, 4, 2, padding="same", activation="sigmoid"
    )(x)


def _residual_unit(x, filters, stride):
    """Normalised and rectified before each convolution."""
    ready = layers.ReLU()(layers.BatchNormalization()(x))
    y = _conv(ready, filters, 3, stride)
    y = layers.Conv2D(filters, 3, padding="same")(y)
    if stride == 1 and x.shape[-1] == filters:
        return layers.Add()([x, y])
    shortcut = layers.Conv2D(filters, 1, stride, padding="same")(ready)
    return layers.Add()([shortcut, y])


def _enlarged(x, filters, kernel, stride, slope=0.0):
    x = layers.Conv2DTranspose(filters, kernel, stride, padding="same", use_bias=False)(
        x
    )
    return layers.LeakyReLU(slope)(layers.BatchNormalization()(x))


SKIP = (32, 32, 64, 64, 128, 128, 256, 256)  # filters of each halving
SKIPPED = (3, 5)  # after how many halvings the decoder is given the encoder's layer


def _skip(x, num_channels):
    """Mended: its skip connections copied defects; it is trained with stains."""
    filters = SKIP[: _num_halvings(x, len(SKIP))]
    kept = {}
    for depth, count in enumerate(filters, 1):
        x = kept[depth] = _conv(x, count, stride=2, slope=0.3, has_norm=False)
    shape = x.shape[1:]
    code = layers.Dense(64, activation="relu")(layers.Flatten()(x))
    x = layers.Reshape(shape)(layers.Dense(shape[0] * shape[1] * shape[2])(code))
    for depth in range(len(filters) - 1, 0, -1):
        x = layers.Conv2DTranspose(filters[depth - 1], 3, 2, padding="same")(x)
        if depth in SKIPPED:
            x = layers.Add()([x, kept[depth]])
            x = layers.BatchNormalization()(layers.LeakyReLU(0.3)(x))
        else:
            x = layers.LeakyReLU(0.3)(x)
    return layers.Conv2DTranspose(
        num_channels, 3, 2, padding="same", activation="sigmoid"
    )(x)


CONV_DOWN, CONV_UP = (32, 64, 128, 256), (128, 64, 32, 32)
CONV_CODE = 32  # channels


def _conv_autoencoder(x, num_channels):
    """Mended: a code of 32 channels instead of 256, which was a third of the image."""
    for filters in CONV_DOWN:
        x = _conv(_conv(x, filters, slope=0.2), filters, slope=0.2)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(CONV_CODE, 1)(x)
    for filters in CONV_UP:
        x = _conv(_enlarged(x, filters, 2, 2), filters)
    return _rebuilt(x, num_channels)


PATCH_CODE = 8  # channels


def _patch_autoencoder(x, num_channels):
    """Mended: places of the maxima were handed to the decoder, which then hardly needed
    the code; it has 8 channels instead of 64.
    """
    for filters in (32, 64):
        x = layers.MaxPooling2D(2)(_conv(x, filters, has_norm=False))
    x = layers.Conv2D(PATCH_CODE, 1)(x)
    for filters in (64, 32):
        x = _doubled(_conv(x, filters, has_norm=False))
    return _rebuilt(x, num_channels)


ARCHITECTURES = {
    "cae_mvtec": Architecture(_mvtec),
    "cae_baseline": Architecture(_baseline),
    "cae_inception": Architecture(_inception, has_stains=True),
    "cae_resnet": Architecture(_resnet, has_stains=True),
    "cae_skip": Architecture(_skip, has_stains=True),
    "conv_autoencoder": Architecture(_conv_autoencoder),
    "patch_autoencoder": Architecture(_patch_autoencoder),
}
