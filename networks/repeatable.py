"""Trainings that can be repeated and resumed: seeds, and checkpoints in npz files."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from goodparts.command import InputError, reason
from goodparts.files import atomic_path
from networks.quiet_keras import keras


class State(NamedTuple):
    """What a training needs to go on after an epoch.

    Attributes:
        history: A row for each epoch so far.
        weights: Of the model.
        best: Those of the best epoch so far.
        slots: Variables of the optimizer.
    """

    history: list[dict[str, Any]]
    weights: list[np.ndarray]
    best: list[np.ndarray]
    slots: list[np.ndarray]


def make_reproducible(seed: int) -> None:
    """Seeds all random generators and selects deterministic kernels."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()


def write_state(
    path: Path,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    *,
    best: Sequence[np.ndarray],
    history: list[dict[str, Any]],
) -> None:
    """Writes a checkpoint; the file is replaced as a whole."""
    arrays = {f"weights/{i}": value for i, value in enumerate(model.get_weights())}
    arrays |= {f"best/{i}": value for i, value in enumerate(best)}
    slots = [keras.ops.convert_to_numpy(value) for value in optimizer.variables]
    arrays |= {f"optimizer/{i}": value for i, value in enumerate(slots)}
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, history=np.array(json.dumps(history)), **arrays)


def read_state(path: Path) -> State:
    """Reads a checkpoint.

    Raises:
        InputError: If it is damaged.
    """
    try:
        with np.load(path) as stored:
            history = json.loads(str(stored["history"]))
            kinds = ("weights", "best", "optimizer")
            return State(history, *(_numbered(stored, kind) for kind in kinds))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"The checkpoint {path} is damaged ({reason(error)}). Delete it; this "
            "stage is then trained again."
        ) from error


def restore_optimizer(
    optimizer: keras.optimizers.Optimizer, slots: Sequence[np.ndarray]
) -> None:
    """Puts the variables of a `State` into an optimizer that is built."""
    for variable, value in zip(optimizer.variables, slots, strict=True):
        variable.assign(value)


def _numbered(stored, kind):
    count = sum(name.startswith(f"{kind}/") for name in stored.files)
    return [stored[f"{kind}/{number}"] for number in range(count)]
