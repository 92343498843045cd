"""The pictures and clips next to an event log, checked against the log."""

import json
import os
from pathlib import Path

from goodparts.command import InputError
from goodparts.files import file_hash

SHOWN = 5  # names in a message


class RecordedFiles:
    """Collects the recorded files and their sha256 from the lines of a log.

    Give `see` every line; then `check` the folder.
    """

    def __init__(self):
        self._hashes = {}  # "events/<id>.jpg" or "clips/<id>.mp4" -> sha256
        self._twice = []  # files that two lines name with different content

    def see(self, line: bytes, head: str) -> None:
        """Registers a line; `line` is its bytes."""
        if b'"thumbnail_sha256": "' in line or b'"clip_sha256": "' in line:
            fields = json.loads(line)
            if "event" in fields and fields.get("thumbnail_sha256"):
                self._add(f"events/{fields['event']}.jpg", fields["thumbnail_sha256"])
            elif fields["kind"] == "clip":
                self._add(fields["file"], fields["clip_sha256"])

    def _add(self, name, sha256):
        if self._hashes.setdefault(name, sha256) != sha256:
            self._twice.append(name)

    def check(self, folder: str | os.PathLike[str]) -> str:
        """Checks the files and returns the result as a sentence.

        Files of the oldest events are deleted to make room, which is not an error.

        Raises:
            InputError: If a file differs from the log, or two lines of the log
                contradict each other.
        """
        if self._twice:
            raise InputError(
                f"{folder}: two lines of the log record {self._twice[0]} with "
                "different content: the later line was added to hide a change. Keep "
                "the log and the file as evidence."
            )
        there = {
            f"{kind}/{path.name}": path
            for kind, ending in (("events", "jpg"), ("clips", "mp4"))
            for path in Path(folder, kind).glob(f"[!.]*.{ending}")
        }
        num_same, num_deleted, changed = 0, 0, []
        for name, expected in self._hashes.items():
            try:
                found = file_hash(there.pop(name)) if name in there else None
            except FileNotFoundError:
                found = None
            num_same += found == expected
            num_deleted += found is None
            if found not in (expected, None):
                changed.append(name)
        if changed:
            more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
            raise InputError(
                f"{folder}: {len(changed)} files differ from what the log records, so "
                f"they were changed: {', '.join(changed[:SHOWN])}{more}. Keep them as "
                "evidence."
            )
        text = f"Pictures and clips: {num_same} as recorded, {num_deleted} deleted"
        return f"{text}, {len(there)} not recorded in the log."
