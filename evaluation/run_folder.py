"""Run folders: the result of a training, and all that later steps need.

`runs/<date>-<model>-<dataset>-<n>/` with config.json, the model, history.csv,
predictions.csv, threshold.json, metrics.json and plots/. `run_writer.py` makes them.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from evaluation.predictions import read_predictions, write_predictions
from evaluation.predictor import OUTPUTS
from evaluation.score_thresholds import instance_thresholds
from evaluation.summary import judge_split, summarise
from evaluation.thresholds import describe_threshold
from goodparts.command import InputError, command_line
from goodparts.files import read_json, write_json
from goodparts.machine import is_alive

if TYPE_CHECKING:
    from evaluation.judged import Judged
    from preprocessing.manifest import Dataset

UNFINISHED = ".unfinished"  # the end of the name of a run that is being written
NEEDED = ("config.json", "predictions.csv", "threshold.json", "metrics.json")

BEYOND = 0.01  # of the span of the scores of validate: a threshold lies no farther out


class Run:
    """A finished run folder; each file is read only once.

    Attributes:
        folder: Its path.
        config: Content of config.json.
    """

    def __init__(self, folder: str | os.PathLike[str], config: dict[str, Any]):
        self.folder, self.config = Path(folder), config

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def outputs(self) -> frozenset[str]:
        """What its predictor returns, some of `predictor.OUTPUTS`."""
        return frozenset(self.config["outputs"])

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """The predictions table; do not change it.

        Raises:
            InputError: If it is damaged.
        """
        table = read_predictions(self.folder)
        if "map" in self.outputs and not table.get("map_path", pd.Series("")).all():
            raise InputError(
                f"{self.folder / 'predictions.csv'} does not list the anomaly map of "
                "every image in the column map_path. Restore it from a copy, or "
                "train this run again."
            )
        if "score" in self.outputs and table["defect_score"].isna().any():
            raise InputError(
                f"{self.folder / 'predictions.csv'} has no defect scores. Restore it "
                "from a copy, or train this run again."
            )
        return table

    def split(self, name: str) -> pd.DataFrame:
        """The predictions of a split, sorted by sample_id."""
        rows = self.predictions[self.predictions["split"] == name]
        return rows.sort_values("sample_id", ignore_index=True)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Content of metrics.json."""
        return _read_object(self.folder / "metrics.json", "validate", "test")

    @cached_property
    def threshold_record(self) -> dict[str, Any]:
        """Content of threshold.json."""
        return _read_object(self.folder / "threshold.json", "value", "rule")

    @property
    def threshold(self) -> float | None:
        """The threshold; None if there is no class of good parts.

        Raises:
            InputError: If it is not a finite number.
        """
        value = self.threshold_record["value"]
        if value is None and "score" not in self.outputs:
            return None
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not np.isfinite(value):
            raise InputError(
                f"{self.folder / 'threshold.json'} has the value {value!r}, which is "
                "not a finite number. Restore it from a copy, or train this run "
                "again."
            )
        return value

    @property
    def instance_scores(self) -> dict[str, float] | None:
        """The score threshold of each class of instances; None for none.

        Raises:
            InputError: If one is not a finite number.
        """
        found = self.threshold_record.get("instance_scores")
        if found is None:
            return None
        is_right = isinstance(found, dict) and all(
            isinstance(value, int | float) and np.isfinite(value)
            for value in found.values()
        )
        if not is_right:
            raise InputError(
                f"{self.folder / 'threshold.json'} has the instance_scores {found!r}, "
                "which must be a number for each class. Restore it from a copy, or "
                "train this run again."
            )
        return found

    def threshold_note(self) -> str:
        """A note if the threshold is beyond all scores of `validate`; else empty."""
        scores = self.split("validate")["defect_score"].dropna().to_numpy()
        if self.threshold is None or not scores.size:
            return ""
        low, high = scores.min(), scores.max()
        slack = BEYOND * (high - low) + 1e-6 * max(1.0, abs(low), abs(high))
        if low - slack <= self.threshold <= high + slack:
            return ""
        does = "accepts" if self.threshold > high else "rejects"
        return (
            f"the threshold {self.threshold:.4g} of {self.name} {does} every part: "
            f"the scores on validate range from {low:.4g} to {high:.4g}. Was "
            "threshold.json changed?"
        )

    def judged(self, split: str) -> Judged:
        """The `Judged` of a split, without masks and instances."""
        table = self.split(split)
        return judge_split(self.folder, table, self.config, self.threshold)


def find_runs(folder: str | os.PathLike[str]) -> list[Path]:
    """The finished run folders in a folder of runs, sorted by name."""
    return sorted(
        path
        for path in Path(folder).glob("*")
        if not path.name.endswith(UNFINISHED)
        and all((path / name).is_file() for name in NEEDED)
    )


def read_run(folder: str | os.PathLike[str]) -> Run:
    """Opens a run folder.

    Raises:
        InputError: If it is not a run folder.
    """
    folder = Path(folder)
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing and folder.name.endswith(UNFINISHED):
        raise InputError(
            f"{folder} is not finished. Let its training end, delete the folder, or "
            f"resume the training: {command_line('train --resume')} {folder}"
        )
    if missing:
        raise InputError(
            f"{folder} is not a finished run folder: it has no {missing[0]}. Give a "
            f"folder that was printed by {command_line('train')}."
        )
    config = _read_object(folder / "config.json", "model", "classes", "normal_class")
    config.setdefault("outputs", ["score", "classes"])  # of an earlier version
    problem = _problem(config)
    if problem:
        raise InputError(
            f"{folder / 'config.json'} {problem}. Restore it from a copy, or train "
            "again."
        )
    return Run(folder, config)


def _read_object(path, *keys):
    """Reads a JSON object with these keys; raises InputError if it is not one."""
    again = "Restore it from a copy, or train this run again."
    try:
        found = read_json(path)
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON: {error}. {again}") from error
    missing = [key for key in keys if not isinstance(found, dict) or key not in found]
    if missing:
        raise InputError(f"{path} lacks {missing[0]}. {again}")
    return found


def _problem(config):
    """What is wrong with the outputs in config.json; empty for nothing."""
    outputs = config["outputs"]
    if not isinstance(outputs, list) or not set(outputs) <= set(OUTPUTS):
        return f"has the outputs {outputs}; allowed are {', '.join(OUTPUTS)}"
    if not {"score", "classes"} & set(outputs):
        return f"has the outputs {outputs}, which include neither a score nor classes"
    if "map" not in outputs:
        return ""
    span = config.get("map_range")
    is_span = isinstance(span, list) and len(span) == 2
    if not is_span or not np.isfinite(span).all() or span[0] >= span[1]:
        return f"has the map_range {span}, which must be [low, high]"
    return ""


def member_folders(run: Run) -> list[Path]:
    """Where the members of an ensemble are.

    Members in the same folder as the ensemble are stored as relative paths, so that a
    folder of runs can be moved; others as absolute paths.

    Raises:
        InputError: If a member no longer exists.
    """
    folders = [run.folder.resolve() / member for member in run.config["members"]]
    folders = [Path(os.path.normpath(folder)) for folder in folders]
    for folder in folders:
        if not folder.is_dir():
            raise InputError(
                f"{run.name} needs its member {folder.name}, which is not at "
                f"{folder}. Restore it, or run {command_line('ensemble')} again."
            )
    return folders


@contextmanager
def partial_folder(final: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields an empty folder next to `final` to fill and rename; removes leftovers.

    Leftovers of killed processes of this machine are removed too.
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


def write_results(
    folder: str | os.PathLike[str],
    table: pd.DataFrame,
    config: dict[str, Any],
    dataset: Dataset | None = None,
) -> None:
    """Writes predictions.csv, threshold.json and metrics.json of a run.

    The thresholds are chosen on `validate`; metrics are of `validate` and of `test`.

    Args:
        folder: The run folder, with its maps and instances.
        table: Predictions table with rows of `validate` and `test`.
        config: Configuration of the run: classes, normal_class and outputs.
        dataset: Data set with masks and instances; None for none.
    """
    validate = table[table["split"] == "validate"]
    is_defect = (validate["label"] != config["normal_class"]).to_numpy()
    stored: dict[str, Any] = {
        "value": None,
        "rule": "none, because there is no class of good parts",
    }
    if "score" in config["outputs"]:
        stored = describe_threshold(
            validate["defect_score"].to_numpy(),
            is_defect,
            validate["group"].to_numpy(str),
        )
    write_predictions(folder, table)
    stored |= {"split": "validate"} | instance_thresholds(
        folder, table, config, dataset
    )
    write_json(Path(folder) / "threshold.json", stored)
    metrics = compute_metrics(
        folder,
        table,
        config,
        stored["value"],
        dataset,
        instance_scores=stored.get("instance_scores"),
    )
    write_json(Path(folder) / "metrics.json", metrics)


def compute_metrics(
    folder: str | os.PathLike[str],
    table: pd.DataFrame,
    config: dict[str, Any],
    threshold: float | None,
    dataset: Dataset | None = None,
    *,
    instance_scores: Mapping[str, float] | None = None,
) -> dict[str, dict[str, Any]]:
    """The content of metrics.json; see `write_results` and `summarise`."""
    outputs = frozenset(config["outputs"])

    def summary(split):
        rows = table[table["split"] == split]
        judged = judge_split(
            folder, rows, config, threshold, dataset, instance_scores=instance_scores
        )
        return summarise(judged, outputs)

    splits = ("validate", "test")
    with ThreadPoolExecutor(len(splits)) as pool:
        return dict(zip(splits, pool.map(summary, splits), strict=True))
