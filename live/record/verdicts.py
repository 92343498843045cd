"""The table of verdicts: one row per frame or file, written at once."""

import csv
import io
import os
from datetime import UTC, datetime
from pathlib import Path

from goodparts.command import InputError, reason
from goodparts.files import escaped

COLUMNS = ("path", "frame", "decision", "reason", "score", "predicted", "time")
NS_PER_S = 1_000_000_000


class Verdicts:
    """Appends to a CSV file; every row is written immediately.

    Errors are not raised into the inspection: a row that cannot be written is counted,
    and `problem` says why; the file never contains a partial row.

    Args:
        path: Created with a header if missing.

    Raises:
        InputError: If the file cannot be written or is another table.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path, self.num_lost = Path(path), 0
        self.problem: str | None = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab+", buffering=0)
        except OSError as error:
            raise InputError(f"--csv {path}: {reason(error)}.") from None
        self._check_header()

    def _check_header(self):
        header = _line(COLUMNS)
        self._file.seek(0)
        found = self._file.readline()
        if not found:
            self._file.write(header)
        elif found != header:
            self._file.close()
            raise InputError(
                f"--csv {self.path} contains a different table. Give another file."
            )
        size = self._file.seek(0, os.SEEK_END)
        self._file.seek(max(0, size - 1))
        if self._file.read(1) not in (b"", b"\n"):  # cut off by a fall of the system
            self._file.write(b"\n")

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
        end = self._file.seek(0, os.SEEK_END)
        try:
            if self._file.write(line) != len(line):
                raise OSError("the disk is full")
        except OSError as error:
            self.problem = reason(error)
            self.num_lost += 1
            self._file.truncate(end)

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
