"""Features of a frozen backbone, computed once per image and cached on disk."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from classification.batches import predict
from goodparts.command import progress, reason
from goodparts.files import atomic_path
from networks.epochs import batches_of_a_pass
from preprocessing.datasets import ImageStore, prediction_batch

if TYPE_CHECKING:
    import pandas as pd

    from networks.quiet_keras import keras
    from preprocessing.manifest import Dataset

KEEP_EVERY = 2048  # images


def read_features(
    features: keras.Model, dataset: Dataset, rows: pd.DataFrame, folder: Path
) -> np.ndarray:
    """Returns the features of every row, from the cache where possible.

    Augmented copies are treated like other images. The cache has one file per network,
    weights and image size, and one entry per image content.

    Args:
        features: Model from images to features.
        dataset: Data set of the rows.
        rows: Manifest rows.
        folder: Folder of the cache; it may be deleted at any time.

    Returns:
        `(rows, features)` float32.
    """
    height, width = features.input_shape[1:3]
    path = folder / f"{_fingerprint(features)}-{height}x{width}.npz"
    known = _read(path)
    hashes = rows["sha256"].tolist()
    missing = ~rows["sha256"].isin(known) & ~rows["sha256"].duplicated()
    paths = [dataset.folder / name for name in rows["path"][missing]]
    names = rows["sha256"][missing].tolist()
    for start in range(0, len(names), KEEP_EVERY):
        part = slice(start, start + KEEP_EVERY)
        store = ImageStore(paths[part], (height, width), memory_budget_mb=0)
        count = batches_of_a_pass(len(store), prediction_batch((height, width)))
        batches = progress(store.batches(), "features", count, unit="batch")
        known |= zip(names[part], predict(features, batches), strict=True)
        try:
            _write(path, known)
        except OSError as error:
            print(
                "The features could not be cached for the next training: "
                f"{reason(error)}"
            )
    return np.stack([known[name] for name in hashes])


def _fingerprint(features):
    """Of the layers, preprocessing among them, and of the weights."""
    layers = [(type(x).__name__, x.get_config()) for x in features.layers[:-2]]
    digest = hashlib.sha256(json.dumps(layers, default=str).encode())
    for value in features.get_weights():
        digest.update(np.ascontiguousarray(value))
    return digest.hexdigest()[:24]


def _read(path):
    """Reads the cache as a dict from sha256 to features; empty if it is damaged."""
    try:
        with np.load(path) as stored:
            return dict(zip(stored["sha256"].tolist(), stored["features"], strict=True))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}


def _write(path, known):
    mine = path.with_name(f"{os.getpid()}-{path.name}")  # others may write it too
    with atomic_path(mine) as temporary, open(temporary, "wb") as file:
        np.savez(file, sha256=list(known), features=np.stack(list(known.values())))
    os.replace(mine, path)
