"""Galleries of the mistakes of a run, and of sample images."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from evaluation.wording import number_text
from goodparts.command import InputError, reason
from preprocessing.images import read_image, resize
from preprocessing.manifest import Dataset, is_copy, read_dataset, table_hash
from reporting.overlays import Overlays

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.run_folder import Run

THUMBNAIL_SIDE = 240  # pixels of the longer side; shown at 160, printed sharp
OVERLAY_SIDE = 480  # of two panels
MAX_MISTAKES = 24
EXAMPLES_PER_CLASS = 4


def find_dataset(run: Run) -> tuple[Dataset | None, str]:
    """The data set a run was trained on.

    Returns:
        `(dataset, note)`: None with a note if the folder no longer exists or is
        unreadable, otherwise a note only if the data set was changed since.
    """
    folder = run.config["dataset_folder"]
    try:
        dataset = read_dataset(folder)
    except InputError as error:
        return None, f"The pictures are missing: {reason(error)}"
    if table_hash(dataset.manifest) != run.config["manifest_sha256"]:
        return dataset, (
            f"The data set {run.config['dataset']} was changed after {run.name} was "
            "trained on it. The tables and pictures of the data show its present "
            "state."
        )
    return dataset, ""


def decisions(run: Run) -> pd.DataFrame:
    """The test predictions of a run with its answers and how wrong they are.

    A classifier is wrong if it predicts another class, by the difference of the two
    probabilities. A detector is wrong when it accepts a defect or rejects a good part,
    by the distance of the score from the threshold.

    Returns:
        The table with `answer` (a class, or "accepted" or "rejected"), `is_wrong`
        and `how_wrong` (0 where right), worst first.
    """
    table = run.split("test")
    if "classes" in run.outputs:
        table["answer"] = table["predicted"]
        table["is_wrong"] = table["answer"] != table["label"]
        margin = _probability(table, "predicted") - _probability(table, "label")
    else:
        rejected = table["defect_score"] >= run.threshold
        table["answer"] = np.where(rejected, "rejected", "accepted")
        table["is_wrong"] = rejected != (table["label"] != run.config["normal_class"])
        margin = (table["defect_score"] - run.threshold).abs().to_numpy()
    table["how_wrong"] = np.where(table["is_wrong"], margin, 0.0)
    order = ["is_wrong", "how_wrong", "sample_id"]
    return table.sort_values(order, ascending=[False, False, True], ignore_index=True)


def mistake_gallery(
    run: Run, dataset: Dataset | None
) -> tuple[list[dict[str, Any]], int]:
    """The worst mistakes on test as dicts of picture, true class, answer and score.

    Args:
        run: A run.
        dataset: Its data set, or None: then there are no pictures.

    Returns:
        `(mistakes, count)`: at most MAX_MISTAKES of the `count` there are.
    """
    table = decisions(run)
    wrong = table[table["is_wrong"]]
    return _gallery(run, dataset, wrong.head(MAX_MISTAKES)), len(wrong)


def example_gallery(run: Run, dataset: Dataset | None) -> list[dict[str, Any]]:
    """A few test images of each class with what a run saw in them.

    Returns:
        Dicts as those of `mistake_gallery`; none for a run without maps or instances.
    """
    if dataset is None or not run.outputs & {"map", "instances"}:
        return []
    return _gallery(run, dataset, examples(run))


def examples(run: Run) -> pd.DataFrame:
    """Rows of `decisions`: some of each class, spread from low to high scores."""
    table = decisions(run).sort_values("defect_score", ignore_index=True)
    chosen = []
    for _, rows in table.groupby("label"):
        count = min(EXAMPLES_PER_CLASS, len(rows))
        places = np.linspace(0, len(rows) - 1, 2 * count + 1).astype(int)[1::2]
        chosen += rows.index[places].tolist()
    return table.loc[chosen]


def _gallery(run, dataset, rows):
    overlays = None if dataset is None else Overlays(run, dataset)
    return [
        {
            "picture": _picture(overlays, row),
            "sample_id": row.sample_id,
            "label": row.label,
            "answer": row.answer,
            "score": number_text(row.defect_score),
        }
        for row in rows.itertuples()
    ]


def _picture(overlays, row):
    if overlays is None:
        return None
    drawn = overlays.overlay_for(row)
    if drawn is not None:
        return as_data_uri(drawn, OVERLAY_SIDE)
    return thumbnail(overlays.path(row.sample_id))


def class_samples(dataset: Dataset, *, per_class: int = 4) -> dict[str, list[str]]:
    """A few original pictures of each class, evenly spread over its rows.

    Returns:
        A dict from the class name to its data URIs.
    """
    originals = dataset.manifest[~is_copy(dataset.manifest)]
    samples = {}
    for name in dataset.classes:
        rows = originals[originals["label"] == name]
        count = min(per_class, len(rows))
        chosen = np.linspace(0, len(rows) - 1, 2 * count + 1).astype(int)[1::2]
        pictures = [thumbnail(dataset.folder / rows.iloc[i]["path"]) for i in chosen]
        samples[name] = [picture for picture in pictures if picture]
    return samples


def thumbnail(path: str | os.PathLike[str] | None) -> str | None:
    """A small JPEG of an image file as a data URI; None where it cannot be read."""
    if path is None:
        return None
    try:
        return as_data_uri(read_image(path), THUMBNAIL_SIDE)
    except InputError:
        return None


def as_data_uri(image: np.ndarray, side: int) -> str:
    """A JPEG of uint8 RGB as a data URI, its longer side at most so many pixels."""
    height, width = image.shape[:2]
    scale = min(1.0, side / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    small = cv2.cvtColor(resize(image, size), cv2.COLOR_RGB2BGR)
    _, content = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 80])
    return "data:image/jpeg;base64," + base64.b64encode(content).decode()


def _probability(table, column):
    """The probability given to the class that `column` names, row by row."""
    return np.array(
        [
            row.get(f"prob_{row[column]}", float(column == "predicted"))
            for row in table.to_dict("records")
        ]
    )
