"""Compares runs: a leaderboard, which run to trust, and a report to read or print.

    pipenv run compare runs/<one> runs/<another>

takes a few seconds and prints the path of report.html last; results.csv lies beside
it. Runs are ranked on validate and reported on test.
"""

if __name__ == "__main__":
    from goodparts.loading import begin_loading

    begin_loading()

import datetime
import itertools
import os
import textwrap
from pathlib import Path

from evaluation.comparison.leaderboard import (
    WIDTH,
    by_dataset,
    leaderboard,
    leaderboard_text,
)
from evaluation.comparison.paired import verdict
from evaluation.run_folder import partial_folder, read_run
from goodparts.command import InputError, command_parser, run_command, working
from goodparts.files import write_csv
from reporting.advice import advice
from reporting.report import write_report


def main():
    parser = command_parser(__doc__)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folder")
    parser.add_argument(
        "--out", type=Path, help="new folder; default <date>-report-<n> beside the runs"
    )
    arguments = parser.parse_args()
    if arguments.out is not None:
        _refuse_existing(arguments.out)
    runs = read_runs(arguments.runs)
    for name, members in by_dataset(runs).items():
        print(f"{name}\n{leaderboard_text(members)}\n")
        with working("comparing the runs"):
            result = verdict(members)
        print(textwrap.fill(result["text"], WIDTH) + "\n")
        print(textwrap.fill(advice(result), WIDTH) + "\n")
    print(compare(runs, out=arguments.out))


def compare(runs, *, out=None):
    """Writes report.html and results.csv into a new folder, both or neither.

    Args:
        runs: The runs.
        out: The new folder; `<date>-report-<n>` beside the first run if None.

    Returns:
        The path of report.html.

    Raises:
        InputError: If `out` exists.
    """
    out = _free_folder(runs[0].folder.parent) if out is None else Path(out)
    _refuse_existing(out)
    with partial_folder(out) as partial:
        write_csv(partial / "results.csv", leaderboard(runs))
        with working("writing the report"):
            write_report(runs, partial)
        os.rename(partial, out)
    return out / "report.html"


def _refuse_existing(folder):
    if Path(folder).exists():
        raise InputError(f"{folder} exists already. Give --out a new folder.")


def read_runs(folders):
    """Opens run folders, each once; earlier reports among them (`runs/*`) are no runs.

    Raises:
        InputError: If a folder is no run, or none is left.
    """
    folders = {Path(folder).resolve(): Path(folder) for folder in folders}
    kept = [path for path in folders.values() if not (path / "report.html").is_file()]
    if not kept:
        raise InputError("There is no run among these folders, only reports.")
    return [read_run(path) for path in kept]


def _free_folder(folder):
    stem = f"{datetime.date.today().isoformat()}-report"
    candidates = (folder / f"{stem}-{number}" for number in itertools.count(1))
    return next(folder for folder in candidates if not folder.exists())


if __name__ == "__main__":
    run_command(main)
