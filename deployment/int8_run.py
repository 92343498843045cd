"""A run repeated with networks in 8-bit integers: predictions and thresholds.

Everything that was fitted to the outputs of the networks is fitted again to the new
outputs: calibration and combiner of an ensemble, the threshold, and the thresholds of
`decide`. A family without networks is not changed.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from decisions.decide_instances import decide_instances
from decisions.decide_run import decide_run
from ensemble.train import load_predictor as load_ensemble
from ensemble.train import train as train_ensemble
from evaluation.predictions import predict_rows
from evaluation.run_folder import Run, member_folders, read_run, write_results
from goodparts.files import read_json, write_csv, write_json
from models import bundled, load_predictor

if TYPE_CHECKING:
    from evaluation.predictor import Predictor
    from preprocessing.manifest import Dataset


def quantised_run(run: Run, folder: str | os.PathLike[str], dataset: Dataset) -> Run:
    """Makes a run folder like `run` with its networks in int8 and the same options.

    Args:
        run: The run to repeat.
        folder: Where to make it and its members.
        dataset: The data set on which it was trained.

    Raises:
        InputError: If the guarantees of `decide` can no longer be given.
    """
    made = read_run(_make(run, Path(folder), dataset))
    false_alarms = run.threshold_record.get("false_alarms_per_image")
    chosen = made.threshold_record.get("false_alarms_per_image")
    if false_alarms is not None and false_alarms != chosen:
        decide_instances(made.folder, false_alarms)
        made = read_run(made.folder)
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
    family = bundled(run.config["family"])
    if not hasattr(family, "quantise"):
        kept_out = shutil.ignore_patterns("plots", "mistakes", "decision*")
        return shutil.copytree(run.folder, out, ignore=kept_out)
    out.mkdir(parents=True)
    family.quantise(run, out, dataset)
    predictor = family.quantised_predictor(out, run.config)
    table, about = predict_rows(predictor, dataset, "validate", "test", folder=out)
    config = run.config | about
    write_json(out / "config.json", config)
    write_results(out, table, config, dataset)
    return out


def quantised_original(source: Run) -> Predictor:
    """The `Predictor` with which a bundle in int8 is compared."""
    family = bundled(source.config["family"])
    if "members" in source.config:
        members = [quantised_original(read_run(x)) for x in member_folders(source)]
        return load_ensemble(source.folder, members)
    if hasattr(family, "quantised_predictor"):
        return family.quantised_predictor(source.folder, source.config)
    return load_predictor(source.folder)
