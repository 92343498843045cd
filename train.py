"""Trains one model on one data set and prints its run folder.

pipenv run train --model NAME --data dataset/<name>
"""

import argparse

from evaluation.runs import read_run
from evaluation.wording import percent
from models import MODELS, family
from preprocessing.command import run_command, seed


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], add_help=False, allow_abbrev=False
    )
    parser.add_argument("--model", help=f"one of {', '.join(MODELS)}")
    name = parser.parse_known_args()[0].model
    parser.add_argument("-h", "--help", action="help")
    parser.add_argument("--data", required=True, help="data set folder, dataset/<name>")
    parser.add_argument("--runs", default="runs", help="folder of all run folders")
    parser.add_argument("--seed", type=seed, default=0)
    if name is None:
        parser.parse_args()
        parser.error(f"--model is missing, one of {', '.join(MODELS)}")
    package = family(name)
    package.add_arguments(parser)
    run = package.train(**vars(parser.parse_args()))
    print(summary(read_run(run)))
    print(run)


def summary(run):
    """One line on how the run does on `validate`."""
    metrics = run.metrics["validate"]["metrics"]
    return (
        f"on validate: macro-F1 {percent(metrics.get('macro_f1'))}; at the threshold "
        f"{run.threshold:.3g} it misses {percent(metrics['miss_rate'])} of the defects "
        f"and rejects {percent(metrics['false_reject_rate'])} of the good parts"
    )


if __name__ == "__main__":
    run_command(main)
