"""Where benchmark figures go: CSV named by what, device and version."""

import importlib.metadata
import os
import re
from pathlib import Path

import pandas as pd

from evaluation.runs import describe_device
from preprocessing.command import InputError
from preprocessing.files import write_csv

RESULTS = Path(__file__).parent / "results"


def write_figures(what, rows):
    """Writes rows (dicts) to `results/<what>-<device>-keras<version>.csv`."""
    device = re.sub(r"[^a-z0-9]+", "-", describe_device().lower()).strip("-")
    keras = importlib.metadata.version("keras")
    path = RESULTS / f"{what}-{device}-keras{keras}.csv"
    table = pd.DataFrame(rows)
    write_csv(path, table)
    print(table.to_string(index=False))
    print(path)


def real_data(name):
    """Folder of a real data set.

    Raises:
        InputError: If REAL_DATA is not set or lacks it.
    """
    folder = Path(os.environ.get("REAL_DATA", "")) / name
    if "REAL_DATA" not in os.environ or not folder.is_dir():
        raise InputError(
            f"This needs the real data set {name}: set REAL_DATA to the folder "
            "that has it."
        )
    return folder
