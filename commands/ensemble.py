"""Combines finished runs: fitted on validate, reported on test.

    goodparts ensemble RUN RUN...
    goodparts ensemble RUN RUN... --combine soft,hard,product      (or all)

Takes seconds and reads only the members' prediction tables. Without --combine every
combiner is tried, and the simplest that is as good as the best on validate, out of
fold, becomes a run folder like that of any other model.
"""

import textwrap
from argparse import ArgumentParser, Namespace

from ensemble.combiners import COMBINERS
from goodparts.command import InputError, seed, working
from goodparts.loading import loading


def add_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("members", nargs="+", metavar="RUN", help="run folders")
    add(
        "--combine",
        metavar="NAME,...",
        help=f"one or more of {', '.join(COMBINERS)}, or all; chosen on validate if "
        "omitted",
    )
    add("--runs", default="runs", help="folder of all run folders")
    add("--seed", type=seed, default=0, help="seed of all random choices")


def run(arguments: Namespace) -> None:
    with loading():
        from ensemble.train import train, train_all
        from evaluation.comparison.paired import verdict
        from evaluation.run_folder import read_run
        from evaluation.wording import WIDTH
        from goodparts.files import read_json
        from reporting.advice import advice
        from reporting.ensemble_text import ensemble_text
    options = {"runs": arguments.runs, "seed": arguments.seed}
    if arguments.combine is None:
        runs = [train(arguments.members, **options)]
    else:
        runs = list(train_all(arguments.members, _names(arguments.combine), **options))
    print(ensemble_text(read_json(runs[0] / "ensemble.json")))
    with working("comparing the runs"):
        result = verdict([read_run(run) for run in (*runs, *arguments.members)])
    print(textwrap.fill(advice(result), WIDTH))
    for folder in runs:
        print(folder)


def _names(text):
    names = list(dict.fromkeys(text.split(",")))
    if names == ["all"]:
        names = list(COMBINERS)
    unknown = [name for name in names if name not in COMBINERS]
    if unknown:
        raise InputError(
            f"There is no combiner {unknown[0]!r}. Choose from {', '.join(COMBINERS)} "
            "or all."
        )
    return names
