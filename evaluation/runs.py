"""Run folders: what a training leaves behind, and all that later steps need.

`runs/<date>-<model>-<dataset>-<n>/` with config.json, the model, history.csv,
predictions.csv, threshold.json, metrics.json and plots/. It is written under a
temporary name and renamed when complete.
"""

import datetime
import importlib.metadata
import os
import platform
import resource
import shutil
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from evaluation.predictions import read_predictions, write_predictions
from evaluation.summary import summarise
from evaluation.thresholds import MAX_FALSE_REJECT_RATE, choose_threshold
from preprocessing.command import InputError
from preprocessing.files import read_json, write_json
from preprocessing.manifest import table_hash

PACKAGES = ("keras", "tensorflow", "numpy", "scikit-learn", "opencv-contrib-python")


class Run(NamedTuple):
    """A finished run folder, its config and its predictions table."""

    folder: Path
    config: dict

    @property
    def name(self):
        return self.folder.name

    @property
    def predictions(self):
        return read_predictions(self.folder)

    @property
    def metrics(self):
        return read_json(self.folder / "metrics.json")

    @property
    def threshold(self):
        return read_json(self.folder / "threshold.json")["value"]


@dataclass
class OpenRun:
    """A run being written: its temporary `folder` and a `config` to add to."""

    folder: Path
    config: dict


def read_run(folder):
    """Opens a run folder.

    Raises:
        InputError: If it is none.
    """
    folder = Path(folder)
    needed = ("config.json", "predictions.csv", "threshold.json", "metrics.json")
    missing = [name for name in needed if not (folder / name).is_file()]
    if missing:
        raise InputError(
            f"{folder} is no finished run folder: it has no {missing[0]}. "
            "Give a folder that `pipenv run train` printed."
        )
    return Run(folder, read_json(folder / "config.json"))


@contextmanager
def start_run(runs_dir, *, model, family, dataset, arguments, seed):
    """Opens a new run folder, and names it finally when the block ends well.

    Args:
        runs_dir: Folder of all run folders.
        model: Name of the model, a key of MODELS or a combiner.
        family: Package that trained it and can load it.
        dataset: The `Dataset` it was trained on.
        arguments: Everything the training was told, resolved.
        seed: The one seed.

    Yields:
        An `OpenRun`; after the block its `folder` is the final one.
    """
    runs_dir = Path(runs_dir)
    today = datetime.date.today().isoformat()
    name = f"{today}-{model}-{dataset.name}"
    temporary = runs_dir / f".{name}-{os.getpid()}.partial"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    config = {
        "model": model,
        "family": family,
        "dataset": dataset.name,
        "dataset_folder": str(dataset.folder.resolve()),
        "manifest_sha256": table_hash(dataset.manifest),
        "classes": dataset.classes,
        "normal_class": dataset.normal_class,
        "arguments": arguments,
        "seed": seed,
        "notes": [],
        **_circumstances(),
    }
    started = time.perf_counter()
    run = OpenRun(temporary, config)
    try:
        yield run
        config["wall_time_s"] = round(time.perf_counter() - started, 2)
        config["peak_memory_mb"] = peak_memory_mb()
        write_json(temporary / "config.json", config)
        run.folder = _rename_to_free(temporary, runs_dir / name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_results(folder, table, *, classes, normal_class, rule=None):
    """Writes predictions.csv, threshold.json and metrics.json of a run.

    The threshold is chosen on `validate`; metrics are of `validate` and of `test`.

    Args:
        folder: The run folder.
        table: Predictions table with rows of `validate` and `test`.
        classes, normal_class: As in the data set.
        rule: Max. false reject rate on `validate`, in `[0, 1)`; 0.01 if None.
    """
    rate = MAX_FALSE_REJECT_RATE if rule is None else rule
    validate = table[table["split"] == "validate"]
    is_defect = (validate["label"] != normal_class).to_numpy()
    threshold = choose_threshold(
        validate["defect_score"].to_numpy(), is_defect, max_false_reject_rate=rate
    )
    write_predictions(folder, table)
    write_json(
        Path(folder) / "threshold.json",
        {
            "value": threshold,
            "rule": f"lowest threshold with a false reject rate of at most {rate:g}",
            "split": "validate",
        },
    )
    write_metrics(folder, table, classes, normal_class, threshold)


def write_metrics(folder, table, classes, normal_class, threshold):
    """Writes metrics.json from a predictions table."""
    metrics = {
        split: summarise(
            table[table["split"] == split],
            classes=classes,
            normal_class=normal_class,
            threshold=threshold,
        )
        for split in ("validate", "test")
    }
    write_json(Path(folder) / "metrics.json", metrics)


def peak_memory_mb():
    """The most memory this process has held, in MB."""
    try:  # getrusage counts the parent's memory too when it started this process
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    peak = next(line for line in lines if line.startswith("VmHWM"))
    return round(int(peak.split()[1]) / 1024)


def _circumstances():
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        versions[package] = importlib.metadata.version(package)
    return {
        "versions": versions,
        "git_commit": _git_commit(),
        "device": describe_device(),
        "started": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def _git_commit():
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()


def describe_device():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    except OSError:
        names = []
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def _rename_to_free(temporary, stem):
    for number in range(1, 10_000):
        final = stem.with_name(f"{stem.name}-{number}")
        if final.exists():
            continue
        try:
            os.rename(temporary, final)
            return final
        except OSError:
            if not final.exists():
                raise
    raise InputError(f"{stem.parent} has too many runs named {stem.name}.")
