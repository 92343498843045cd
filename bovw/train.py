"""Trains a bag of visual words: SIFT, k-means vocabulary, SVM.

    pipenv run train --model bovw --data dataset/<name>

Some 100 images/s on two cores. Augmented copies are left out: SIFT does not mind
rotation, and the SVM weighs the classes alike.
"""

import argparse
from pathlib import Path

import numpy as np

from bovw.vocabulary import NUM_WORDS, histogram, histograms, learn_vocabulary
from evaluation.new_run import start_run
from evaluation.predictions import Predictor, classifier_prediction, predict_rows
from evaluation.runs import read_run, write_results
from evaluation.svm import fit_svm, load_svm, save_svm, svm_probabilities
from preprocessing.command import positive_int
from preprocessing.datasets import ImageStore, choose_image_size
from preprocessing.images import resize_batch
from preprocessing.manifest import is_copy, read_dataset

PIXELS = 224 * 224
MIN_SIDE = 32  # as wide as the largest patch that is described


def add_arguments(parser):
    parser.add_argument(
        "--image-size", type=_side, nargs=2, metavar=("HEIGHT", "WIDTH")
    )
    parser.add_argument(
        "--num-words", type=positive_int, default=NUM_WORDS, help="k of k-means"
    )


def train(
    *, model="bovw", data, runs="runs", seed=0, image_size=None, num_words=NUM_WORDS
):
    """Trains vocabulary and SVM and writes the run folder.

    Args:
        model: "bovw".
        data: Data set folder, `dataset/<name>`.
        runs: Folder of all run folders.
        seed: The one seed.
        image_size: `(height, width)`; if None, about 224 x 224 pixels with the
            aspect ratio of the parts.
        num_words: Size of the vocabulary.

    Returns:
        Path of the run folder.
    """
    dataset = read_dataset(data, check_files=True)
    image_size = tuple(image_size or choose_image_size(dataset, PIXELS))
    arguments = {"image_size": image_size, "num_words": num_words}
    with start_run(
        runs,
        model=model,
        family="bovw",
        dataset=dataset,
        arguments=arguments,
        seed=seed,
    ) as run:
        rows = dataset.rows("train")
        rows = rows[~is_copy(rows)].reset_index(drop=True)
        store = ImageStore([dataset.folder / path for path in rows["path"]], image_size)
        words = learn_vocabulary(store, num_words=num_words, seed=seed)
        svm = fit_svm(histograms(store, words), rows["label"], rows["group"], seed=seed)
        np.savez_compressed(run.folder / "vocabulary.npz", words=words)
        save_svm(run.folder / "svm.npz", svm)
        predictor = _predictor(words, svm, dataset.normal_class, image_size)
        table = predict_rows(predictor, dataset, "validate", "test")
        write_results(
            run.folder,
            table,
            classes=dataset.classes,
            normal_class=dataset.normal_class,
        )
    return run.folder


def load_predictor(run_folder):
    """Loads vocabulary and SVM of a run folder as a `Predictor`."""
    run_folder = Path(run_folder)
    config = read_run(run_folder).config
    with np.load(run_folder / "vocabulary.npz", allow_pickle=False) as arrays:
        words = arrays["words"]
    svm = load_svm(run_folder / "svm.npz")
    image_size = config["arguments"]["image_size"]
    return _predictor(words, svm, config["normal_class"], image_size)


def _side(text):
    """argparse type: a side of the image in pixels."""
    side = positive_int(text)
    if side < MIN_SIDE:
        raise argparse.ArgumentTypeError(
            f"must be {MIN_SIDE} or more pixels. Received: {text!r}."
        )
    return side


def _predictor(words, svm, normal_class, image_size):
    def predict(images):
        images = resize_batch(images, image_size)
        features = np.stack([histogram(image, words) for image in images])
        probabilities = svm_probabilities(svm, features)
        return classifier_prediction(probabilities, svm.classes, normal_class)

    return Predictor(svm.classes.tolist(), normal_class, tuple(image_size), predict)
