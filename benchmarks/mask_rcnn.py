"""How well Mask R-CNN finds single defects, and what it costs.

    REAL_DATA=... KERAS_HOME=... python3 benchmarks/mask_rcnn.py --work DIR

An hour or two for each data set on two idle cores; `bottles`, `ball_screw`,
`magnetic_tile` and `speed` can be named to run a part. Trained with the defaults on
MobileNetV2, and judged on test:

    bottles        400 rendered bottle mouths, grouped
    ball_screw     images of one position and angle stay together
    magnetic_tile  exposures of one tile stay together; beside it the random split
    speed          a training step of 4 images at 512 x 512, and images/s of the bundle

Every metric of instances that the evaluation knows gets its columns.
"""

import time
from pathlib import Path

import numpy as np
from figures import real_data, run_parts, sized
from one_class import speed

from evaluation.metric_table import METRICS
from evaluation.run_folder import read_run
from goodparts.command import run_command
from goodparts.machine import peak_memory_mb
from networks.engines import load_network
from preprocessing.create_folders import create_folders
from preprocessing.embedded_parts.render import render_dataset
from segmentation.train import train

CAMERA_PLACE = r"\d{6}_\d{3}(?=_crop)|KGT\d+"  # position and angle, or the drive
SPLITS = {
    "bottles": {"grouped": {}},
    "ball_screw": {"grouped": {"grouping": "pattern", "pattern": CAMERA_PLACE}},
    "magnetic_tile": {"grouped": {}, "random": {"grouping": "none"}},
}
QUICK = sized({}, {"image_size": (64, 64), "epochs": 1, "alpha": 0.35})
OTHERS = ("accuracy", "macro_f1", "auroc")
NUM_PARTS, SIZE_OF_PARTS = sized(400, 40), sized(256, 64)
NUM_TIMED, NUM_STEPS = sized(50, 2), sized(10, 1)
CANVAS = sized((512, 512), (64, 64))


def source_of(name, work):
    if name == "bottles":
        parts = work / "bottles"
        return render_dataset(parts, num_images=NUM_PARTS, size=SIZE_OF_PARTS)
    return real_data(name)


def judge(work, name, split):
    """Trains on a data set; the figures on test."""
    dataset, _ = create_folders(
        source_of(name, work), out=work / split, **SPLITS[name][split]
    )
    run = read_run(train(data=dataset.folder, runs=work / "runs", **QUICK))
    judged, settings = run.metrics["test"], run.config["detector"]
    row = {
        "dataset": name,
        "split": split,
        "canvas": " x ".join(map(str, settings["canvas"])),
        "anchors": " ".join(f"{size:g}" for size in settings["anchors"]["sizes"]),
        "num_images": judged["num_samples"],
        "num_groups": judged["num_groups"],
    }
    names = [x for x, metric in METRICS.items() if metric.output == "instances"]
    for metric in (*names, *OTHERS):
        value = judged["metrics"].get(metric, {})
        for end, key in (("", "value"), ("_low", "low"), ("_high", "high")):
            found = value.get(key)
            row[f"{metric}{end}"] = None if found is None else round(found, 4)
    row["epochs"] = len(np.loadtxt(run.folder / "history.csv", str)) - 1
    row["fit_s"] = round(run.config["wall_time_s"])
    row["peak_memory_mb"] = round(run.config["peak_memory_mb"])
    return row | {"images_per_s": round(speed(run, dataset, work), 1)}


def measure(work):
    """The time of a training step, and of the networks in a bundle."""
    from backbones import build_backbone
    from networks.quiet_keras import keras
    from networks.writing import export_model
    from segmentation.anchors import RATIOS, SIZES, Anchors, place_anchors
    from segmentation.batches import truth_batch
    from segmentation.detector import Settings, open_detector
    from segmentation.network import build_parts
    from segmentation.recipe import write_networks
    from segmentation.trainer import Trainer, noise_length
    from segmentation.training import Plan, compile_trainer

    anchors = Anchors(SIZES, RATIOS)
    settings = Settings(CANVAS, anchors, [f"defect {n}" for n in range(5)], 64, 100)
    parts = build_parts(settings, "mobilenetv2")
    trainer = Trainer(parts, settings)
    compile_trainer(trainer, Plan(1, 1, 5e-4, 1e-4, 1))
    truths = [some_truth(number) for number in range(4)]
    batch = truth_batch(
        truths,
        CANVAS,
        place_anchors(CANVAS, anchors),
        num_truths=8,
        noise_length=noise_length(settings, 8),
        seeds=[0, 1, 2, 3],
    )
    step = seconds_of(lambda: trainer.train_on_batch(batch), NUM_STEPS)
    peak = peak_memory_mb()
    folder = Path(work) / "networks"
    folder.mkdir(parents=True, exist_ok=True)
    write_networks(folder, parts, settings)
    names = ["pyramid.onnx", "box_head.onnx", "mask_head.onnx"]
    files = {name: (folder / name).read_bytes() for name in names}
    answer = open_detector(
        settings, files, names, classes=["good", "x"], normal_class="good"
    )
    image = truths[0].image
    images = keras.layers.Input((*CANVAS, 3))
    backbone = keras.Model(images, build_backbone("mobilenetv2")(images / 127.5 - 1))
    export_model(backbone, folder / "backbone.onnx")
    bare = load_network((folder / "backbone.onnx").read_bytes())
    pyramid = load_network(files["pyramid.onnx"])
    backbone_s = seconds_of(lambda: bare(image), NUM_TIMED)
    whole_s = seconds_of(lambda: answer(image), NUM_TIMED)
    return {
        "canvas": " x ".join(map(str, CANVAS)),
        "training_step_s": round(step, 3),
        "peak_memory_mb": round(peak),
        "backbone_ms": round(1000 * backbone_s, 1),
        "pyramid_ms": round(1000 * seconds_of(lambda: pyramid(image), NUM_TIMED), 1),
        "inference_ms": round(1000 * whole_s, 1),
        "inference_in_backbones": round(whole_s / backbone_s, 2),
    }


def some_truth(seed):
    """An image of noise with three bright instances."""
    from segmentation.truth import Truth

    random = np.random.default_rng(seed)
    image = random.integers(0, 90, (*CANVAS, 3), dtype=np.uint8)
    masks = np.zeros((3, *CANVAS), bool)
    for mask in masks:
        top, left = random.integers(0, CANVAS[0] // 2, 2)
        height, width = random.integers(8, CANVAS[0] // 3, 2)
        mask[top : top + height, left : left + width] = True
        image[mask] = 220
    return Truth(image, np.array([1, 2, 3], np.int32), masks, np.ones(3, bool))


def seconds_of(work, rounds):
    """The median time of a call, after one that is not counted."""
    work()
    found = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return float(np.median(found))


def of(name):
    """The part that judges a data set on its splits."""
    return lambda once: [once(judge, name, split) for split in SPLITS[name]]


def main():
    parts = {name: of(name) for name in SPLITS}
    parts["speed"] = lambda once: [once(measure)]
    run_parts("mask_rcnn", parts, __doc__.split("\n")[0])


if __name__ == "__main__":
    run_command(main)
