"""The table of verdicts: one row per frame or file, written at once."""

import csv
import io
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from goodparts.command import InputError, reason
from goodparts.files import escaped

COLUMNS = ("path", "frame", "decision", "reason", "score", "predicted", "time")
NS_PER_S = 1_000_000_000


class Verdicts:
    """Appends to a CSV file; every row is written immediately.

    Errors are not raised into the inspection: a row that cannot be written is counted,
    and `problem` says why; the file never contains a partial row. If the file is moved
    or deleted meanwhile, the table continues in a new one.

    Args:
        path: Created with a header if missing.
        tell: Called with a sentence if a new file had to be begun.

    Raises:
        InputError: If the file cannot be written or is another table.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        tell: Callable[[str], object] = lambda text: None,
    ):
        self.path, self.num_lost, self._tell = Path(path), 0, tell
        self.problem: str | None = None
        try:
            self._open()
        except OSError as error:
            raise InputError(f"--csv {path}: {reason(error)}.") from None

    def _open(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self.path.open("ab+", buffering=0)
        self._check_header(file)
        self._file = file

    def _check_header(self, file):
        header = _line(COLUMNS)
        file.seek(0)
        found = file.readline()
        if not found:
            file.write(header)
        elif found != header:
            file.close()
            raise InputError(
                f"--csv {self.path} contains a different table. Give another file."
            )
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        if file.read(1) not in (b"", b"\n"):  # cut off by a fall of the system
            file.write(b"\n")

    def add(
        self,
        name: str,
        number: int | None,
        decision: str,
        *,
        why: str = "",
        score: float | None = None,
        predicted: str | None = None,
    ) -> None:
        """Writes the line of a frame.

        Args:
            name: Name of the image file, or of the source; written as `escaped`.
            number: Number of the frame, or None.
            decision: Also "refused" or "unreadable".
            why: The reason.
            score: Defect score, or None.
            predicted: Name of the class, or None.
        """
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = _line((name, number, decision, why, score, predicted, now))
        end = None
        try:
            self._open_again_if_lost()
            end = self._file.seek(0, os.SEEK_END)
            if self._file.write(line) != len(line):
                raise OSError("the disk is full")
        except (OSError, InputError) as error:
            self.problem = reason(error)
            self.num_lost += 1
            if end is not None:
                self._file.truncate(end)

    def _open_again_if_lost(self):
        """Begins a new file if the one that is written is not at its path any more."""
        try:
            if os.path.samestat(os.fstat(self._file.fileno()), os.stat(self.path)):
                return
        except FileNotFoundError:
            pass
        before = self._file
        self._open()
        before.close()
        self._tell(
            f"{self.path} was moved or deleted by another program; the table continues "
            "in a new file"
        )

    def judged_in(self, folder: str | os.PathLike[str]) -> dict[str, int]:
        """When the files of a folder were last inspected, in ns since 1970.

        By name, as `escaped` has it.
        """
        folder = escaped(os.path.abspath(folder))
        found: dict[str, int] = {}
        is_inside: dict[str, bool] = {}  # by folder
        with self.path.open(newline="", encoding="utf-8", errors="replace") as file:
            for line in file:
                path, judged_at = _read(line)
                parent, name = os.path.split(path)
                if parent not in is_inside:
                    is_inside[parent] = escaped(os.path.abspath(parent)) == folder
                if is_inside[parent] and judged_at is not None:
                    found[name] = int(judged_at * NS_PER_S)
        return found

    def close(self) -> None:
        self._file.close()


def _read(line):
    """Path and time of a row; ("", None) for one that is truncated or was edited."""
    try:
        (row,) = csv.reader([line], strict=True)
        path, *_, time = row
        judged_at = datetime.fromisoformat(time)
        is_whole = len(row) == len(COLUMNS) and judged_at.tzinfo is not None
        return (path, judged_at.timestamp()) if is_whole else ("", None)
    except (ValueError, csv.Error, OverflowError):
        return "", None


def _line(values):
    text = io.StringIO()
    values = ["" if value is None else value for value in values]
    csv.writer(text, lineterminator="\n").writerow(values)
    return escaped(text.getvalue()).encode()
