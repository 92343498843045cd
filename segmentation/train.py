"""Trains Mask R-CNN: it finds every defect, its class, its box and its outline.

    goodparts train --model mask_rcnn --data dataset/<name>

It learns from the instances of the data set; good parts show what is no defect.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backbones import choose_alpha, find_weights
from evaluation.predictor import Predictor
from evaluation.run_folder import read_run
from evaluation.run_writer import start_run
from goodparts.files import PathLike
from preprocessing.datasets import choose_image_size
from preprocessing.manifest import Dataset, read_dataset
from segmentation.anchors import RATIOS, Anchors, anchors_text, fit_anchors
from segmentation.arguments import (
    BATCH_SIZE,
    CHANNELS,
    FEATURES_RATE,
    HEAD_RATE,
    check_canvas,
    check_sizes,
)
from segmentation.bundled import open_predictor
from segmentation.detector import Settings, settings_as_json
from segmentation.truth import TrainingRows, box_sides, training_rows

LEAST_PIXELS, MOST_PIXELS = 256 * 256, 512 * 512  # of a canvas that is chosen
NUM_ROIS = 100  # that the box head looks at in an image


def train(
    *,
    model: str = "mask_rcnn",
    data: PathLike,
    runs: PathLike = "runs",
    seed: int = 0,
    backbone: str = "mobilenetv2",
    weights: PathLike = "imagenet",
    alpha: float | None = None,
    image_size: Sequence[int] | None = None,
    anchors: Sequence[float] | None = None,
    channels: int = CHANNELS,
    epochs: int | None = None,
    batch_size: int = BATCH_SIZE,
    head_rate: float = HEAD_RATE,
    features_rate: float = FEATURES_RATE,
    resume: PathLike | None = None,
) -> Path:
    """Trains Mask R-CNN and writes its run folder.

    Args:
        model: "mask_rcnn".
        data: Data set folder, `dataset/<name>`, with instances.
        runs: Folder of all run folders.
        seed: The one seed.
        backbone: A key of `arguments.LEVELS`.
        weights: "imagenet", "none" or a file.
        alpha: Width of mobilenetv2; 1.0 if None.
        image_size: `(height, width)` of the canvas; chosen from the images if None.
        anchors: Their sizes on the five levels, in pixels of the canvas; fitted to the
            boxes of train if None.
        channels: Of the pyramid and of the mask head.
        epochs: At most; if None, see `recipe.STEPS`.
        batch_size: Images in a step.
        head_rate, features_rate: Highest learning rates; without weights the first
            applies to all layers.
        resume: Folder of an interrupted run that was started with the same arguments.

    Returns:
        Path of the run folder.

    Raises:
        InputError: If there are no instances to learn from, or an option does not fit.
    """
    dataset = read_dataset(data, check_files=True)
    training = training_rows(dataset)
    alpha = choose_alpha(backbone, alpha)
    canvas = _choose_canvas(dataset, image_size)
    if anchors is not None:
        check_sizes(anchors)
    arguments = {
        "backbone": backbone,
        "weights": str(weights),
        "alpha": alpha,
        "image_size": list(canvas),
        "anchors": None if anchors is None else list(anchors),
        "channels": channels,
        "epochs": epochs,
        "batch_size": batch_size,
        "head_rate": head_rate,
        "features_rate": features_rate,
    }
    find_weights(backbone, weights, alpha)
    settings = _choose_settings(dataset, training, canvas, arguments)
    with start_run(
        runs,
        model=model,
        family="segmentation",
        dataset=dataset,
        arguments=arguments,
        seed=seed,
        resume=resume,
    ) as run:
        print(f"training in {run.folder}")
        run.config["detector"] = settings_as_json(settings)
        from segmentation.recipe import train_networks

        train_networks(run, dataset, training, settings, arguments=arguments, seed=seed)
        run.finish(open_predictor(run.folder, run.config), dataset)
    return run.folder


def load_predictor(run_folder: PathLike) -> Predictor:
    """Loads a trained Mask R-CNN as a `Predictor`."""
    run = read_run(run_folder)
    return open_predictor(run.folder, run.config)


def _choose_canvas(dataset, image_size) -> tuple[int, int]:
    if image_size is None:
        return choose_image_size(dataset, LEAST_PIXELS, at_most=MOST_PIXELS)
    check_canvas(image_size)
    height, width = image_size
    return height, width


def _choose_settings(
    dataset: Dataset,
    training: TrainingRows,
    canvas: tuple[int, int],
    arguments: dict[str, Any],
) -> Settings:
    sides = box_sides(dataset, training, canvas)
    if arguments["anchors"] is None:
        anchors = fit_anchors(sides)
    else:
        anchors = Anchors(tuple(arguments["anchors"]), RATIOS)
    print(f"images on a canvas of {canvas[0]} x {canvas[1]} pixels (height x width)")
    print(anchors_text(anchors, sides))
    return Settings(canvas, anchors, training.labels, arguments["channels"], NUM_ROIS)
