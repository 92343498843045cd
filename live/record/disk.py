"""Files that are written by one process and survive a power cut."""

import fcntl
import os
from pathlib import Path

from goodparts.command import InputError


def write_through(file: int, content: bytes) -> None:
    """Writes bytes through to the disk; returns when they are there."""
    while content:
        content = content[os.write(file, content) :]
    os.fsync(file)


def open_locked(path: Path) -> int:
    """Opens a file for appending with an exclusive lock; creates it if missing.

    Raises:
        InputError: If another process is writing it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise InputError(
            f"{path} is being written by another process. Stop that process, or use "
            "another log here."
        ) from None
    sync_folder(path)
    return file


def set_aside(path: Path, damaged: bytes) -> Path:
    """Writes the damaged end of a log to a file next to it; returns its path."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    with open(aside, "xb") as file:
        file.write(damaged)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(aside)
    return aside


def sync_folder(path: Path) -> None:
    """Makes the name of a new file survive a power cut."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
