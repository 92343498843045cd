"""Evaluates finished runs: metrics with intervals, plots and the misclassified images.

goodparts evaluate RUN [RUN ...]
goodparts evaluate --coco truth.json results.json    (instances found elsewhere)
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING

from goodparts.command import InputError, positive_number, reason
from goodparts.loading import loading

if TYPE_CHECKING:
    from evaluation.run_folder import Run


def add_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("runs", nargs="*", metavar="RUN", help="run folders")
    add(
        "--coco",
        nargs=2,
        metavar=("TRUTH", "RESULTS"),
        help="evaluate COCO results instead of runs: the file with the annotations and "
        "the file with the results",
    )
    add(
        "--min-score",
        type=score,
        help="for --coco: instances below this score count as not found, except for AP "
        "(0 if omitted)",
    )
    add(
        "--mm-per-pixel",
        type=positive_number,
        help="side of a pixel, so that areas of instances are in mm²; in pixels if "
        "omitted",
    )


def run(arguments: Namespace) -> None:
    if bool(arguments.runs) == bool(arguments.coco):
        raise InputError("Give either run folders, or --coco TRUTH RESULTS.")
    if arguments.coco:
        _evaluate_coco(arguments)
        return
    if arguments.min_score is not None:
        raise InputError(
            "--min-score is for --coco; a run has its own score thresholds. Omit it."
        )
    with loading():
        from evaluation.run_folder import read_run
        from reporting.evaluate_run import evaluate_run, evaluation_text
    for folder in arguments.runs:
        found = read_run(folder)
        pictures = load_explain(found), load_compared(found)
        result = evaluate_run(found, *pictures, mm_per_pixel=arguments.mm_per_pixel)
        print(evaluation_text(result))


def _evaluate_coco(arguments):
    if arguments.mm_per_pixel is not None:
        raise InputError("--mm-per-pixel is for runs. Omit it with --coco.")
    with loading():
        from reporting.evaluate_coco import coco_text, evaluate_coco
    least = arguments.min_score or 0.0
    print(coco_text(evaluate_coco(*arguments.coco, min_score=least), min_score=least))


def score(text: str) -> float:
    """argparse type: a number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ArgumentTypeError(f"must be a number from 0 to 1. Received: {text!r}.")
    return value


def load_explain(run: Run) -> Callable | None:
    """Returns the `explain` of a run's predictor, or None; loads it only if needed.

    The metrics do not need the model, so a model that cannot be loaded only causes a
    note.
    """
    from reporting.evaluate_run import mistake_pictures

    if run.outputs & {"map", "instances"} or not mistake_pictures(run):
        return None
    predictor = _loaded(run)
    return predictor and predictor.explain


def load_compared(run: Run) -> Callable | None:
    """Returns the `compared` of a run's predictor, or None; loads it only if needed."""
    predictor = _loaded(run) if run.config.get("compares") else None
    return predictor and predictor.compared


def _loaded(run):
    from models import load_predictor

    try:
        return load_predictor(run.folder)
    except InputError as error:
        print(
            f"The explanation pictures could not be made: {reason(error)}",
            file=sys.stderr,
        )
        return None
