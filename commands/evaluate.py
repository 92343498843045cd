"""Evaluates finished runs: metrics with intervals, plots and the misclassified images.

goodparts evaluate RUN [RUN ...]
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING

from goodparts.command import InputError, reason
from goodparts.loading import loading

if TYPE_CHECKING:
    from evaluation.run_folder import Run


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders")


def run(arguments: Namespace) -> None:
    with loading():
        from evaluation.run_folder import read_run
        from reporting.evaluate_run import evaluate_run, evaluation_text
    for folder in arguments.runs:
        found = read_run(folder)
        pictures = load_explain(found), load_compared(found)
        print(evaluation_text(evaluate_run(found, *pictures)))


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
