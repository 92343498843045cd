"""Detectors that compare mid-level features of a pretrained network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from anomaly.bundled import LEARNT, NETWORK
from anomaly.comparison import ORIGINS
from anomaly.job import Job, tell_left_out
from anomaly.learners import BankLearner, GaussianLearner
from anomaly.view import Canvas, cells_of_mask, look, part_of_cells
from goodparts.command import InputError, progress, working
from goodparts.files import write_csv
from networks.engines import Network, load_network
from preprocessing.images import read_image
from preprocessing.instances import read_truth_mask
from preprocessing.manifest import is_copy
from preprocessing.splitting.split import hold_out


def learn(job: Job) -> None:
    """Writes the network of features and what is learnt of good parts."""
    from anomaly.features import write_features

    about, file = job.arguments, job.folder / NETWORK
    defective = _defective_rows(job)
    layers = write_features(
        file,
        about["backbone"],
        job.view.size,
        weights=about["weights"],
        alpha=about["alpha"],
        seed=job.seed,
    )
    network = load_network(file.read_bytes())
    learnt: Any
    if job.model == "feature_noise":
        learnt = _learn_noise(job, network, defective)
    elif job.model == "memory_bank":
        learnt = _learn_bank(job, network, layers)
    else:
        learner = GaussianLearner()
        _show(job, network, lambda row, *seen: learner.add(*seen))
        with working("learning what good parts are like"):
            learnt = learner.learnt()
    np.savez(job.folder / LEARNT, **learnt._asdict())


def _learn_bank(job, network, layers):
    """The bank; where its patches come from is kept for pictures."""
    size, count = job.arguments["bank_size"], len(job.rows)
    has_place, paths = job.view.is_posed, []
    learner = BankLearner(count, layers, size, has_place=has_place, seed=job.seed)

    def add(row, *seen):
        learner.add(*seen)
        paths.append(row.path)

    _show(job, network, add)
    with working("learning what good parts are like"):
        bank = learner.learnt()
    numbers, cells = learner.origins.T
    table = pd.DataFrame({"path": [paths[n] for n in numbers], "cell": cells})
    write_csv(job.folder / ORIGINS, table)
    return bank


def _show(job, network, add):
    """Gives row, features and cells of all good images to `add`."""
    num_seen = 0
    for row, _, canvas, features in _features(job, network, job.rows, "features"):
        add(row, features, part_of_cells(canvas, features.shape[:2]))
        num_seen += 1
    tell_left_out(job, len(job.rows) - num_seen)


def _features(
    job: Job, network: Network, rows: pd.DataFrame, what: str
) -> Iterator[tuple[Any, np.ndarray, Canvas, np.ndarray]]:
    """Row, image, canvas and features where an image shows a part in the pose."""
    for row in progress(rows.itertuples(), what, len(rows)):
        image = read_image(job.dataset.folder / row.path)
        canvas = look(job.view, image)
        if canvas is not None:
            yield row, image, canvas, network(canvas.pixels)


def _learn_noise(job, network, defective):
    from anomaly.noise_learner import NoiseLearner
    from networks.repeatable import make_reproducible

    make_reproducible(job.seed)
    rows = job.rows
    held = hold_out(rows["label"], rows["group"], seed=job.seed)
    names = set(rows["sample_id"][held])
    learner = NoiseLearner(
        len(rows),
        has_place=job.view.is_posed,
        num_defective=len(defective),
        seed=job.seed,
        tell_history=job.tell_history,
    )

    def add(row, features, is_part):
        learner.add(features, is_part, is_held=row.sample_id in names)

    _show(job, network, add)
    for row, *seen, features in _features(job, network, defective, "known defects"):
        is_part = part_of_cells(seen[1], features.shape[:2])
        is_defect = _defect_cells(job, row, *seen, is_part.shape)
        learner.add_defect(features, is_part, is_defect)
    return learner.learnt()


def _defective_rows(job):
    """The originals of defective parts in train, if they are to be learnt from.

    Raises:
        InputError: If there are none.
    """
    rows = job.dataset.rows("train")
    defective = rows[(rows["label"] != job.dataset.normal_class) & ~is_copy(rows)]
    if not job.arguments.get("known_defects"):
        return defective[:0]
    if defective.empty:
        raise InputError(
            f"{job.dataset.folder} has no defective parts in train. Omit "
            "--known-defects."
        )
    return defective.sort_values("sample_id").reset_index(drop=True)


def _defect_cells(job, row, image, canvas, grid_size):
    """Bool `(rows, columns)`; None where the data set has no mask of the defect."""
    if not row.mask_path:
        return None
    mask = read_truth_mask(job.dataset.folder, row.mask_path, image.shape[:2])
    return cells_of_mask(mask, canvas, grid_size)
