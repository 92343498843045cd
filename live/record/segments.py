"""The files of an event log: the current one and its predecessors."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from goodparts.command import InputError
from live.record.chain import check_file

NAME = "log.jsonl"
SEGMENT = re.compile(r"(.+)-([0-9]+)-[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Checked(NamedTuple):
    """A log whose chain is intact over all existing files."""

    num_lines: int
    head: str  # sha256 of the last line; "" without lines
    damaged: bytes  # what follows it: a half-written line, most often b""
    files: list[Path]  # the oldest first
    missing: list[str]  # names of files that others continue and that are not there
    untied: list[Path]  # before one that is missing: whole, but tied to nothing


def segment_path(path: Path, number: int, day: str) -> Path:
    """The path to which the file `path` is renamed when it is complete.

    Example:
        >>> segment_path(Path("live/log.jsonl"), 17, "2026-11-21").name
        'log-17-2026-11-21.jsonl'
    """
    return path.with_name(f"{path.stem}-{number}-{day}{path.suffix}")


def segments(path: Path) -> dict[int, Path]:
    """The complete files of the log at `path`: number of the first line -> path.

    Raises:
        InputError: If two have the same number.
    """
    found: dict[int, Path] = {}
    for other in path.parent.glob(f"*{path.suffix}"):
        match = SEGMENT.fullmatch(other.stem)
        if match and match[1] == path.stem:
            number = int(match[2])
            if number in found:
                raise InputError(
                    f"{found[number].name} and {other.name} in {path.parent} begin "
                    "with the same line number, so one of them does not belong to "
                    "this log. Move that file to another folder and keep it as "
                    "evidence."
                )
            found[number] = other
    return dict(sorted(found.items()))


def verify(
    path: str | os.PathLike[str],
    head: str | None = None,
    see: Callable[[bytes, str], None] = lambda line, head: None,
) -> Checked:
    """Checks the chain of a log, which may be in use, over all of its files.

    Args:
        path: The folder of a log.jsonl, a log, or a complete file of one: then this
            file and its predecessors are checked.
        head: A head that was noted earlier, which must be in the chain.
        see: Called with the bytes and the sha256 of every line, the oldest first.

    Raises:
        InputError: a line was changed, a file does not match its successor, or `head`
            is missing.
        OSError: a file cannot be read.
    """
    files = _files(Path(path))
    num_lines, missing, before, found = 0, [], None, head is None
    seen, untied = [], []

    def look(line, now):
        nonlocal found
        found = found or now == head
        see(line, now)

    for file in files:
        checked = check_file(file, look)
        if checked.damaged and file != files[-1]:
            raise InputError(
                f"{file}: line {checked.last_number + 1} is incomplete, but the log "
                "continues in another file, so this file was truncated. Restore it "
                "from a copy."
            )
        if checked.first is None:
            continue
        num_lines += checked.num_lines
        found = found or bool(checked.first.previous and checked.first.head == head)
        previous = checked.first.previous
        if not _follows(file, checked, before) and previous is not None:
            missing.append(previous)
            untied = list(seen)
        seen.append(file)
        before = file, checked
    if missing and _files(Path(path)) != files:  # continued while it was read
        return verify(path, head, see)
    if not found:
        where = (
            f", or the line is in {' or '.join(missing)}, which is missing"
            if missing
            else ""
        )
        raise InputError(
            f"{path}: none of its {num_lines} lines has the sha256 {head}: lines were "
            f"removed, or the log was rewritten{where}. Restore it from a copy."
        )
    last_head = before[1].head if before else ""
    return Checked(num_lines, last_head, checked.damaged, files, missing, untied)


def _files(path):
    """The files of the log up to `path`, the oldest first; at least one."""
    path = path / NAME if path.is_dir() else path
    match = SEGMENT.fullmatch(path.stem)
    if match and path.exists():
        complete = list(segments(path.with_stem(match[1])).values())
        return complete[: complete.index(path) + 1]
    complete = list(segments(path).values()) if path.parent.is_dir() else []
    if complete and not path.exists():  # killed between two renames
        return complete
    return [*complete, path]


def _follows(file, checked, before):
    """Whether the predecessor of a file exists; `before` is its (path, CheckedFile)."""
    first = checked.first
    if first.previous is None and before is None:
        return True
    if first.previous is None:
        raise InputError(
            f"{file} begins a new log, but {before[0].name} is in the same folder and "
            "is not continued by it. Move one of them to another folder."
        )
    if before is None or before[0].name != first.previous:
        return False
    if (before[1].head, before[1].last_number) != (first.head, first.number - 1):
        raise InputError(
            f"{before[0]}: its last line is not the one that {file.name} continues: "
            "lines were removed or rewritten. Restore it from a copy."
        )
    return True
