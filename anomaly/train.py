"""Trains a one-class detector on the good parts of a data set.

    goodparts train --model memory_bank --data dataset/<name>

Nothing is trained by gradients: the features of a pretrained network are collected
from good parts, and the patches that represent them best are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from anomaly.arguments import BANK_SIZE, POSES
from anomaly.bundled import LEARNT, NETWORK
from anomaly.detector import open_detector
from anomaly.learners import BankLearner, GaussianLearner, Learner
from anomaly.view import View, learn_view, look, part_of_cells, view_as_json
from backbones import BACKBONES, choose_alpha, find_weights
from evaluation.predictor import Prediction, Predictor
from evaluation.run_folder import read_run
from evaluation.run_writer import start_run
from goodparts.command import InputError, progress, working
from goodparts.files import PathLike
from networks.engines import load_network
from preprocessing.datasets import choose_image_size
from preprocessing.images import read_image
from preprocessing.manifest import Dataset, is_copy, read_dataset

if TYPE_CHECKING:
    import pandas as pd

POSED_PIXELS = {"memory_bank": 768 * 256, "gaussian": 480 * 160}  # of a canvas
WHOLE_PIXELS, MAX_WHOLE_PIXELS = 256 * 256, 320 * 320
NUM_LOOKED_AT = 60  # good images that the view is learnt from


def train(
    *,
    model: str = "memory_bank",
    data: PathLike,
    runs: PathLike = "runs",
    seed: int = 0,
    backbone: str = "mobilenetv2",
    weights: PathLike = "imagenet",
    alpha: float | None = None,
    image_size: Sequence[int] | None = None,
    pose: str = POSES[0],
    bank_size: int = BANK_SIZE,
) -> Path:
    """Trains a detector and writes its run folder.

    Args:
        model: A key of METHODS.
        data: Data set folder, `dataset/<name>`.
        runs: Folder of all run folders.
        seed: The one seed.
        backbone: A key of BACKBONES.
        weights: "imagenet", "none" or a file.
        alpha: Width of mobilenetv2; 1.0 if None.
        image_size: `(height, width)` of what the network sees; chosen if None.
        pose: One of POSES.
        bank_size: Patches that are kept.

    Returns:
        Path of the run folder.

    Raises:
        InputError: If there are no good parts to learn from, or an option does not fit
            the backbone.
    """
    dataset = read_dataset(data, check_files=True)
    rows = _good_rows(dataset)
    alpha = choose_alpha(backbone, alpha)
    _check_size(backbone, image_size)
    find_weights(backbone, weights, alpha)
    with working("finding the pose of the parts"):
        view = _find_view(dataset, rows, image_size, pose, POSED_PIXELS[model])
    arguments = {
        "backbone": backbone,
        "weights": str(weights),
        "alpha": alpha,
        "image_size": list(view.size),
        "pose": "parts in one pose" if view.is_posed else "none",
        "bank_size": bank_size,
    }
    with start_run(
        runs,
        model=model,
        family="anomaly",
        dataset=dataset,
        arguments=arguments,
        seed=seed,
    ) as run:
        from anomaly.features import write_features

        file = run.folder / NETWORK
        layers = write_features(
            file, backbone, view.size, weights=weights, alpha=alpha, seed=seed
        )
        run.config["view"] = view_as_json(view)
        run.config["method"] = model
        learner = _learner(model, len(rows), layers, bank_size, view, seed)
        num_left_out = _learn(dataset, rows, view, file, learner)
        with working("learning what good parts are like"):
            learnt = learner.learnt()
        np.savez(run.folder / LEARNT, **learnt._asdict())
        if num_left_out:
            print(
                f"{num_left_out} of {len(rows)} good images of train show no part in "
                "the pose of the others and were left out"
            )
        run.finish(_predictor(run.folder, run.config), dataset)
    return run.folder


def load_predictor(run_folder: PathLike) -> Predictor:
    """Loads a detector as a `Predictor`."""
    run = read_run(run_folder)
    return _predictor(run.folder, run.config)


def _good_rows(dataset: Dataset) -> pd.DataFrame:
    """The originals of good parts in train."""
    if dataset.normal_class is None:
        raise InputError(
            f"{dataset.folder} has classes only: a one-class detector needs to know "
            "which class is the good one. Make the data set again with --normal-class."
        )
    rows = dataset.rows("train")
    rows = rows[(rows["label"] == dataset.normal_class) & ~is_copy(rows)]
    if rows.empty:
        raise InputError(f"{dataset.folder} has no good parts in train to learn from.")
    return rows.sort_values("sample_id").reset_index(drop=True)


def _check_size(backbone, image_size):
    smallest = BACKBONES[backbone].smallest_side
    if image_size is not None and min(image_size) < smallest:
        raise InputError(
            f"--image-size with {backbone} must be {smallest} {smallest} or more. "
            f"Received: {image_size[0]} {image_size[1]}."
        )


def _find_view(dataset, rows, image_size, pose, posed_pixels) -> View:
    view = None
    if pose != "none" and image_size is None:
        chosen = rows["path"].iloc[:: max(1, len(rows) // NUM_LOOKED_AT)]
        images = (read_image(dataset.folder / path) for path in chosen)
        view = learn_view(images, posed_pixels)
    if view is not None:
        return view
    if image_size is None:
        image_size = choose_image_size(dataset, WHOLE_PIXELS, at_most=MAX_WHOLE_PIXELS)
    height, width = image_size
    return View((height, width))


def _learner(model, num_images, layers, bank_size, view, seed) -> Learner:
    if model == "gaussian":
        return GaussianLearner()
    has_place = view.is_posed
    return BankLearner(num_images, layers, bank_size, has_place=has_place, seed=seed)


def _learn(dataset, rows, view, network_file, learner: Learner) -> int:
    """Shows the learner all good images; returns how many had to be left out."""
    network = load_network(network_file.read_bytes())
    num_left_out = 0
    for path in progress(rows["path"], "features", len(rows)):
        canvas = look(view, read_image(dataset.folder / path))
        if canvas is None:
            num_left_out += 1
            continue
        features = network(canvas.pixels)
        learner.add(features, part_of_cells(canvas, features.shape[:2]))
    if num_left_out == len(rows):
        raise InputError(
            "No good image of train shows a part in the pose of the others. Train with "
            "--pose none."
        )
    return num_left_out


def _predictor(folder, config) -> Predictor:
    answer = open_detector(
        config, (Path(folder) / NETWORK).read_bytes(), Path(folder) / LEARNT
    )

    def predict(images):
        answers = [answer(image) for image in images]
        return Prediction(
            np.array([each.defect_score for each in answers]),
            anomaly_map=np.stack([each.anomaly_map for each in answers]),
        )

    return Predictor(config["classes"], config["normal_class"], None, predict)
