"""A run again with its networks in 8-bit integers: predictions, threshold, lines.

Everything that was fitted on what the networks said is fitted again on what they say
now: calibration and combiner of an ensemble, the threshold, the lines of `decide`.
"""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from decisions.decide_run import decide_run
from deployment.engines import load_network
from deployment.networks import export_network, quantise
from ensemble.train import train as train_ensemble
from evaluation.predictions import Predictor, classifier_prediction, predict_rows
from evaluation.run_folder import member_folders, read_run, write_results
from goodparts.files import read_json, write_csv, write_json
from preprocessing.datasets import ImageStore
from preprocessing.images import resize_batch
from preprocessing.manifest import is_copy

NETWORK = "model.onnx"


def quantised_run(run, folder, dataset):
    """Makes a run folder like `run` with its networks in int8, and lines asked alike.

    Args:
        run: A `Run`.
        folder: Where to make it and its members.
        dataset: The `Dataset` it was trained on.

    Returns:
        The new `Run`.

    Raises:
        InputError: If the lines that `decide` drew cannot be promised any more.
    """
    made = read_run(_make(run, Path(folder), dataset))
    if (run.folder / "decision.json").is_file():
        record = read_json(run.folder / "decision.json")
        asked = record["asked"]
        if record["costs"] is not None:  # as they were, wherever the table is now
            asked["cost"] = Path(folder) / "costs.csv"
            costs = pd.DataFrame.from_dict(record["costs"], orient="index")
            write_csv(asked["cost"], costs.rename_axis("class").reset_index())
        decide_run(made.folder, **asked)
    return made


def _make(run, folder, dataset):
    if "members" in run.config:
        members = [
            _make(read_run(member), folder / str(number), dataset)
            for number, member in enumerate(member_folders(run))
        ]
        combiner = run.config["arguments"]["combine"]
        seed = run.config["seed"]
        return train_ensemble(members, combiner=combiner, runs=folder, seed=seed)
    out = folder / run.name
    if run.config["family"] != "classification":
        kept_out = shutil.ignore_patterns("plots", "mistakes", "decision*")
        return shutil.copytree(run.folder, out, ignore=kept_out)
    return _quantise(run, out, dataset)


def _quantise(run, out, dataset):
    config = run.config
    size = tuple(config["arguments"]["image_size"])
    rows = dataset.rows("train")
    rows = rows[~is_copy(rows)]
    store = ImageStore(
        [dataset.folder / path for path in rows["path"]], size, memory_budget_mb=0
    )
    out.mkdir(parents=True)
    export_network(run.folder, out / "fp32.onnx", "onnx")
    quantise(out / "fp32.onnx", store, out / NETWORK)
    (out / "fp32.onnx").unlink()
    write_json(out / "config.json", config)
    table = predict_rows(quantised_predictor(out, config), dataset, "validate", "test")
    write_results(
        out, table, classes=config["classes"], normal_class=config["normal_class"]
    )
    return out


def quantised_predictor(folder, config):
    """The int8 network of a folder as a `Predictor`."""
    network = load_network((Path(folder) / NETWORK).read_bytes())
    size = tuple(config["arguments"]["image_size"])
    classes, normal_class = config["classes"], config["normal_class"]

    def predict(images):
        found = np.stack([network(image) for image in resize_batch(images, size)])
        return classifier_prediction(found, classes, normal_class)

    return Predictor(list(classes), normal_class, size, predict)
