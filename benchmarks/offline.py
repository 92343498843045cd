"""What can be reached without ImageNet weights: the demo, and two real data sets.

    REAL_DATA=... python3 benchmarks/offline.py --work DIR

`embedded` and `real` can be named to run a part:

    embedded  the demo without weights on three renderings of the embedded parts
    real      magnetic_tile, split by place, and bottles, split in time
"""

import time
from unittest import mock

from figures import real_data, run_parts, sized
from main_job import quick_step

from commands import demo
from evaluation.run_folder import find_runs, read_run
from goodparts.command import run_command
from preprocessing.embedded_parts.render import render_dataset

SEEDS = sized((0, 1, 2), (0,))
RENDERED = sized({}, {"num_images": 40, "size": 64})
GROUPINGS = sized(
    {"magnetic_tile": "near_duplicates", "bottles": "chronological"},
    {"magnetic_tile": "near_duplicates"},
)
METRICS = ("accuracy", "macro_f1", "auroc", "miss_rate", "false_reject_rate")


def embedded(work, seed):
    """The demo on one rendering of the embedded parts."""
    source = render_dataset(work / "raw" / f"parts-{seed}", seed=seed, **RENDERED)
    return run_demo(work, source, f"embedded-{seed}", "near_duplicates")


def real(work, name):
    """The demo on a real data set."""
    return run_demo(work, real_data(name), name, GROUPINGS[name])


def run_demo(work, source, name, grouping):
    """The demo as on a computer that never had the weights; a row for each run."""
    runs = work / "runs" / name
    started = time.perf_counter()
    with (
        mock.patch.object(demo, "imagenet_available", lambda model: False),
        mock.patch.object(demo, "run_step", sized(demo.run_step, quick_step)),
    ):
        demo.main_job(
            source, name=name, groupings=[grouping], out=work / "dataset", runs=runs
        )
    seconds = round(time.perf_counter() - started)
    return [row_of(read_run(path), seconds) for path in find_runs(runs)]


def row_of(run, seconds):
    """The figures of a run on test, with their intervals."""
    judged = run.metrics["test"]
    row = {
        "data": run.config["dataset"],
        "model": run.config["model"],
        "num_images": judged["num_samples"],
        "num_groups": judged["num_groups"],
    }
    for metric in METRICS:
        value = judged["metrics"][metric]
        row |= {
            metric: round(value["value"], 4),
            f"{metric}_low": round(value["low"], 4),
            f"{metric}_high": round(value["high"], 4),
        }
    return row | {"fit_s": round(run.config["wall_time_s"], 1), "demo_s": seconds}


def of(job, details):
    """The part that runs a job for each of its details."""
    return lambda once: [row for each in details for row in once(job, each)]


def main():
    parts = {"embedded": of(embedded, SEEDS), "real": of(real, GROUPINGS)}
    run_parts("offline", parts, __doc__.split("\n")[0])


if __name__ == "__main__":
    run_command(main)
