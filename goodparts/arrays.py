"""Named arrays on disk: npz files without pickle."""

import zipfile
from os import PathLike

import numpy as np

from goodparts.command import InputError


def read_arrays(file, *names: str) -> dict[str, np.ndarray]:
    """The arrays of an npz file by name.

    Args:
        file: Path, or an open binary file.
        names: Those that must be there; without any, all that are.

    Raises:
        InputError: If the file is missing, cut off, or lacks one of them.
    """
    try:
        with np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in names or stored.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        where = file if isinstance(file, str | PathLike) else "An npz file of the model"
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"{where} cannot be read ({reason}). Put back a copy, or train again."
        ) from error
