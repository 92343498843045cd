"""How well detectors find defects that they were never shown, on real parts.

    REAL_DATA=... KERAS_HOME=... python3 benchmarks/one_class.py --work DIR

Parts can be named to run them alone; the first two take five minutes on two idle cores.
Detectors are trained on the good parts of train with their defaults, and judged on
test:

    mvtec          screw and hazelnut_toy, with their own train and test
    magnetic_tile  half of the good tiles train; exposures of one tile stay together
    others         feature_noise and colour_novelty on all three
    autoencoders   every autoencoder on screw and hazelnut_toy; only where it is named

`images_per_s` is end to end from pixels in memory, with the exported bundle; memory is
the peak of the training. The last two parts have figures of quality alone.
"""

import time

from figures import QUICK, real_data, run_parts, sized

from anomaly.autoencoders import AUTOENCODERS
from anomaly.train import train
from deployment.export import export
from deployment.runtime import load_bundle
from evaluation.run_folder import read_run
from goodparts.command import run_command
from preprocessing.create_folders import create_folders
from preprocessing.images import read_image
from preprocessing.manifest import read_dataset

METHODS = sized(("memory_bank", "gaussian"), ("memory_bank",))
OTHERS = ("feature_noise", "colour_novelty")
SPLITS = {
    "screw": {"protocol": "official"},
    "hazelnut_toy": {"protocol": "official"},
    "magnetic_tile": {"shares": (0.5, 0.1, 0.4)},
}
METRICS = ("auroc", "pixel_auroc", "pixel_ap", "aupro")
NUM_TIMED = sized(100, 2)


def judge(work, name, method, *, is_timed=True):
    """Trains a detector on a data set; its figures on test."""
    dataset, _ = create_folders(real_data(name), out=work / "dataset", **SPLITS[name])
    options = {"image_size": QUICK["image_size"]} if QUICK else {}
    if QUICK and method in AUTOENCODERS:
        options["epochs"] = 1
    run = read_run(
        train(model=method, data=dataset.folder, runs=work / "runs", **options)
    )
    judged, labels = run.metrics["test"], run.split("test")["label"]
    num_good = int((labels == dataset.normal_class).sum())
    row = {
        "dataset": name,
        "method": method,
        "pose": run.config["pose"],
        "size": " x ".join(map(str, run.config["view"]["size"])),
        "num_good": num_good,
        "num_defective": len(labels) - num_good,
    }
    for metric in METRICS:
        value = judged["metrics"].get(metric)
        if value:
            row |= {
                metric: round(value["value"], 4),
                f"{metric}_low": round(value["low"], 4),
                f"{metric}_high": round(value["high"], 4),
            }
    if not is_timed:
        return row | {"num_parameters": run.config.get("num_parameters", "")}
    row["fit_s"] = round(run.config["wall_time_s"], 1)
    row["peak_memory_mb"] = round(run.config["peak_memory_mb"])
    return row | {"images_per_s": round(speed(run, dataset, work), 1)}


def speed(run, dataset, work):
    """Images per second of the exported bundle."""
    bundle = work / f"{run.name}.goodparts"
    if not bundle.exists():
        export(run.folder, bundle)
    inspector = load_bundle(bundle)
    rows = read_dataset(dataset.folder).rows("test").head(NUM_TIMED)
    images = [read_image(dataset.folder / path) for path in rows["path"]]
    inspector.inspect(images[0])
    started = time.perf_counter()
    for image in images:
        inspector.inspect(image)
    return len(images) / (time.perf_counter() - started)


def judge_quality(work, name, method):
    """`judge` without time, memory and speed."""
    return judge(work, name, method, is_timed=False)


def of(*names, methods=METHODS, job=judge):
    """The part that judges some data sets."""
    return lambda once: [
        once(job, name, method) for name in names for method in methods
    ]


def main():
    real = ("screw", "hazelnut_toy")
    parts = {
        "mvtec": of(*real),
        "magnetic_tile": of("magnetic_tile"),
        "others": of(*real, "magnetic_tile", methods=OTHERS, job=judge_quality),
        "autoencoders": of(*real, methods=AUTOENCODERS, job=judge_quality),
    }
    description = __doc__.split("\n")[0]
    run_parts("one_class", parts, description, on_request=("autoencoders",))


if __name__ == "__main__":
    run_command(main)
