"""Trains a bag of visual words: SIFT or ORB, k-means vocabulary, SVM.

    goodparts train --model bovw --data dataset/<name>

Some 100 images/s on two cores for the descriptors, which are cached for the next
training, then half a minute. Augmented copies are not used, because SIFT is invariant
to rotation and the SVM weights all classes equally.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bovw.bag import Bag, class_probabilities, read_bag, save_bag, word_evidence
from bovw.descriptors import FEATURES, POINTS, Settings
from bovw.store import DescriptorStore
from bovw.vocabulary import (
    NUM_WORDS,
    WEIGHTINGS,
    count_words,
    histograms,
    learn_vocabulary,
    weigh_words,
)
from evaluation.predictor import Predictor, classifier_prediction
from evaluation.run_folder import read_run
from evaluation.run_writer import start_run
from goodparts.command import InputError, command_line
from goodparts.files import PathLike
from preprocessing.datasets import choose_image_size
from preprocessing.manifest import Dataset, check_classes, is_copy, read_dataset
from svm import fit_svm

PIXELS = 224 * 224
MIN_SIDE = 32  # as wide as the largest patch that is described
CACHE = ".descriptors"  # in the folder of all run folders


def train(
    *,
    model: str = "bovw",
    data: PathLike,
    runs: PathLike = "runs",
    seed: int = 0,
    image_size: Sequence[int] | None = None,
    features: str = FEATURES[0],
    points: str = POINTS[0],
    num_words: int = NUM_WORDS,
    weighting: str = WEIGHTINGS[0],
    whiten: bool = True,
) -> Path:
    """Trains vocabulary and SVM and writes the run folder.

    Args:
        model: "bovw".
        data: Data set folder, `dataset/<name>`.
        runs: Folder of all run folders.
        seed: Seed of all random choices.
        image_size: `(height, width)`; if None, about 224 x 224 pixels with the
            aspect ratio of the parts.
        features: One of FEATURES.
        points: One of POINTS.
        num_words: Size of the vocabulary.
        weighting: One of WEIGHTINGS, see `weigh_words`.
        whiten: Whether the values of the descriptors are scaled to variance 1.

    Returns:
        Path of the run folder.

    Raises:
        InputError: If a class is missing, or no image of it has a descriptor.
    """
    dataset = read_dataset(data, check_files=True)
    check_classes(dataset)
    image_size = tuple(image_size or choose_image_size(dataset, PIXELS))
    arguments = {
        "image_size": image_size,
        "features": features,
        "points": points,
        "num_words": num_words,
        "weighting": weighting,
        "whiten": whiten,
    }
    with start_run(
        runs,
        model=model,
        family="bovw",
        dataset=dataset,
        arguments=arguments,
        seed=seed,
    ) as run:
        bag = fit_bag(dataset, arguments, seed=seed, cache=run.folder.parent / CACHE)
        save_bag(run.folder, bag)
        run.finish(_predictor(bag, dataset.normal_class), dataset)
    return run.folder


def fit_bag(
    dataset: Dataset, arguments: Mapping[str, Any], *, seed: int, cache: PathLike
) -> Bag:
    """Trains a `Bag` on the original images of `train`.

    Args:
        dataset: A `Dataset`.
        arguments: All arguments of `train`: features, points, image_size and so on.
        seed: Seed of all random choices.
        cache: Folder of descriptors, see `DescriptorStore`.

    Raises:
        InputError: If no image of a class has a descriptor.
    """
    features = arguments["features"]
    settings = Settings(arguments["image_size"], features, arguments["points"])
    rows = dataset.rows("train")
    rows = rows[~is_copy(rows)].reset_index(drop=True)
    store = DescriptorStore(dataset, rows, settings, Path(cache))
    vocabulary = learn_vocabulary(
        store,
        features=features,
        num_words=arguments["num_words"],
        whiten=arguments["whiten"],
        seed=seed,
    )
    counts = count_words(store, vocabulary, features)
    is_known = counts.sum(axis=1) > 0  # nothing is to be learnt from the others
    missing = set(rows["label"]) - set(rows["label"][is_known])
    if missing:
        raise InputError(
            "No keypoint was found in any train image of "
            f"{', '.join(sorted(missing))}. Train with --points both, which uses a "
            "regular grid as well."
        )
    rows, counts = rows[is_known], counts[is_known]
    weights = weigh_words(counts, arguments["weighting"])
    vocabulary = vocabulary._replace(word_weights=weights)
    values = histograms(counts, vocabulary)
    svm = fit_svm(values, rows["label"], rows["group"], seed=seed)
    return Bag(settings, vocabulary, svm, word_evidence(values, rows["label"]))


def load_bag(run_folder: PathLike) -> Bag:
    """Loads the bag of a run folder.

    Raises:
        InputError: If it is not a run folder of this family, or comes from an earlier
            version.
    """
    run = read_run(run_folder)
    arguments = run.config["arguments"]
    if run.config["family"] != "bovw" or "points" not in arguments:
        raise InputError(
            f"{run.folder} contains no bag of visual words of this version. Train "
            f"with {command_line('train --model bovw')}."
        )
    settings = Settings(
        tuple(arguments["image_size"]), arguments["features"], arguments["points"]
    )
    files = run.folder / "vocabulary.npz", run.folder / "svm.npz"
    return read_bag(*files, settings)


def load_predictor(run_folder: PathLike) -> Predictor:
    """Loads vocabulary and SVM of a run folder as a `Predictor`."""
    return _predictor(load_bag(run_folder), read_run(run_folder).config["normal_class"])


def _predictor(bag, normal_class):
    def predict(images):
        probabilities = class_probabilities(bag, images)
        return classifier_prediction(probabilities, bag.svm.classes, normal_class)

    classes = np.asarray(bag.svm.classes).tolist()
    return Predictor(classes, normal_class, tuple(bag.settings.image_size), predict)
