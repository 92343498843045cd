"""Compares runs: a leaderboard, a recommendation, and a report to read or print.

    goodparts compare runs/<one> runs/<another>

Takes a few seconds and prints the path of report.html last; results.csv is in the same
folder. Runs are ranked on validate and reported on test.
"""

import textwrap
from argparse import ArgumentParser, Namespace
from pathlib import Path

from goodparts.command import working
from goodparts.loading import loading


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folder")
    parser.add_argument(
        "--out",
        type=Path,
        help="new folder for the report; <date>-report-<n> next to the runs if omitted",
    )


def run(arguments: Namespace) -> None:
    with loading():
        from evaluation.comparison.leaderboard import by_dataset, leaderboard_text
        from evaluation.comparison.paired import verdict
        from evaluation.wording import WIDTH
        from reporting.advice import advice
        from reporting.compare import compare, read_runs, refuse_existing
    if arguments.out is not None:
        refuse_existing(arguments.out)
    runs = read_runs(arguments.runs)
    for name, members in by_dataset(runs).items():
        print(f"{name}\n{leaderboard_text(members)}\n")
        with working("comparing the runs"):
            result = verdict(members)
        print(textwrap.fill(result["text"], WIDTH) + "\n")
        print(textwrap.fill(advice(result), WIDTH) + "\n")
    print(compare(runs, out=arguments.out))
