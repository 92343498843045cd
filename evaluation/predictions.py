"""The common format of all models: the predictions table, maps and instances."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from evaluation.anomaly_maps import MapWriter
from evaluation.found_instances import instance_results
from evaluation.predictor import Prediction, Predictor, found_outputs
from goodparts.command import InputError, command_line, progress, reason
from goodparts.files import write_csv, write_json
from preprocessing.batches import row_batches
from preprocessing.instances import read_ids

if TYPE_CHECKING:
    from preprocessing.manifest import Dataset

PREDICTION_COLUMNS = (
    "sample_id",
    "label",
    "split",
    "group",
    "defect_score",
    "predicted",
)


def predictions_table(
    samples: pd.DataFrame, prediction: Prediction, classes: Sequence[str]
) -> pd.DataFrame:
    """Builds the predictions table.

    Args:
        samples: Table with sample_id, label, split and group, a row per image.
        prediction: Prediction for these images, in the same order.
        classes: Class names, in the order of the probabilities.

    Raises:
        InputError: If a score is not finite, for example after a training that
            diverged.
    """
    scores = prediction.defect_score
    if scores is not None and not np.isfinite(scores).all():
        raise InputError(
            "The model returned defect scores that are NaN or infinity: its training "
            "diverged. Train again with a smaller learning rate or another seed."
        )
    table = samples[["sample_id", "label", "split", "group"]].reset_index(drop=True)
    table["defect_score"] = np.nan if scores is None else np.asarray(scores, float)
    table["predicted"] = ""
    if prediction.probabilities is not None:
        best = prediction.probabilities.argmax(axis=1)
        table["predicted"] = np.asarray(classes, object)[best]
        for index, name in enumerate(classes):
            table[f"prob_{name}"] = prediction.probabilities[:, index]
    return table


def predict_rows(
    predictor: Predictor, dataset: Dataset, *splits: str, folder: str | os.PathLike[str]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Runs a predictor over splits of a data set.

    Anomaly maps are written to `maps/` of the folder one by one, found instances to its
    `instances.json`: nothing that a predictor returns is dropped.

    Args:
        predictor: A trained model.
        dataset: Data set with the images.
        splits: Names of splits.
        folder: The run folder.

    Returns:
        `(table, about)`: the predictions table, and its entries in config.json:
        `outputs`, see `predictor.OUTPUTS`, and with maps `map_range`.

    Raises:
        InputError: If a score is not finite.
    """
    rows = dataset.rows(*splits)
    scores, probabilities, results = [], [], []
    maps, ids = MapWriter(folder), None
    is_good = (rows["label"] == dataset.normal_class) & (rows["split"] == "validate")
    batches = row_batches(
        dataset.folder, rows, predictor.image_size, predictor.num_frames
    )
    for positions, images in _shown(batches, len(rows)):
        part = predictor.predict(images)
        if part.defect_score is not None:
            scores.append(np.asarray(part.defect_score, np.float64))
        if part.probabilities is not None:
            probabilities.append(part.probabilities)
        for place, answer in zip(positions, part.answers(), strict=True):
            sample = rows["sample_id"].iat[place]
            if answer.anomaly_map is not None:
                maps.write(sample, answer.anomaly_map, is_good=is_good.iat[place])
            if answer.instances is not None:
                ids = ids or read_ids(dataset.folder / "instances.json", rows)
                results += instance_results(sample, answer.instances, ids)
    outputs = found_outputs(part, predictor.num_frames)
    whole = Prediction(
        np.concatenate(scores) if scores else None,
        np.concatenate(probabilities) if probabilities else None,
    )
    table = predictions_table(rows, whole, predictor.classes)
    about: dict[str, Any] = {}
    if "map" in outputs:
        table["map_path"] = [maps.paths[sample] for sample in table["sample_id"]]
        about["map_range"] = maps.range()
    if "instances" in outputs:
        write_json(Path(folder) / "instances.json", results)
    if predictor.num_frames > 1:
        about["num_frames"] = predictor.num_frames
    return table, {"outputs": outputs, **about}


def _shown(batches, num_rows):
    """The batches, with a progress bar over their rows."""
    rows = iter(progress(range(num_rows), "predicting", num_rows))
    for positions, images in batches:
        yield positions, images
        for _ in positions:
            next(rows)
    next(rows, None)  # takes the bar away


def write_predictions(run_folder: str | os.PathLike[str], table: pd.DataFrame) -> None:
    write_csv(Path(run_folder) / "predictions.csv", table)


def read_predictions(run_folder: str | os.PathLike[str]) -> pd.DataFrame:
    """Reads `predictions.csv` of a run folder.

    Raises:
        InputError: If the folder is not a run, or the table is damaged.
    """
    path = Path(run_folder) / "predictions.csv"
    if not path.is_file():
        raise InputError(
            f"{run_folder} is not a run folder: it has no predictions.csv. Give a "
            f"folder that was printed by {command_line('train')}."
        )
    again = "Restore it from a copy, or train this run again."
    text = {column: str for column in PREDICTION_COLUMNS if column != "defect_score"}
    try:
        content = path.read_bytes().decode()
        table = pd.read_csv(io.StringIO(content), dtype=text, keep_default_na=False)
    except ValueError as error:  # of its encoding or its rows
        raise InputError(f"{path} is not a table: {reason(error)}. {again}") from error
    if not content.endswith("\n"):
        raise InputError(f"{path} is truncated in its last line. {again}")
    missing = [name for name in PREDICTION_COLUMNS if name not in table.columns]
    if missing:
        raise InputError(f"{path} lacks the column(s) {', '.join(missing)}. {again}")
    numbers = [name for name in table if name.startswith("prob_")]
    if (table["defect_score"] == "").all():  # classes only
        table["defect_score"] = np.nan
    else:
        numbers.append("defect_score")
    for name in numbers:
        if not pd.api.types.is_numeric_dtype(table[name]):
            raise InputError(f"{path} has text in the column {name}. {again}")
        if not np.isfinite(table[name]).all():
            raise InputError(f"{path} has NaN or infinity in {name}. {again}")
    return table


def has_both_kinds(table: pd.DataFrame, normal_class: str) -> bool:
    """Whether rows of the predictions table are of good and of defective parts."""
    labels = set(table["label"])
    return normal_class in labels and len(labels) > 1


def probabilities_of(table: pd.DataFrame, classes: Sequence[str]) -> np.ndarray | None:
    """`(rows, classes)` array of the `prob_<class>` columns, by name; None without any.

    Raises:
        InputError: If a class has no column.
    """
    if not any(name.startswith("prob_") for name in table):
        return None
    missing = [name for name in classes if f"prob_{name}" not in table.columns]
    if missing:
        raise InputError(f"The predictions have no class {', '.join(missing)}.")
    return table[[f"prob_{name}" for name in classes]].to_numpy(np.float64)


def class_probabilities(table: pd.DataFrame, classes: Sequence[str]) -> np.ndarray:
    """`probabilities_of` a run that predicts classes.

    Raises:
        InputError: If there are no probabilities, or a class has no column.
    """
    found = probabilities_of(table, classes)
    if found is None:
        raise InputError(
            "The predictions have no class probabilities. Restore predictions.csv "
            "from a copy, or train this run again."
        )
    return found
