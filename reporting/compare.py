"""Compares runs in a folder with report.html and results.csv."""

import datetime
import itertools
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from evaluation.comparison.leaderboard import leaderboard
from evaluation.run_folder import Run, partial_folder, read_run
from goodparts.command import InputError, working
from goodparts.files import write_csv
from reporting.report import write_report


def compare(runs: Sequence[Run], *, out: str | Path | None = None) -> Path:
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
    refuse_existing(out)
    with partial_folder(out) as partial:
        write_csv(partial / "results.csv", leaderboard(runs))
        with working("writing the report"):
            write_report(runs, partial)
        os.rename(partial, out)
    return out / "report.html"


def refuse_existing(folder: Path) -> None:
    """Raises InputError if the folder of a new report already exists."""
    if folder.exists():
        raise InputError(f"{folder} already exists. Give a new folder with --out.")


def read_runs(folders: Iterable[str | Path]) -> list[Run]:
    """Opens run folders, each once; earlier reports among them (`runs/*`) are skipped.

    Raises:
        InputError: If a folder is not a run, or none is left.
    """
    paths = {Path(folder).resolve(): Path(folder) for folder in folders}
    kept = [path for path in paths.values() if not (path / "report.html").is_file()]
    if not kept:
        raise InputError("These folders are reports; none of them is a run.")
    return [read_run(path) for path in kept]


def _free_folder(folder):
    stem = f"{datetime.date.today().isoformat()}-report"
    candidates = (folder / f"{stem}-{number}" for number in itertools.count(1))
    return next(folder for folder in candidates if not folder.exists())
