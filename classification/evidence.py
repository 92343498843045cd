"""Grad-CAM: which regions of the image support a class."""

from collections.abc import Callable

import cv2
import numpy as np

from networks.quiet_keras import keras


def evidence_model(
    classifier: keras.Model,
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Builds the Grad-CAM function of a classifier.

    Args:
        classifier: Classifier from `model.join`.

    Returns:
        Function of images `(batch, height, width, 3)` at the classifier's size and
        class indices `(batch,)`; it returns maps `(batch, rows, columns)` of 0 to 1,
        at the resolution of the last feature maps.

    Reference:
        Selvaraju et al., Grad-CAM: visual explanations from deep networks via
        gradient-based localization, ICCV 2017.
    """
    features, head = classifier.get_layer("features"), classifier.get_layer("head")
    maps_of = keras.Model(features.input, features.get_layer("pooling").input)

    def evidence(images, class_indices):
        maps = np.asarray(maps_of.predict_on_batch(images), np.float64)
        gradient = _map_gradient(maps, head, class_indices)
        found = np.maximum(np.einsum("nhwc,nc->nhw", maps, gradient), 0)
        return found / np.maximum(found.max((1, 2), keepdims=True), 1e-12)

    return evidence


def enlarge(maps: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """Maps `(batch, rows, columns)` at the size of the images, smoothly."""
    height, width = image_size
    return np.stack(
        [cv2.resize(one.astype(np.float32), (width, height)) for one in maps]
    )


def _map_gradient(maps, head, class_indices):
    """What each map adds to the score of a class: by its mean, and by its maximum where
    the head has that too.
    """
    pooled = [maps.mean((1, 2)), maps.max((1, 2))]
    num_kinds = head.input_shape[1] // maps.shape[3]
    pooled = np.concatenate(pooled[:num_kinds], axis=1)
    gradient = _gradient(pooled, head, class_indices)
    return gradient.reshape(len(maps), num_kinds, -1).sum(1)


def _gradient(pooled, head, class_indices):
    """Gradient of the score of a class, before the softmax, by the pooled features.

    The head is short enough to write it down: a hidden ReLU layer and the scores.
    """
    dense = [layer for layer in head.layers if isinstance(layer, keras.layers.Dense)]
    hidden, scores = ([np.asarray(w) for w in x.get_weights()] for x in dense)
    is_active = pooled @ hidden[0] + hidden[1] > 0
    return (is_active * scores[0][:, class_indices].T) @ hidden[0].T
