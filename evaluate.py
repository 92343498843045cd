"""Judges finished runs: metrics with intervals, plots and the images they got wrong.

pipenv run evaluate RUN [RUN ...]
"""

if __name__ == "__main__":
    from goodparts.loading import begin_loading

    begin_loading()

import sys

from evaluation.run_folder import read_run
from goodparts.command import InputError, command_parser, reason, run_command
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
        print(f"No pictures of the evidence: {reason(error)}", file=sys.stderr)
        return None
    return predictor.explain


def main():
    parser = command_parser(__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders")
    for folder in parser.parse_args().runs:
        run = read_run(folder)
        print(evaluation_text(evaluate_run(run, load_explain(run))))


if __name__ == "__main__":
    run_command(main)
