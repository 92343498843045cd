"""All files below a folder, including those behind links to folders."""

import os
import stat
from collections.abc import Iterator

from goodparts.files import PathLike

_SYSTEM = ("thumbs.db", "desktop.ini")


def walk(folder: PathLike) -> Iterator[str]:
    """Yields the files below a folder as POSIX paths relative to it.

    Links to folders are followed, except to parent folders. Hidden files, system files
    and special files, see `special_files`, are left out.
    """
    return (name for name, is_special in _walk(folder) if not is_special)


def special_files(folder: PathLike) -> list[str]:
    """The pipes, sockets and devices below a folder, which are never opened."""
    return sorted(name for name, is_special in _walk(folder) if is_special)


def is_special(path: PathLike) -> bool:
    """Whether a path is a pipe, a socket or a device: reading it might never end."""
    try:
        mode = os.stat(path).st_mode
    except OSError:  # such as a broken link, which is told when it is read
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX" or name.lower() in _SYSTEM


def _walk(folder, prefix="", parents=()):
    here = os.path.realpath(folder)
    if here in parents:  # a symbolic link to a folder above
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_hidden(entry.name):
                continue
            if entry.is_dir():
                yield from _walk(entry.path, f"{prefix}{entry.name}/", (*parents, here))
            else:
                yield prefix + entry.name, is_special(entry.path)
