"""The main job on real parts: bottles split in three ways, tiles and screws.

    REAL_DATA=... KERAS_HOME=... python3 benchmarks/main_job.py

About 40 minutes on two cores. Beside it, a linear probe on the same features: no
model should be worse.
"""

import shutil
import tempfile
import time
from pathlib import Path
from unittest import mock

import pandas as pd
from figures import (
    QUICK,
    make_parser,
    real_data,
    sized,
    summary_of,
    write_figures,
)
from linear_probe import probe_predictions

from commands import demo
from evaluation.comparison.leaderboard import leaderboard
from evaluation.run_folder import find_runs, read_run
from goodparts.command import run_command
from goodparts.files import read_json, write_json
from preprocessing.manifest import read_dataset

JOBS = sized(
    {
        "bottles": ("none", "near_duplicates", "chronological"),
        "magnetic_tile": ("near_duplicates",),
        "screw": ("near_duplicates",),
    },
    {"bottles": ("near_duplicates",)},
)
COLUMNS = (
    "dataset",
    "model",
    "macro_f1",
    "macro_f1_low",
    "macro_f1_high",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "auroc",
    "wall_time_s",
    "peak_memory_mb",
    "num_test_samples",
    "num_test_groups",
)


def probe(dataset):
    """Logistic regression on frozen features of train, as a row of the leaderboard."""
    started = time.perf_counter()
    table = probe_predictions(dataset, "test")
    summary = summary_of(table, dataset)
    row = {
        "dataset": dataset.name,
        "model": "linear_probe",
        "wall_time_s": round(time.perf_counter() - started, 1),
        "num_test_samples": summary["num_samples"],
        "num_test_groups": summary["num_groups"],
    }
    for metric in ("macro_f1", "accuracy", "auroc"):
        found = summary["metrics"][metric]
        row |= {
            metric: found["value"],
            f"{metric}_low": found["low"],
            f"{metric}_high": found["high"],
        }
    return row


def quick_step(command, *arguments, step=demo.run_step):
    """A step of the main job, for a smoke run."""
    if command == "train":
        arguments += ("--image-size", *QUICK["image_size"])
        if "bovw" not in arguments:
            arguments += ("--epochs", 1)
    step(command, *arguments)


def run_jobs(work):
    """Runs each main job that has not left its time in the work folder yet.

    Returns:
        The runs, the data sets, and a row of figures per whole job.
    """
    out, runs = work / "dataset", work / "runs"
    for name, groupings in JOBS.items():
        for grouping in groupings:
            done = work / f"{name}-{grouping}.json"
            if done.exists():
                continue
            dataset = f"{name}-{grouping}"
            for left in runs.glob(f"*-{dataset}-[0-9]*"):  # of a job that was stopped
                shutil.rmtree(left)
            started = time.perf_counter()
            with mock.patch.object(demo, "run_step", sized(demo.run_step, quick_step)):
                demo.main_job(
                    real_data(name),
                    name=dataset,
                    groupings=[grouping],
                    out=out,
                    runs=runs,
                )
            seconds = round(time.perf_counter() - started)
            write_json(done, {"dataset": dataset, "whole_job_s": seconds})
    found = [read_run(path) for path in find_runs(runs)]
    jobs = [read_json(path) for path in sorted(work.glob("*.json"))]
    for job in jobs:
        peaks = [
            run.config["peak_memory_mb"]
            for run in found
            if run.config["dataset"] == job["dataset"]
        ]
        job["peak_memory_mb"] = max(peaks)
    return found, [read_dataset(out / job["dataset"]) for job in jobs], jobs


def main():
    parser = make_parser(__doc__.split("\n")[0])
    parser.add_argument("--work", help="folder to keep data sets and runs, to resume")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs, datasets, jobs = run_jobs(Path(arguments.work or folder))
        rows = leaderboard(runs).to_dict("records")
        rows += [probe(dataset) for dataset in datasets]
    table = pd.DataFrame(rows).reindex(columns=list(COLUMNS)).round(4)
    table = table.sort_values(["dataset", "model"])
    write_figures("main_job", table.to_dict("records"), arguments.out)
    write_figures("main_job_time", jobs, arguments.out)


if __name__ == "__main__":
    run_command(main)
