"""An append-only log of events: JSON lines, each chained to the one before by hash.

`segments.verify` finds lines that were changed, added, removed or moved. It cannot find
two kinds of tampering, because there is no secret key: a log that was truncated after a
line, and one that was rewritten from some line on. Both are found if the head, the
sha256 of the last line, was noted in another place.
"""

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

from goodparts.command import InputError
from goodparts.files import PathLike
from live.record.chain import check_file, seal
from live.record.disk import (
    begin_file,
    check_free,
    harm,
    open_locked,
    other_name,
    set_aside,
    sync_folder,
    write_through,
)
from live.record.segments import segment_path, segments

MOST_WAITING = 10_000  # lines kept in memory while the disk takes none
MOST_BYTES = 16_000_000  # of a file; then the log goes on in another
TRIED_AGAIN_S = 60.0  # after a file could not be begun


class EventLog:
    """Writes events to a log that survives a kill, a power cut and a full disk.

    Every line is on the disk before `append` returns. If it cannot be written, it waits
    in memory, in order, and is tried again by the next `append` or `flush`; until then
    `problem` contains the reason. Threads may share a log.

    A file that holds more than `most_bytes`, or was begun on another day (UTC), is
    renamed to `<name>-<number of its first line>-<day>.jsonl`, and the log continues in
    a new file. This begins with a line of the kind "continued": the name and the head
    of the previous file, and the fields of `carry`, so that it can be read by itself.

    If another program moves, deletes, replaces or changes the file, the log continues
    in a new one too, whose first line says so; `loss` tells the user. A file that was
    put in its place is kept as `<name>.other-<n>`. The moved file is verified again
    with the rest if it is given the name that is in that line.

    Args:
        path: The log; created if missing, continued if the chain of this file is
            intact. An incomplete last line is moved to `<name>.damaged-<n>` next to it,
            which is logged in a line of the kind "damaged".
        bundle_sha256: Hash of the bundle that decides; written into every line.
        carry: Returns the fields of "continued" other than `file` and `head`.
        see: Called with the bytes of every line that exists at the start.
        most_bytes: Maximum size of a file in bytes, not counting its first line.
        most_waiting: Maximum number of lines in memory; further events are lost, and
            counted in `problem` and in a line of the kind "lost".

    Raises:
        InputError: another process is writing the log, or its chain is broken.
        OSError: it cannot be opened.
    """

    def __init__(
        self,
        path: PathLike,
        *,
        bundle_sha256: str,
        carry: Callable[[], dict[str, Any]] = dict,
        see: Callable[[bytes], object] = lambda line: None,
        most_bytes: int = MOST_BYTES,
        most_waiting: int = MOST_WAITING,
    ):
        self.path = Path(path)
        self.bundle_sha256 = bundle_sha256
        self.problem: str | None = None  # why lines wait, as text
        self.warning: str | None = None  # why no other file can be begun
        self.loss: str | None = None  # what another program did to the file
        self.num_lost = 0  # events not yet told of by a line of kind "lost"
        self._carry, self._most_bytes = carry, most_bytes
        self._half_written = False  # something may stand after num_bytes
        # each as a dict without its hash, and as bytes
        self._waiting: deque[tuple[dict[str, Any], bytes]] = deque()
        self._most_waiting = most_waiting
        self._tried_at = float("-inf")  # to begin another file, by monotonic()
        self._lock = threading.Lock()
        self._file: int | None = open_locked(self.path)
        try:
            self._take_up(lambda line, head: see(line))
        except BaseException:
            os.close(self._file)
            raise

    def _take_up(self, see):
        """Reads the existing log; if the newest file is missing, the previous one."""
        self._next_path.unlink(missing_ok=True)
        checked = check_file(self.path, see)
        self._note_file(checked.first, checked.num_bytes, checked.num_bytes_first)
        self._written = checked.last_number, checked.head
        self.num_lines, self.head = self._written
        if checked.damaged:
            aside = set_aside(self.path, checked.damaged)
            os.ftruncate(self._file, self._num_bytes)
        complete = [] if checked.first else list(segments(self.path).values())
        if complete:
            before = check_file(complete[-1], see)
            self._written = before.last_number, before.head
            self.num_lines, self.head = self._written
            about = {"file": complete[-1].name, "head": before.head}
            self.append("continued", **about, **self._carry())
        if checked.damaged:
            self.append("damaged", file=aside.name, bytes=len(checked.damaged))

    def _note_file(self, first, num_bytes, num_bytes_first):
        self._begun = first and (first.number, first.day)
        self._num_bytes, self._num_bytes_first = num_bytes, num_bytes_first

    @property
    def num_waiting(self) -> int:
        return len(self._waiting)

    def append(self, kind: str, **fields: Any) -> dict[str, Any] | None:
        """Writes an event; a failing disk does not raise.

        Args:
            kind: What happened, such as "alarm".
            fields: JSON values, by names other than number, time, bundle and sha256;
                other values are written as text.

        Returns:
            The line as a dict: number, time (ISO 8601, UTC, of this call), kind, the
            fields, bundle, sha256. None if the event was lost, or the log is closed.
        """
        with self._lock:
            if self._file is None:
                return None
            self._write_waiting()
            if len(self._waiting) >= self._most_waiting:
                self.num_lost += 1
                self.problem = f"{self.problem} ({self.num_lost} events lost)"
                return None
            self._go_on_in_another()
            self._tell_lost()
            line = self._add(kind, fields)
            self._write_waiting()
            return line

    def flush(self) -> bool:
        """Tries to write waiting lines; True if none is left.

        Notices what other programs did to the file.
        """
        with self._lock:
            if self._file is None:
                return not self._waiting
            self._write_waiting()
            if not self._waiting and self.num_lost:
                self._tell_lost()
                self._write_waiting()
            return not self._waiting

    def close(self) -> None:
        """Tries to write waiting lines, and releases the log."""
        if self._file is not None:
            self.flush()
            with self._lock:
                os.close(self._file)
                self._file = None

    def _tell_lost(self):
        if self.num_lost:
            num_lost, self.num_lost = self.num_lost, 0
            self._add("lost", {"events": num_lost})

    def _sealed(self, kind, fields, after=None):
        """The next line: as a dict, and as bytes chained to the last one.

        `after` is (number, sha256) of another line that it follows.
        """
        number, head = after or (self.num_lines, self.head)
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"number": number + 1, "time": time, "kind": kind}
        if taken := {*line, "bundle", "sha256"} & fields.keys():
            raise ValueError(f"fields of an event must not be named {sorted(taken)}.")
        return seal({**line, **fields, "bundle": self.bundle_sha256}, head)

    def _add(self, kind, fields):
        """Chains a line to the last one and puts it in the queue."""
        return self._queue(*self._sealed(kind, fields))

    def _queue(self, line, sealed):
        begun = self._begun or (line["number"], line["time"][:10])
        first = self._num_bytes_first or len(sealed)
        # No call stands between these, so Ctrl-C cannot either.
        self.num_lines, self.head = line["number"], line["sha256"]
        self._begun, self._num_bytes_first = begun, first
        self._waiting.append((line, sealed))
        return line

    def _write_waiting(self):
        """Writes the waiting lines, into another file if this one was harmed."""
        try:
            if self._half_written:
                self._cut_back()
            if harmed := harm(self._file, self.path, self._num_bytes):
                self._go_on_after_loss(harmed)
            while self._waiting:
                self._write_first()
        except (OSError, InputError) as error:
            self.problem = f"{self.path}: {getattr(error, 'strerror', None) or error}"
        else:
            self.problem = None

    def _write_first(self):
        """Writes the first waiting line to the disk, or raises OSError."""
        line, sealed = self._waiting[0]
        end = self._num_bytes + len(sealed)
        self._half_written = True
        try:
            write_through(self._file, sealed)
        except OSError:
            self._cut_back()
            raise
        written = line["number"], line["sha256"]
        # No call stands between these, so Ctrl-C cannot either.
        self._num_bytes, self._written = end, written
        del self._waiting[0]
        self._half_written = False

    def _cut_back(self):
        os.ftruncate(self._file, self._num_bytes)
        self._half_written = False

    # How the log goes on in another file.

    @property
    def _next_path(self):
        return self.path.with_name(f".{self.path.name}.next")

    def _go_on_in_another(self):
        """Starts a new file if it is time; a failure does not raise."""
        if self._waiting or self._half_written or self._begun is None:
            return
        is_full = self._num_bytes - self._num_bytes_first > self._most_bytes
        is_old = self._begun[1] != datetime.now(UTC).strftime("%Y-%m-%d")
        if not (is_full or is_old) or monotonic() < self._tried_at + TRIED_AGAIN_S:
            return
        try:
            self._begin_another(segment_path(self.path, *self._begun))
            self.warning = None
        except (OSError, InputError) as error:
            self._tried_at = monotonic()
            reason = getattr(error, "strerror", None) or error
            self.warning = (
                f"a new file cannot be started, so {self.path} keeps growing: {reason}"
            )

    def _begin_another(self, aside):
        """Renames the file to `aside` and continues in a new one; raises OSError."""
        if not os.path.samestat(os.fstat(self._file), os.stat(self.path)):
            raise OSError("it was deleted or replaced by another program")
        if aside.exists():
            raise OSError(f"{aside.name} already exists")
        about = {"file": aside.name, "head": self.head, **self._carry()}
        line, sealed = self._sealed("continued", about)
        file, is_aside = begin_file(self._next_path, sealed), False
        try:
            os.rename(self.path, aside)
            is_aside = True
            os.rename(self._next_path, self.path)
        except BaseException:
            if is_aside:
                os.rename(aside, self.path)
            self._drop_next(file)
            raise
        self._take_next(file, line, len(sealed))

    def _go_on_after_loss(self, harmed):
        """Continues in a new file where the current one is not as it was written.

        Lines that wait are numbered and chained anew, after the line that says so.

        Raises:
            OSError, InputError: If there can be no new file; nothing has changed then.
        """
        aside = other_name(self.path)
        if aside:
            check_free(self.path, self._file)
        line, sealed = None, b""
        if self._num_bytes:
            line, sealed = self._sealed_after_loss(harmed, aside)
        file = begin_file(self._next_path, sealed)
        try:
            if aside:
                os.rename(self.path, aside)
            os.rename(self._next_path, self.path)
        except BaseException:
            self._drop_next(file)
            raise
        if line:
            waiting, self._waiting = self._waiting, deque()
            self._take_next(file, line, len(sealed))
            for each, _ in waiting:
                again = {key: each[key] for key in each if key != "sha256"}
                again["number"] = self.num_lines + 1
                self._queue(*seal(again, self.head))
        else:  # nothing was lost
            os.close(self._file)
            self._file = file
        self.loss = (
            f"{self.path} was {harmed} by another program at "
            f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC; the log continues in a new "
            "file"
        )
        self.loss += f"; the one that was there is now {aside.name}" if aside else ""

    def _sealed_after_loss(self, harmed, aside):
        """The first line of the file that follows a lost one."""
        about = {
            "file": segment_path(self.path, *self._begun).name,
            "head": self._written[1],
            "reason": f"the previous file was {harmed} by another program",
            "kept_as": aside and aside.name,
            **self._carry(),
        }
        return self._sealed("continued", about, after=self._written)

    def _drop_next(self, file):
        self._next_path.unlink(missing_ok=True)
        os.close(file)

    def _take_next(self, file, line, num_bytes):
        """Makes the next file, which has one line, the current one."""
        self._written = line["number"], line["sha256"]
        file, self._file = self._file, file
        self.num_lines, self.head = self._written
        self._begun = line["number"], line["time"][:10]
        self._num_bytes = self._num_bytes_first = num_bytes
        os.close(file)
        with contextlib.suppress(OSError):
            sync_folder(self.path)
