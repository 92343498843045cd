"""Tunes a run with anomaly maps: the threshold and the least area of a defect together.

    goodparts tune RUN

Both are chosen on validate and reported on test. The plots and pictures, in tuning/ of
the run folder, show how many regions good and defective parts have, how large they are,
and how sharply the choice matters.
"""

from argparse import ArgumentParser, Namespace

from goodparts.loading import loading


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="run folder of a detector")


def run(arguments: Namespace) -> None:
    with loading():
        from commands.evaluate import load_compared
        from evaluation.run_folder import read_run
        from reporting.tune_run import check_tunable, tune_run, tuning_text
    found = read_run(arguments.run)
    check_tunable(found)
    print(tuning_text(found, tune_run(found, load_compared(found))))
