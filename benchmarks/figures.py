"""Where benchmark figures go: CSV named by what, device and version."""

import argparse
import importlib.metadata
import os
import re
import tempfile
from pathlib import Path

import pandas as pd

from goodparts.command import InputError
from goodparts.files import read_json, write_csv, write_json
from goodparts.machine import describe_device

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


def run_parts(prefix, parts, description):
    """The command line of a benchmark whose parts can be named.

    Args:
        prefix: Of the CSV's name; that of the part follows.
        parts: Name -> function of `once` that returns rows. `once(job, *details)`
            are the rows of `job(work folder, *details)`, read if an earlier call left
            them in the work folder.
        description: First line of `--help`.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(parts)}; all if none")
    parser.add_argument("--work", help="folder to keep data sets and runs, to resume")
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - set(parts)
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(arguments.work or folder)

        def once(job, *details):
            name = " ".join([job.__name__, *map(str, details)])
            path = work / f"{name}.json"
            if not path.exists():
                write_json(path, job(work, *details))
            return read_json(path)

        for part in arguments.parts or parts:
            write_figures(f"{prefix}_{part}", parts[part](once))
