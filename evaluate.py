"""Judges finished runs: metrics with intervals, plots and the images they got wrong.

pipenv run evaluate RUN [RUN ...]
"""

import argparse
import sys

from evaluation.run_folder import read_run
from goodparts.command import InputError, run_command
from models import load_predictor
from reporting.evaluate_run import evaluate_run, evaluation_text, mistake_pictures


def load_explain(run):
    """The `explain` of a run's predictor, or None; loads it only if it has a use.

    The numbers do not need the model, so one that cannot be loaded is only a note.
    """
    if run.outputs & {"map", "instances"} or not mistake_pictures(run):
        return None
    try:
        predictor = load_predictor(run.folder)
    except InputError as error:
        print(f"No pictures of the evidence: {error}", file=sys.stderr)
        return None
    return predictor.explain


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders")
    for folder in parser.parse_args().runs:
        run = read_run(folder)
        print(evaluation_text(evaluate_run(run, load_explain(run))))


if __name__ == "__main__":
    run_command(main)
