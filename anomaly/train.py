"""Trains a one-class detector on the good parts of a data set.

    goodparts train --model memory_bank --data dataset/<name>

`RECIPES` says for each name what it is trained by; what all have in common is here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from anomaly.arguments import POSES
from anomaly.autoencoders import AUTOENCODERS
from anomaly.bundled import LEARNT, NETWORK
from anomaly.comparison import compared_by, compares
from anomaly.detector import METHODS, NO_PART, open_detector
from anomaly.job import Canvases, Job, find_view, good_rows
from anomaly.options import (
    SIDES,
    autoencoder_options,
    backbone_options,
    bank_options,
    no_options,
    noise_options,
    patch_options,
)
from anomaly.view import view_as_json
from evaluation.predictor import Prediction, Predictor
from evaluation.run_folder import read_run
from evaluation.run_writer import start_run
from goodparts.command import working
from goodparts.files import PathLike
from preprocessing.manifest import read_dataset

if TYPE_CHECKING:
    import pandas as pd

    from preprocessing.manifest import Dataset


class Recipe(NamedTuple):
    """How a detector is trained.

    Attributes:
        module: Its `learn` takes a `Job`.
        options: Checks and completes the options of the model, without Keras.
        canvases: What it looks at.
    """

    module: str
    options: Callable[..., dict[str, Any]]
    canvases: Canvases


FEATURES, AUTOENCODER = "anomaly.feature_methods", "anomaly.autoencoders.learn"
FINE = Canvases(posed=768 * 256, whole=256 * 256, most_whole=320 * 320)
COARSE = FINE._replace(posed=480 * 160)
SMALL = Canvases(posed=192 * 192, whole=192 * 192, most_whole=192 * 192, stride=SIDES)
RECIPES = {
    "memory_bank": Recipe(FEATURES, bank_options, FINE),
    "gaussian": Recipe(FEATURES, backbone_options, COARSE),
    "feature_noise": Recipe(FEATURES, noise_options, COARSE),
    **{name: Recipe(AUTOENCODER, autoencoder_options, SMALL) for name in AUTOENCODERS},
    "patch_autoencoder": Recipe(
        AUTOENCODER, patch_options, FINE._replace(posed=480 * 160, stride=SIDES)
    ),
    "colour_novelty": Recipe("anomaly.colours", no_options, FINE),
}


def train(
    *,
    model: str = "memory_bank",
    data: PathLike,
    runs: PathLike = "runs",
    seed: int = 0,
    image_size: Sequence[int] | None = None,
    pose: str = POSES[0],
    resume: PathLike | None = None,
    **options: Any,
) -> Path:
    """Trains a detector and writes its run folder.

    Args:
        model: A key of RECIPES.
        data: Data set folder, `dataset/<name>`.
        runs: Folder of all run folders.
        seed: The one seed.
        image_size: `(height, width)` of the whole image as it is looked at; chosen if
            None.
        pose: One of POSES.
        resume: Folder of an interrupted run that was started with the same arguments.
        options: Of the model, see its entry in RECIPES.

    Returns:
        Path of the run folder.

    Raises:
        InputError: If there are no good parts to learn from, or an option does not fit.
    """
    recipe, size = RECIPES[model], _pair(image_size)
    dataset = read_dataset(data, check_files=True)
    rows = good_rows(dataset)
    arguments = {
        "image_size": None if size is None else list(size),
        "pose": pose,
        **recipe.options(size, **options),
    }
    with working("finding the pose of the parts"):
        view = find_view(
            dataset, rows, recipe.canvases, image_size=size, has_pose=pose != "none"
        )
    with start_run(
        runs,
        model=model,
        family="anomaly",
        dataset=dataset,
        arguments=arguments,
        seed=seed,
        resume=resume,
    ) as run:
        run.config["view"] = view_as_json(view)
        run.config["pose"] = "parts in one pose" if view.is_posed else "none"
        run.config["method"] = model
        run.config["compares"] = compares(model)
        job = Job(
            model=model,
            folder=run.folder,
            dataset=dataset,
            rows=rows,
            view=view,
            arguments=arguments,
            seed=seed,
            about=run.config,
            checkpoints=run.checkpoints,
            tell_history=run.write_history,
        )
        learn(job)
        run.finish(_predictor(run.folder, run.config), dataset)
        if view.is_posed:
            _tell_unjudged(job, dataset)
    return run.folder


def learn(job: Job) -> None:
    """Trains what a job asks for, into its folder."""
    importlib.import_module(RECIPES[job.model].module).learn(job)


def load_predictor(run_folder: PathLike) -> Predictor:
    """Loads a detector as a `Predictor`."""
    run = read_run(run_folder)
    return _predictor(run.folder, run.config)


def _pair(image_size):
    if image_size is None:
        return None
    height, width = image_size
    return int(height), int(width)


def _tell_unjudged(job: Job, dataset: Dataset) -> None:
    """Notes the good parts of validate without a pose, which may lift the threshold."""
    from evaluation.predictions import read_predictions

    table: pd.DataFrame = read_predictions(job.folder)
    rows = table[(table["split"] == "validate")]
    is_good = rows["label"] == dataset.normal_class
    num_without = int((rows["defect_score"][is_good] == NO_PART).sum())
    if num_without:
        job.note(
            f"{num_without} of {int(is_good.sum())} good images of validate show no "
            f"part in the pose of the others. They score {NO_PART:g}, which may lift "
            "the threshold: look at them, or train with --pose none"
        )


def _predictor(folder, config) -> Predictor:
    has_network = METHODS[config["method"]].has_network
    network = (Path(folder) / NETWORK).read_bytes() if has_network else None
    answer = open_detector(config, network, Path(folder) / LEARNT)

    def predict(images):
        answers = [answer(image) for image in images]
        return Prediction(
            np.array([each.defect_score for each in answers]),
            anomaly_map=np.stack([each.anomaly_map for each in answers]),
        )

    return Predictor(
        config["classes"],
        config["normal_class"],
        None,
        predict,
        compared=compared_by(Path(folder), config),
    )
