"""What benchmarks share: options, data, and CSV named by what, device and version.

Each takes `--smoke --out FOLDER`: it then works on a few images and as short as can be,
a minute or a few of them, to show that it runs. Its figures mean nothing.
"""

import argparse
import functools
import importlib.metadata
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from evaluation.judged import Judged
from evaluation.summary import summarise
from goodparts.command import InputError
from goodparts.files import natural_key, read_json, write_csv, write_json
from goodparts.machine import describe_device

RESULTS = Path(__file__).parent / "results"
SMOKE = "--smoke" in sys.argv  # processes that a benchmark spawns have its arguments
FEW_IMAGES = 32  # of a class, in a smoke run


def sized(usual, smoke):
    """A size of a benchmark, or the least that a smoke run does with."""
    return smoke if SMOKE else usual


# of `classification.train`: of a smoke run the head alone
QUICK = sized({}, {"image_size": (64, 64), "epochs": 0})


def make_parser(description):
    """A parser with the options that every benchmark has: `out` and `smoke`."""
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    parser.add_argument(
        "--out", type=Path, default=RESULTS, required=SMOKE, help="folder of the CSV"
    )
    parser.add_argument(
        "--smoke", action="store_true", help="only show that it runs; needs --out"
    )
    return parser


def write_figures(what, rows, folder):
    """Writes rows (dicts) to `<folder>/<what>-<device>-keras<version>.csv`."""
    device = re.sub(r"[^a-z0-9]+", "-", describe_device().lower()).strip("-")
    keras = importlib.metadata.version("keras")
    path = folder / f"{what}-{device}-keras{keras}.csv"
    table = pd.DataFrame(rows)
    write_csv(path, table)
    print(table.to_string(index=False))
    print(path)


def summary_of(table, dataset):
    """What `summarise` says of a classifier's predictions, at a threshold of 0.5."""
    about = {"classes": dataset.classes, "normal_class": dataset.normal_class}
    return summarise(Judged(table, **about, threshold=0.5), {"score", "classes"})


@functools.cache
def real_data(name):
    """Folder of a real data set; in a smoke run of a copy with a few of its images.

    Raises:
        InputError: If REAL_DATA is not set or lacks it.
    """
    folder = Path(os.environ.get("REAL_DATA", "")) / name
    if "REAL_DATA" not in os.environ or not folder.is_dir():
        raise InputError(
            f"This needs the real data set {name}: set REAL_DATA to the folder "
            "that has it."
        )
    return _few_of(folder) if SMOKE else folder


def _few_of(folder):
    """A copy with FEW_IMAGES names of each folder, drawn evenly, and their masks."""
    copy = Path(_scratch().name) / folder.name
    for place, _, names in os.walk(folder):
        stems = sorted({Path(name).stem for name in names}, key=natural_key)
        drawn = np.linspace(0, len(stems) - 1, min(FEW_IMAGES, len(stems)))
        chosen = {stems[index] for index in drawn.astype(int)}
        to = copy / Path(place).relative_to(folder)
        to.mkdir(parents=True)
        for name in names:
            if Path(name).stem in chosen:
                shutil.copyfile(Path(place, name), to / name)
    return copy


@functools.cache
def _scratch():
    return tempfile.TemporaryDirectory()


def run_parts(prefix, parts, description, *, on_request=()):
    """The command line of a benchmark whose parts can be named.

    Args:
        prefix: Of the CSV's name; that of the part follows.
        parts: Name -> function of `once` that returns rows. `once(job, *details)`
            are the rows of `job(work folder, *details)`, read if an earlier call left
            them in the work folder.
        description: First line of `--help`.
        on_request: Parts that are run only where they are named.
    """
    parser = make_parser(description)
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

        usual = [part for part in parts if part not in on_request]
        for part in arguments.parts or usual:
            write_figures(f"{prefix}_{part}", parts[part](once), arguments.out)
