"""A run folder while it is written: started, resumed, and renamed when complete.

It is called `<name>.unfinished/` until then. If it has checkpoints, it can be resumed
after a kill; otherwise it is removed once its process no longer exists.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from evaluation.plots.run import write_plots
from evaluation.predictions import predict_rows
from evaluation.run_folder import UNFINISHED, read_run, write_results
from goodparts.command import InputError, command_line, progress_into, reason
from goodparts.files import read_json, write_csv, write_json, write_text
from goodparts.machine import describe_device, is_alive, peak_memory_mb
from preprocessing.manifest import Dataset, table_hash

if TYPE_CHECKING:
    from evaluation.predictor import Predictor

SAME_ON_RESUME = {
    "manifest_sha256": "data set",
    "model": "model",
    "arguments": "arguments",
    "seed": "seed",
    "backend": "Keras backend",
}
CHECKPOINTS, OWNER, PROGRESS = "checkpoints", "owner", "progress.json"
DATASET_KEYS = (
    "dataset",
    "dataset_folder",
    "manifest_sha256",
    "classes",
    "normal_class",
)
PACKAGES = ("keras", "tensorflow", "numpy", "scikit-learn", "opencv-contrib-python")


@dataclass
class OpenRun:
    """A run being written: its temporary `folder` and a `config` to add to."""

    folder: Path
    config: dict[str, Any]

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints; it is deleted when the training is complete."""
        return self.folder / CHECKPOINTS

    def finish(self, predictor: Predictor, dataset: Dataset) -> None:
        """Evaluates the trained predictor on `validate` and `test`, and writes the
        results.

        Args:
            predictor: The trained predictor.
            dataset: The data set on which it was trained.
        """
        table, about = predict_rows(
            predictor, dataset, "validate", "test", folder=self.folder
        )
        self.config |= about
        write_results(self.folder, table, self.config, dataset)

    def write_history(self, rows: list[dict[str, Any]]) -> None:
        """Writes history.csv so far, for example after every epoch.

        Args:
            rows: One for each epoch.
        """
        write_csv(self.folder / "history.csv", pd.DataFrame(rows))


@contextmanager
def start_run(
    runs_dir: str | os.PathLike[str],
    *,
    model: str,
    family: str,
    dataset: Dataset | dict[str, Any],
    arguments: dict[str, Any],
    seed: int,
    resume: str | os.PathLike[str] | None = None,
) -> Iterator[OpenRun]:
    """Starts a new run folder, and renames it when the block ends without an error.

    Args:
        runs_dir: Folder of all run folders.
        model: Name of the model, a key of MODELS or a combiner.
        family: Package that trained it and can load it.
        dataset: The data set on which it was trained, or the config of a run with the
            same data set.
        arguments: All arguments of the training, resolved.
        seed: Seed of all random choices.
        resume: An unfinished run folder to continue, see `read_unfinished`.

    Yields:
        An `OpenRun`; after the block its `folder` is the final one.

    Raises:
        InputError: If the data set is not that of the run to resume.
    """
    about = dataset if isinstance(dataset, dict) else _about_dataset(dataset)
    config = {
        "model": model,
        "family": family,
        **{key: about[key] for key in DATASET_KEYS},
        "bit_depth": about.get("bit_depth", 8),
        "arguments": arguments,
        "seed": seed,
        "notes": [],
        "warnings": [],
        **_circumstances(),
    }
    earlier_s, earlier_mb = 0.0, 0
    if resume is None:
        today = datetime.date.today().isoformat()
        stem = Path(runs_dir) / f"{today}-{model}-{config['dataset']}"
        folder = _new_folder(stem)
    else:
        folder = Path(resume)
        begun = read_unfinished(folder)
        for key, what in SAME_ON_RESUME.items():
            if json.loads(json.dumps(config[key])) != begun[key]:
                raise InputError(
                    f"The {what} changed after {folder.name} was started, and a "
                    "resumed training would mix the two. Train again."
                )
        config["started"] = begun["started"]
        earlier_s = begun["wall_time_s"] + _seconds_spent(folder)
        earlier_mb = begun["peak_memory_mb"]
    earlier = {"wall_time_s": earlier_s, "peak_memory_mb": earlier_mb}
    write_json(folder / "config.json", config | earlier)
    write_text(folder / OWNER, _me())
    started = time.perf_counter()
    run = OpenRun(folder, config)
    try:
        with progress_into(folder / PROGRESS):
            yield run
        config["wall_time_s"] = round(earlier_s + time.perf_counter() - started, 2)
        config["peak_memory_mb"] = max(earlier_mb, peak_memory_mb())
        write_json(folder / "config.json", config)
        write_plots(read_run(folder))
        run.folder = folder.with_name(folder.name.removesuffix(UNFINISHED))
        os.rename(folder, run.folder)
        shutil.rmtree(run.checkpoints, ignore_errors=True)
        (run.folder / OWNER).unlink()
    except BaseException as error:
        if not _is_resumable(folder):
            shutil.rmtree(folder, ignore_errors=True)
            raise
        _tell_how_to_go_on(error, folder)
        raise


def _tell_how_to_go_on(error, folder):
    """Re-raises mistakes, full disks and Ctrl-C, with instructions to resume."""
    how = f"Resume with: {command_line('train --resume')} {shlex.quote(str(folder))}"
    if isinstance(error, KeyboardInterrupt):
        raise KeyboardInterrupt(how) from None
    if isinstance(error, InputError):
        raise InputError(f"{error} {how}, or delete that folder.") from error
    if isinstance(error, OSError):
        where = f": {error.filename}" if error.filename else ""
        raise InputError(
            f"{error.strerror or error}{where}. Fix this. {how}"
        ) from error


def read_unfinished(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The config of an unfinished run folder that can be resumed.

    Raises:
        InputError: If it cannot be resumed.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}. Its training may be finished.")
    if not folder.name.endswith(UNFINISHED) or not (folder / "config.json").is_file():
        is_run = (folder / "metrics.json").is_file()
        raise InputError(
            f"{folder} "
            f"{'is finished' if is_run else 'is not an unfinished run folder'}: only "
            f"folders that end in {UNFINISHED} can be resumed."
        )
    if _is_owned(folder) and not _is_mine(folder):
        raise InputError(
            f"{folder} is being trained by another process. Wait until it ends; if "
            "there is no such process, for example after a restart, delete "
            f"{folder / OWNER}."
        )
    if not _is_resumable(folder):
        raise InputError(
            f"{folder} has no checkpoint: no epoch was finished, or its model writes "
            "no checkpoints. Train again; this also removes the folder."
        )
    try:
        return read_json(folder / "config.json")
    except ValueError as error:
        raise InputError(
            f"{folder / 'config.json'} is not valid JSON: {reason(error)}. Train again."
        ) from error


def _about_dataset(dataset):
    return {
        "dataset": dataset.name,
        "dataset_folder": str(dataset.folder.resolve()),
        "manifest_sha256": table_hash(dataset.manifest),
        "classes": dataset.classes,
        "normal_class": dataset.normal_class,
        "bit_depth": dataset.info.get("bit_depth", 8),
    }


def _circumstances():
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        versions[package] = importlib.metadata.version(package)
    return {
        "versions": versions,
        "git_commit": _git_commit(),
        "backend": os.environ.get("KERAS_BACKEND", "tensorflow"),
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


def _new_folder(stem):
    """Makes `<stem>-<n>.unfinished` for the first free n; removes leftovers."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    for left in stem.parent.glob(f"*{UNFINISHED}"):
        has_owner = (left / OWNER).is_file()  # another may be making it just now
        if has_owner and not _is_owned(left) and not _is_resumable(left):
            shutil.rmtree(left, ignore_errors=True)
    for number in range(1, 10_000):
        final = stem.with_name(f"{stem.name}-{number}")
        folder = final.with_name(f"{final.name}{UNFINISHED}")
        if final.exists():
            continue
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        if not final.exists():
            return folder
        folder.rmdir()
    raise InputError(f"{stem.parent} has too many runs named {stem.name}.")


def _is_owned(folder):
    """Whether the process that writes an unfinished run is alive, as far as known."""
    try:
        host, process_id = (folder / OWNER).read_text().split()
    except (OSError, ValueError):
        return False
    return host != socket.gethostname() or is_alive(int(process_id))


def _is_mine(folder):
    """Whether this process, or a former one with its ID, was the last to write."""
    return (folder / OWNER).is_file() and (folder / OWNER).read_text() == _me()


def _me():
    return f"{socket.gethostname()} {os.getpid()}"


def _is_resumable(folder):
    return any((folder / CHECKPOINTS).glob("*.npz"))


def _seconds_spent(folder):
    """From the start of the last attempt to its last checkpoint."""
    if not (folder / OWNER).is_file():
        return 0.0
    last = max(path.stat().st_mtime for path in (folder / CHECKPOINTS).glob("*.npz"))
    return round(max(0.0, last - (folder / OWNER).stat().st_mtime), 2)
