"""Files: written completely or not at all, hashes, and natural order of names."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

PathLike = str | os.PathLike[str]
_NO_TEXT = re.compile("[\ud800-\udfff]")


@contextmanager
def atomic_path(path: PathLike) -> Iterator[Path]:
    """Yields a temporary path next to `path`; renames it to `path` on success."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: PathLike, content: bytes) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: PathLike, text: str) -> None:
    """Writes UTF-8; what is not, see `escaped`, is written escaped."""
    write_bytes(path, escaped(text).encode())


def write_json(path: PathLike, value: Any) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    if _NO_TEXT.search(text):  # a path, which must lead to its file when it is read
        text = json.dumps(value, indent=2)
    write_text(path, text + "\n")


def escaped(name: object) -> str:
    """A name or path as text that can be written anywhere.

    File names are bytes. Those that are not UTF-8 become `%` and two digits, such as
    `part_%FF.png`.

    Example:
        >>> escaped("part_\\udcff.png")
        'part_%FF.png'
    """
    return _NO_TEXT.sub(_escape, str(name))


def _escape(found):
    number = ord(found[0])
    is_byte = 0xDC80 <= number <= 0xDCFF  # as Python reads names, see `os.fsdecode`
    return f"%{number - 0xDC00:02X}" if is_byte else f"%u{number:04X}"


def write_csv(path: PathLike, table: pd.DataFrame) -> None:
    """Writes a pandas table without its index, the same bytes for the same rows."""
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def read_json(path: PathLike) -> Any:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def file_hash(path: PathLike) -> str:
    """sha256 of a file as hexadecimal text."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def natural_key(text: str) -> list[tuple[int, str]]:
    """Sort key by which `frame 9` comes before `frame 10`.

    Example:
        >>> sorted(["frame 10.png", "frame 9.png"], key=natural_key)
        ['frame 9.png', 'frame 10.png']
    """
    parts = re.split(r"(\d+)", text)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def remove_leftovers(folder: Path) -> None:
    """Removes what a killed `replace_folder` or its caller left next to a folder."""
    for name in (f".{folder.name}.old", f".{folder.name}.partial"):
        shutil.rmtree(folder.with_name(name), ignore_errors=True)


def replace_folder(new: PathLike, old: PathLike) -> None:
    """Moves the folder `new` to the place of `old`, which is then deleted.

    A kill between the two renames leaves the old one as `.<name>.old`; the
    command that called this makes `new` again from its source when run again.
    """
    new, old = Path(new), Path(old)
    aside = old.with_name(f".{old.name}.old")
    shutil.rmtree(aside, ignore_errors=True)
    if old.exists():
        os.rename(old, aside)
    os.rename(new, old)
    shutil.rmtree(aside, ignore_errors=True)
