"""The pictures and clips beside an event log, held against what the log says."""

import json
from pathlib import Path

from goodparts.command import InputError
from goodparts.files import file_hash

SHOWN = 5  # names in a message


class RecordedFiles:
    """Collects from the lines of a log which files there were, with their sha256.

    Give `see` every line; then `check` the folder.
    """

    def __init__(self):
        self._hashes = {}  # "events/<id>.jpg" or "clips/<id>.mp4" -> sha256

    def see(self, line, head):
        """Takes note of a line; `line` is its bytes."""
        if b'"thumbnail_sha256": "' in line or b'"clip_sha256": "' in line:
            line = json.loads(line)
            if "event" in line and line.get("thumbnail_sha256"):
                name = f"events/{line['event']}.jpg"
                self._hashes[name] = line["thumbnail_sha256"]
            elif line["kind"] == "clip":
                self._hashes[line["file"]] = line["clip_sha256"]

    def check(self, folder):
        """What became of the files, as a sentence.

        Those of the oldest events are deleted as new ones come; that is no mistake.

        Raises:
            InputError: If a file is not what the log says.
        """
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
                f"{folder}: {len(changed)} files are not what the log says, they were "
                f"changed: {', '.join(changed[:SHOWN])}{more}. Keep them as evidence."
            )
        text = f"Pictures and clips: {num_same} as recorded, {num_deleted} deleted"
        return f"{text}, {len(there)} that the log does not name."
