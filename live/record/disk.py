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


def harm(file: int, path: Path, num_bytes: int) -> str:
    """What another program did to an open file, as text; "" if nothing.

    Args:
        file: The open file.
        path: Where it should be.
        num_bytes: The size that it should have.
    """
    own = os.fstat(file)
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return "moved or deleted"
    if not os.path.samestat(own, there):
        return "replaced"
    return "" if own.st_size == num_bytes else "changed"


def other_name(path: Path) -> Path | None:
    """The name under which a file at `path` can be kept; None if there is none."""
    if not os.path.lexists(path):
        return None
    number = 1
    while os.path.lexists(aside := path.with_name(f"{path.name}.other-{number}")):
        number += 1
    return aside


def check_free(path: Path, own: int) -> None:
    """Raises InputError if another process is writing a file.

    Args:
        path: A file that exists.
        own: The open and locked file of this process, which may be the same.
    """
    if not os.path.samestat(os.fstat(own), os.stat(path)):
        os.close(open_locked(path))


def begin_file(path: Path, content: bytes) -> int:
    """A new, locked file with some content; leaves none behind if it fails."""
    path.unlink(missing_ok=True)
    file = open_locked(path)
    try:
        write_through(file, content)
    except BaseException:
        path.unlink(missing_ok=True)
        os.close(file)
        raise
    return file


def sync_folder(path: Path) -> None:
    """Makes the name of a new file survive a power cut."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
