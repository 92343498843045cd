"""The hash chain of an event log: each line contains the hash of the previous one.

A line ends with its "sha256": of the sha256 of the line before (none for the first)
followed by the bytes of this line up to `, "sha256"`. A log consists of several files.
Every file except the first begins with a line of the kind "continued", which contains
the name of the previous file and its head, the sha256 of its last line: the chain
continues across files.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from goodparts.command import InputError

SEAL = b', "sha256": "%s"}\n'
SEAL_LENGTH = len(SEAL % (b"0" * 64))
HASH = re.compile(r"[0-9a-f]{64}")


class First(NamedTuple):
    """The first line of a file of the log."""

    number: int
    day: str  # of its time, in UTC: "2026-11-21"
    previous: str | None  # name of the file that it continues
    head: str  # of that file; "" where this is the first one


class CheckedFile(NamedTuple):
    """A file of the log whose chain is intact."""

    first: First | None  # None without lines
    num_lines: int
    head: str  # sha256 of the last line; "" without lines
    num_bytes: int  # of whole lines
    num_bytes_first: int  # of the first line
    damaged: bytes  # what follows them: a half-written line, most often b""

    @property
    def last_number(self) -> int:
        """Number of the last line; lines are numbered over all files."""
        return self.first.number + self.num_lines - 1 if self.first else 0


def chained(head: str, body: bytes) -> str:
    """The sha256 of a line: `head` of the line before, `body` without the seal."""
    return hashlib.sha256(head.encode() + body).hexdigest()


def seal(line: dict[str, Any], head: str) -> tuple[dict[str, Any], bytes]:
    """Chains a line to the one before.

    Args:
        line: Its fields; what is no JSON value is written as text.
        head: The sha256 of the line before; "" for the first.

    Returns:
        The line with its sha256, and the bytes of both.
    """
    text = json.dumps(line, ensure_ascii=False, default=str)
    body = text.encode("utf-8", "backslashreplace")[:-1]
    now = chained(head, body)
    return {**line, "sha256": now}, body + SEAL % now.encode()


def check_file(
    path: str | os.PathLike[str],
    see: Callable[[bytes, str], None] = lambda line, head: None,
) -> CheckedFile:
    """Checks the chain of one file of a log, which may be in use.

    Args:
        path: The file.
        see: Called with the bytes and the sha256 of every complete line.

    Raises:
        InputError: a line was changed.
        OSError: the file cannot be read.
    """
    first, last, num_lines, num_bytes, num_bytes_first = None, "", 0, 0, 0
    damaged = b""
    with open(path, "rb") as file:
        for line in file:
            if first is None:
                first = _first(line)
                last, num_bytes_first = first.head, len(line)
            now = chained(last, line[:-SEAL_LENGTH])
            if line[-SEAL_LENGTH:] != SEAL % now.encode():
                damaged = line + file.read()
                break
            last, num_lines, num_bytes = now, num_lines + 1, num_bytes + len(line)
            see(line, now)
    if damaged and not _is_half_written(damaged):
        raise InputError(
            f"{path}: line {num_lines + 1} breaks the chain: this line, or a line "
            "before it, was changed, removed or moved. Keep the file as evidence by "
            "giving it another name; the next start then begins a new log."
        )
    if not num_lines:
        first, last, num_bytes_first = None, "", 0
    return CheckedFile(first, num_lines, last, num_bytes, num_bytes_first, damaged)


def _first(line):
    """The content of the first line of a file; its seal shows whether it is intact."""
    try:
        fields = json.loads(line)
        number, day = int(fields["number"]), str(fields["time"])[:10]
        if fields["kind"] != "continued":
            return First(number, day, None, "")
        head = HASH.fullmatch(fields["head"])[0]
        return First(number, day, str(fields["file"]), head)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return First(1, "", None, "")


def _is_half_written(rest):
    """True if a kill or a power cut explains the rest of a log.

    This is a last line without its end, or, on some file systems, one whose blocks
    never reached the disk and read as zeros.
    """
    lines = rest.split(b"\n")
    return len(lines) == 1 or (len(lines) == 2 and not lines[1] and b"\0" in rest)
