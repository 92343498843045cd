"""The one currency: what every predictor returns, and the table written from it."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from goodparts.command import InputError
from goodparts.files import write_csv
from preprocessing.datasets import ImageStore

PREDICTION_COLUMNS = (
    "sample_id",
    "label",
    "split",
    "group",
    "defect_score",
    "predicted",
)


class Prediction(NamedTuple):
    """What a predictor says of a batch; None where a family has no meaning for it.

    Attributes:
        defect_score: `(batch,)`, higher is more defective.
        probabilities: `(batch, classes)`, in the order of the predictor's classes.
        anomaly_map: `(batch, height, width)`, higher is more anomalous.
        instances: One list of found instances per image.
    """

    defect_score: np.ndarray
    probabilities: np.ndarray | None = None
    anomaly_map: np.ndarray | None = None
    instances: list | None = None


class Predictor(NamedTuple):
    """A loaded model, ready to inspect.

    Attributes:
        classes: Class names, in the order of the probabilities.
        normal_class: The class of good parts.
        image_size: `(height, width)` it works at; other sizes are resized inside.
        predict: Takes uint8 RGB images `(batch, height, width, 3)`, returns a
            `Prediction`.
        explain: Takes images of one size and the name of a class for each, returns
            maps `(batch, height, width)` of 0 to 1, of where that class is seen;
            None where the family has none.
    """

    classes: list
    normal_class: str
    image_size: tuple
    predict: Callable[[np.ndarray], Prediction]
    explain: Callable[[np.ndarray, list], np.ndarray] | None = None


def classifier_prediction(probabilities, classes, normal_class):
    """A classifier's `Prediction`: the defect score is 1 - P(normal class)."""
    probabilities = np.asarray(probabilities, np.float64)
    normal = list(classes).index(normal_class)
    return Prediction(1.0 - probabilities[:, normal], probabilities)


def predictions_table(samples, prediction, classes):
    """Builds the predictions table.

    Args:
        samples: Table with sample_id, label, split and group, a row per image.
        prediction: `Prediction` of these images, in the same order.
        classes: Class names, in the order of the probabilities.

    Raises:
        InputError: If a score is not finite, as after a training that diverged.
    """
    if not np.isfinite(prediction.defect_score).all():
        raise InputError(
            "The model gave defect scores that are no numbers: its training diverged. "
            "Train again with a smaller learning rate or another seed."
        )
    table = samples[["sample_id", "label", "split", "group"]].reset_index(drop=True)
    table["defect_score"] = np.asarray(prediction.defect_score, np.float64)
    table["predicted"] = ""
    if prediction.probabilities is not None:
        best = prediction.probabilities.argmax(axis=1)
        table["predicted"] = np.asarray(classes, object)[best]
        for index, name in enumerate(classes):
            table[f"prob_{name}"] = prediction.probabilities[:, index]
    return table


def predict_rows(predictor, dataset, *splits):
    """Runs a predictor over splits of a data set; returns the predictions table."""
    rows = dataset.rows(*splits)
    store = ImageStore(
        [dataset.folder / path for path in rows["path"]], predictor.image_size
    )
    parts = [predictor.predict(images) for images in store.batches()]
    scores = np.concatenate([part.defect_score for part in parts])
    probabilities = None
    if parts[0].probabilities is not None:
        probabilities = np.concatenate([part.probabilities for part in parts])
    return predictions_table(rows, Prediction(scores, probabilities), predictor.classes)


def write_predictions(run_folder, table):
    write_csv(Path(run_folder) / "predictions.csv", table)


def read_predictions(run_folder):
    """Reads `predictions.csv` of a run folder.

    Raises:
        InputError: If the folder is no run, or the table is damaged.
    """
    path = Path(run_folder) / "predictions.csv"
    if not path.is_file():
        raise InputError(
            f"{run_folder} is no run folder: it has no predictions.csv. "
            "Give a folder that `pipenv run train` printed."
        )
    again = "Put back a copy, or train that run again."
    text = {column: str for column in PREDICTION_COLUMNS if column != "defect_score"}
    try:
        content = path.read_bytes().decode()
        table = pd.read_csv(io.StringIO(content), dtype=text, keep_default_na=False)
    except ValueError as error:  # of its encoding or its rows
        raise InputError(f"{path} is no table: {error}. {again}") from error
    if not content.endswith("\n"):
        raise InputError(f"{path} is cut off in its last line. {again}")
    missing = [name for name in PREDICTION_COLUMNS if name not in table.columns]
    if missing:
        raise InputError(f"{path} lacks the column(s) {', '.join(missing)}. {again}")
    for name in ["defect_score", *(x for x in table if x.startswith("prob_"))]:
        if not pd.api.types.is_numeric_dtype(table[name]):
            raise InputError(f"{path} has text in the column {name}. {again}")
    return table


def probabilities_of(table, classes):
    """`(rows, classes)` array of the `prob_<class>` columns, by name.

    Raises:
        InputError: If a class has no column.
    """
    missing = [name for name in classes if f"prob_{name}" not in table.columns]
    if missing:
        raise InputError(f"The predictions have no class {', '.join(missing)}.")
    return table[[f"prob_{name}" for name in classes]].to_numpy(np.float64)
