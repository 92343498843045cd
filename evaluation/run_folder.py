"""Run folders: what a training leaves behind, and all that later steps need.

`runs/<date>-<model>-<dataset>-<n>/` with config.json, the model, history.csv,
predictions.csv, threshold.json, metrics.json and plots/. `new_run.py` makes them.
"""

import os
import re
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from evaluation.predictions import read_predictions, write_predictions
from evaluation.summary import summarise
from evaluation.thresholds import MAX_FALSE_REJECT_RATE, choose_threshold
from goodparts.command import InputError
from goodparts.files import read_json, write_json
from goodparts.machine import is_alive

THRESHOLD_RULE = (
    f"lowest threshold with a false reject rate of at most {MAX_FALSE_REJECT_RATE:g}"
)
UNFINISHED = ".unfinished"  # the end of the name of a run that is being written


class Run(NamedTuple):
    """A finished run folder, its config and its predictions table."""

    folder: Path
    config: dict

    @property
    def name(self):
        return self.folder.name

    @property
    def outputs(self):
        """What its predictor gives, some of OUTPUTS; earlier runs are classifiers."""
        return frozenset(self.config.get("outputs", ("score", "classes")))

    @property
    def predictions(self):
        return read_predictions(self.folder)

    @property
    def metrics(self):
        return read_json(self.folder / "metrics.json")

    @property
    def threshold(self):
        return read_json(self.folder / "threshold.json")["value"]


def read_run(folder):
    """Opens a run folder.

    Raises:
        InputError: If it is none.
    """
    folder = Path(folder)
    needed = ("config.json", "predictions.csv", "threshold.json", "metrics.json")
    missing = [name for name in needed if not (folder / name).is_file()]
    if missing and folder.name.endswith(UNFINISHED):
        raise InputError(
            f"{folder} is not finished. Let its training end, or go on with it: "
            f"pipenv run train --resume {folder}"
        )
    if missing:
        raise InputError(
            f"{folder} is no finished run folder: it has no {missing[0]}. "
            "Give a folder that `pipenv run train` printed."
        )
    try:
        return Run(folder, read_json(folder / "config.json"))
    except ValueError as error:
        raise InputError(
            f"{folder / 'config.json'} is no JSON: {error}. Train that run again."
        ) from error


def member_folders(run):
    """Where the members of an ensemble are.

    Members beside the ensemble are kept as paths relative to its folder, so that a
    folder of runs can be moved; others as absolute ones.

    Raises:
        InputError: If a member is gone.
    """
    folders = [run.folder.resolve() / member for member in run.config["members"]]
    folders = [Path(os.path.normpath(folder)) for folder in folders]
    for folder in folders:
        if not folder.is_dir():
            raise InputError(
                f"{run.name} needs its member {folder.name}, which is not at "
                f"{folder}. Put it there, or run `pipenv run ensemble` again."
            )
    return folders


@contextmanager
def partial_folder(final):
    """Yields an empty folder beside `final` to fill and rename; removes what is left.

    Those that killed processes of this machine have left there are removed too.
    """
    final = Path(final)
    mine = f"-{socket.gethostname()}-"
    for left in final.parent.glob(".*.partial"):
        found = re.fullmatch(rf"\..*{re.escape(mine)}(\d+)\.partial", left.name)
        if found and not is_alive(int(found[1])):
            shutil.rmtree(left, ignore_errors=True)
    partial = final.with_name(f".{final.name}{mine}{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_results(folder, table, *, classes, normal_class):
    """Writes predictions.csv, threshold.json and metrics.json of a run.

    The threshold is chosen on `validate`; metrics are of `validate` and of `test`.

    Args:
        folder: The run folder.
        table: Predictions table with rows of `validate` and `test`.
        classes, normal_class: As in the data set.
    """
    validate = table[table["split"] == "validate"]
    is_defect = (validate["label"] != normal_class).to_numpy()
    threshold = choose_threshold(validate["defect_score"].to_numpy(), is_defect)
    write_predictions(folder, table)
    stored = {"value": threshold, "rule": THRESHOLD_RULE, "split": "validate"}
    write_json(Path(folder) / "threshold.json", stored)
    write_metrics(folder, table, classes, normal_class, threshold)


def write_metrics(folder, table, classes, normal_class, threshold):
    """Writes metrics.json from a predictions table."""

    def summary(split):
        return summarise(
            table[table["split"] == split],
            classes=classes,
            normal_class=normal_class,
            threshold=threshold,
        )

    splits = ("validate", "test")
    with ThreadPoolExecutor(len(splits)) as pool:
        metrics = dict(zip(splits, pool.map(summary, splits), strict=True))
    write_json(Path(folder) / "metrics.json", metrics)
