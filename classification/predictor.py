"""A trained network as a `Predictor`, with Grad-CAM explanations."""

from collections.abc import Sequence

import numpy as np

from classification.evidence import enlarge, evidence_model
from evaluation.predictor import Predictor, classifier_prediction
from goodparts.command import InputError, reason
from goodparts.files import PathLike
from networks.quiet_keras import keras
from preprocessing.images import resize_batch


def read_classifier(path: PathLike) -> keras.Model:
    """Loads the network from a file.

    Raises:
        InputError: If it cannot be loaded.
    """
    try:
        return keras.models.load_model(path)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be loaded: {reason(error)}. Train this run again."
        ) from error


def make_predictor(
    classifier: keras.Model, classes: Sequence[str], normal_class: str | None
) -> Predictor:
    """The `Predictor` of a network whose outputs are these classes, in order."""
    image_size = tuple(classifier.input_shape[1:3])
    evidence = evidence_model(classifier)

    def predict(images):
        probabilities = classifier.predict_on_batch(resize_batch(images, image_size))
        return classifier_prediction(probabilities, classes, normal_class)

    def explain(images, class_names):
        indices = np.searchsorted(classes, class_names)
        maps = evidence(resize_batch(images, image_size), indices)
        return enlarge(maps, images.shape[1:3])

    return Predictor(list(classes), normal_class, image_size, predict, explain)
