"""An append-only log of events: JSON lines, each chained to the one before by hash.

python3 live/record/event_log.py LOG [--head SHA256]     verifies a log, in seconds

A line ends with its "sha256": of the sha256 of the line before (none for the first)
followed by the bytes of this line up to , "sha256". A line that was changed, added,
removed or moved is found. Two things are not, for no key is secret: a log cut off
after a line, and one written anew from some line on. Both are found where the head,
the sha256 of the last line, was noted elsewhere (on paper, in a mail, by the webhook's
receiver): give it as --head.
"""

if __name__ == "__main__":
    from goodparts.loading import begin_loading

    begin_loading()

import fcntl
import hashlib
import json
import os
import threading
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from goodparts.command import InputError, command_parser, run_command

MOST_WAITING = 10_000  # lines kept in memory while the disk takes none
SEAL = b', "sha256": "%s"}\n'
SEAL_LENGTH = len(SEAL % (b"0" * 64))


class Checked(NamedTuple):
    """A log whose chain is whole."""

    num_lines: int
    head: str  # sha256 of the last line; "" without lines
    num_bytes: int  # of whole lines
    damaged: bytes  # what follows them: a half-written line, most often b""


class EventLog:
    """Writes events to a log that survives a kill, a power cut and a full disk.

    Every line is on the disk before `append` returns. Where the disk does not
    take it, it waits in memory, in order, and is tried again by the next `append`
    or `flush`; until it is written `problem` says why. Threads may share a log.

    Args:
        path: The log; made where missing, continued where its chain is whole. A
            half-written last line is moved to `<name>.damaged-<n>` beside it, and
            the log says so in a line of kind "damaged".
        bundle_sha256: Written into every line: what decided.
        most_waiting: Lines kept in memory; events beyond are lost, and counted in
            `problem` and in a line of kind "lost".

    Raises:
        InputError: another process writes the log, or its chain is broken.
        OSError: it cannot be opened.
    """

    def __init__(self, path, *, bundle_sha256, most_waiting=MOST_WAITING):
        self.path = Path(path)
        self.bundle_sha256 = bundle_sha256
        self.problem = None  # why lines wait, as text
        self.num_lost = 0  # events not yet told of by a line of kind "lost"
        self._half_written = False  # something may stand after num_bytes
        self._waiting = deque()
        self._most_waiting = most_waiting
        self._lock = threading.Lock()
        self._file = _open_locked(self.path)
        try:
            checked = verify(self.path)
            self.num_lines, self.head = checked.num_lines, checked.head
            self._num_bytes = checked.num_bytes
            if checked.damaged:
                aside = _set_aside(self.path, checked.damaged)
                os.ftruncate(self._file, self._num_bytes)
                self.append("damaged", file=aside.name, bytes=len(checked.damaged))
        except BaseException:
            os.close(self._file)
            raise

    @property
    def num_waiting(self):
        return len(self._waiting)

    def append(self, kind, **fields):
        """Writes an event; a disk that fails does not raise.

        Args:
            kind: What happened, such as "alarm".
            fields: What JSON can hold, by names other than number, time, bundle
                and sha256; anything else is written as text.

        Returns:
            The line as a dict: number, time (ISO 8601, UTC, of this call), kind,
            the fields, bundle, sha256. None where the event was lost.
        """
        with self._lock:
            if len(self._waiting) >= self._most_waiting:
                self._write_waiting()
            if len(self._waiting) >= self._most_waiting:
                self.num_lost += 1
                self.problem = f"{self.problem} ({self.num_lost} events lost)"
                return None
            self._tell_lost()
            line = self._add(kind, fields)
            self._write_waiting()
            return line

    def flush(self):
        """Tries to write what waits; True when nothing waits any more."""
        with self._lock:
            self._write_waiting()
            if not self._waiting and self.num_lost:
                self._tell_lost()
                self._write_waiting()
            return not self._waiting

    def close(self):
        """Tries to write what waits, and lets others have the log."""
        if self._file is not None:
            self.flush()
            os.close(self._file)
            self._file = None

    def _tell_lost(self):
        if self.num_lost:
            num_lost, self.num_lost = self.num_lost, 0
            self._add("lost", {"events": num_lost})

    def _add(self, kind, fields):
        """Chains a line to the last one and puts it in the queue."""
        number = self.num_lines + 1
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"number": number, "time": time, "kind": kind}
        if taken := {*line, "bundle", "sha256"} & fields.keys():
            raise ValueError(f"fields of an event must not be named {sorted(taken)}.")
        line |= {**fields, "bundle": self.bundle_sha256}
        text = json.dumps(line, ensure_ascii=False, default=str)
        body = text.encode("utf-8", "backslashreplace")[:-1]
        head = _chained(self.head, body)
        sealed = body + SEAL % head.encode()
        # No call stands between these, so Ctrl-C cannot either.
        self.num_lines, self.head = number, head
        self._waiting.append(sealed)
        return {**line, "sha256": head}

    def _write_waiting(self):
        try:
            while self._waiting:
                self._write_first()
        except OSError as error:
            self.problem = f"{self.path}: {error.strerror or error}"
        else:
            self.problem = None

    def _write_first(self):
        """Brings the first waiting line to the disk, or raises OSError."""
        if self._half_written:
            self._cut_back()
        status = os.fstat(self._file)
        if status.st_size != self._num_bytes or not status.st_nlink:
            raise OSError("deleted or changed by another program; start again")
        rest = self._waiting[0]
        end = self._num_bytes + len(rest)
        self._half_written = True
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
            os.fsync(self._file)
        except OSError:
            self._cut_back()
            raise
        # No call stands between these, so Ctrl-C cannot either.
        self._num_bytes = end
        del self._waiting[0]
        self._half_written = False

    def _cut_back(self):
        os.ftruncate(self._file, self._num_bytes)
        self._half_written = False


def verify(path, head=None):
    """Checks the chain of a log, which may be in use.

    Args:
        path: The log.
        head: A head noted earlier, which must still be in the chain.

    Returns:
        Checked.

    Raises:
        InputError: a line is not what was written, or `head` is not there.
        OSError: the log cannot be read.
    """
    found = not head
    last, num_lines, num_bytes = "", 0, 0
    with open(path, "rb") as file:
        for line in file:
            body, written = line[:-SEAL_LENGTH], line[-SEAL_LENGTH:]
            chained = _chained(last, body)
            if written != SEAL % chained.encode():
                damaged = line + file.read()
                if _is_half_written(damaged):
                    break
                raise InputError(
                    f"{path}: line {num_lines + 1} breaks the chain: it, or what stood "
                    "before it, was changed, removed or moved. Expected the log as it "
                    "was written. Move it to another name, as evidence; the next start "
                    "then begins a new one."
                )
            last, num_lines, num_bytes = chained, num_lines + 1, num_bytes + len(line)
            found = found or last == head
        else:
            damaged = b""
    if not found:
        raise InputError(
            f"{path}: none of its {num_lines} lines has the sha256 {head}: lines "
            "were cut off, or the log was written anew. Look for it in a copy."
        )
    return Checked(num_lines, last, num_bytes, damaged)


def _chained(head, body):
    return hashlib.sha256(head.encode() + body).hexdigest()


def _is_half_written(rest):
    """True where a kill or a power cut explains the rest of a log.

    That is a last line without its end, or, as some file systems leave it, one
    whose blocks never reached the disk and read as zeros.
    """
    lines = rest.split(b"\n")
    return len(lines) == 1 or (len(lines) == 2 and not lines[1] and b"\0" in rest)


def _open_locked(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise InputError(
            f"{path} is being written by another process. Stop that, or give this "
            "one another log."
        ) from None
    _sync_folder(path)
    return file


def _set_aside(path, damaged):
    """Writes the damaged end of a log beside it; returns where."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    with open(aside, "xb") as file:
        file.write(damaged)
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(aside)
    return aside


def _sync_folder(path):
    """Makes the name of a new file last through a power cut."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def main():
    parser = command_parser(__doc__)
    parser.add_argument("log", help="the event log, JSON lines")
    parser.add_argument("--head", help="a head noted earlier; must be in the log")
    arguments = parser.parse_args()
    checked = verify(arguments.log, arguments.head)
    print(f"{arguments.log}: {checked.num_lines} lines, the chain is whole.")
    if checked.damaged:
        print(f"A half-written line follows, of {len(checked.damaged)} bytes.")
    if checked.head:
        print(f"Head: {checked.head}. Note it elsewhere; give it as --head later.")


if __name__ == "__main__":
    run_command(main)
