"""Figures of benchmarks/results as cells of tables in the documentation."""

from pathlib import Path

import pandas as pd

from evaluation.wording import share
from goodparts.command import InputError

RESULTS = Path(__file__).parent / "results"
MACHINE = "amd-epyc-2-cores-keras3.15.1"  # whose figures the pages show
NONE = "–"
DATA = {"magnetic_tile": "magnetic tiles", "screw": "screws"}


def figures(what):
    """The CSV of one benchmark on MACHINE.

    Raises:
        InputError: If it is not there.
    """
    path = RESULTS / f"{what}-{MACHINE}.csv"
    if not path.is_file():
        raise InputError(f"There is no {path}. Make it with make bench.")
    return pd.read_csv(path)


def interval(row, name):
    """A share with its 95 % interval, in percent."""
    value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    if pd.isna(value):
        return NONE
    return f"{share(value)} ({share(low)} to {share(high)})"


def points(row, name):
    """A difference of shares with its interval, in percentage points."""
    value, low, high = (100 * row[f"{name}{end}"] for end in ("", "_low", "_high"))
    return f"{value:+.1f} ({low:+.1f} to {high:+.1f})"


def pivot(table, rows, columns, cell):
    """Rows of a table with a cell for each pair; NONE where there is no such figure.

    Args:
        table: Figures; each pair of values stands in one line of them at most.
        rows, columns: Names of two of its columns.
        cell: From a line to a text.

    Returns:
        The values of `columns` and, for each value of `rows`, that and its cells.
    """
    found = {(line[rows], line[columns]): cell(line) for _, line in table.iterrows()}
    names = list(dict.fromkeys(table[columns]))
    return names, [
        [each, *(found.get((each, name), NONE) for name in names)]
        for each in dict.fromkeys(table[rows])
    ]
