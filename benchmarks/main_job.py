"""The main job on real parts: bottles split in three ways, tiles and screws.

    REAL_DATA=... KERAS_HOME=... python3 benchmarks/main_job.py

About 40 minutes on two cores. Beside it, a linear probe on the same features: no
model should be worse.
"""

import argparse
import tempfile
import time
from pathlib import Path

import pandas as pd
from figures import real_data, write_figures
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from classification.frozen import extract_features
from classification.model import build_features
from demo import main_job
from evaluation.leaderboard import leaderboard
from evaluation.predictions import classifier_prediction, predictions_table
from evaluation.runs import peak_memory_mb, read_run
from evaluation.summary import summarise
from preprocessing.command import run_command
from preprocessing.datasets import ImageStore, choose_image_size
from preprocessing.manifest import is_copy, read_dataset

RUNS_PER_JOB = 7  # three models, four combiners
JOBS = {
    "bottles": ("none", "near_duplicates", "chronological"),
    "magnetic_tile": ("near_duplicates",),
    "screw": ("near_duplicates",),
}
COLUMNS = (
    "dataset", "model", "macro_f1", "macro_f1_low", "macro_f1_high", "accuracy",
    "accuracy_low", "accuracy_high", "auroc", "wall_time_s", "peak_memory_mb",
    "num_test_samples", "num_test_groups",
)  # fmt: skip


def probe(dataset):
    """Logistic regression on frozen features of train, as a row of the leaderboard."""
    started = time.perf_counter()
    size = choose_image_size(dataset, 224 * 224)
    features = build_features("mobilenetv2", size, weights="imagenet")
    rows = dataset.rows("train", "test")
    rows = rows[~is_copy(rows)].reset_index(drop=True)
    store = ImageStore([dataset.folder / path for path in rows["path"]], size)
    values = extract_features(features, store)
    train = (rows["split"] == "train").to_numpy()
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    model.fit(values[train], rows["label"][train])
    answers = model.predict_proba(values[~train])
    prediction = classifier_prediction(answers, dataset.classes, dataset.normal_class)
    table = predictions_table(rows[~train], prediction, dataset.classes)
    summary = summarise(
        table, classes=dataset.classes, normal_class=dataset.normal_class, threshold=0.5
    )
    row = {
        "dataset": dataset.name,
        "model": "linear_probe",
        "wall_time_s": round(time.perf_counter() - started, 1),
        "peak_memory_mb": peak_memory_mb(),
        "num_test_samples": summary["num_samples"],
        "num_test_groups": summary["num_groups"],
    }
    for metric in ("macro_f1", "accuracy", "auroc"):
        found = summary["metrics"][metric]
        row |= {metric: found["value"], f"{metric}_low": found["low"],
                f"{metric}_high": found["high"]}  # fmt: skip
    return row


def run_jobs(work):
    """Runs each main job that has not left its runs in the work folder yet."""
    out, runs = work / "dataset", work / "runs"
    for name, groupings in JOBS.items():
        names = [name, *(f"{name}-{grouping}" for grouping in groupings)]
        done = sum(len(list(runs.glob(f"*-{each}-[0-9]*"))) for each in names)
        if done < RUNS_PER_JOB * len(groupings):
            source = real_data(name)
            main_job(source, name=name, groupings=groupings, out=out, runs=runs)
    found = sorted(path.parent for path in runs.glob("*/config.json"))
    datasets = [read_dataset(path) for path in sorted(out.glob("[!.]*"))]
    return [read_run(path) for path in found], datasets


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", help="folder to keep data sets and runs, to resume")
    work = parser.parse_args().work
    with tempfile.TemporaryDirectory() as folder:
        runs, datasets = run_jobs(Path(work or folder))
        rows = leaderboard(runs).to_dict("records")
        rows += [probe(dataset) for dataset in datasets]
    table = pd.DataFrame(rows)[list(COLUMNS)].sort_values(["dataset", "model"])
    write_figures("main_job", table.round(4).to_dict("records"))


if __name__ == "__main__":
    run_command(main)
