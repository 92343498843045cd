"""How long a long event log takes: to open, to go on in another file, to verify.

    python3 benchmarks/event_log.py

A minute on two cores; 200 MB on the disk. The log is of one file, as versions before
files were changed wrote it: alarms that ended and were acknowledged, and some, evenly
among them, that nobody acknowledged. `in_one_file` is the log as it is found, `later`
the next start.
"""

import json
import tempfile
import time
from pathlib import Path

from figures import make_parser, sized, write_figures

from goodparts.command import run_command
from live.record.chain import SEAL, chained
from live.record.folder import Folder
from live.record.segments import NAME, verify

MEGABYTES = sized(200, 2)
NOT_ACKNOWLEDGED = 239  # alarms
BUNDLE = "b" * 64
EVENT = {
    "first_frame": 1041,
    "began_frame": 1045,
    "last_frame": 1213,
    "num_frames": 168,
    "max_score": 0.9871,
    "predicted": "scratch_on_the_rim",
    "began": "2026-11-21T12:34:56.789+00:00",
}


def write_log(path, num_bytes):
    """A log of about `num_bytes`; returns its lines and alarms."""
    head, number, event, written = "", 0, 0, 0
    every = num_bytes // 1810 // NOT_ACKNOWLEDGED or 1
    with open(path, "wb") as file:
        while written < num_bytes:
            event += 1
            for kind in ("alarm", "ended", "acknowledged"):
                if kind == "acknowledged" and event % every == 0:
                    continue
                number += 1
                line = _line(number, kind, event)
                head = chained(head, line)
                written += file.write(line + SEAL % head.encode())
    return number, event


def _line(number, kind, event):
    time = EVENT["began"]
    fields = {"number": number, "time": time, "kind": kind, "at": time}
    fields |= {"event": f"20261121T123456-{event:04d}", "event_kind": "alarm", **EVENT}
    fields["ended"] = None if kind == "alarm" else time
    fields["acknowledged"] = time if kind == "acknowledged" else None
    if kind == "alarm":
        fields["thumbnail_sha256"] = "c" * 64
    return json.dumps({**fields, "bundle": BUNDLE}).encode()[:-1]


def measure(folder):
    num_lines, num_alarms = write_log(folder / NAME, MEGABYTES * 1_000_000)
    began = time.perf_counter()
    first = Folder(folder, bundle_sha256=BUNDLE)
    opened = time.perf_counter()
    num_open = len(first.open_events())
    first.log("started")
    rotated = time.perf_counter()
    first.close()
    again = time.perf_counter()
    second = Folder(folder, bundle_sha256=BUNDLE)
    opened_again = time.perf_counter()
    same = len(second.open_events()) == num_open
    second.close()
    verifying = time.perf_counter()
    checked = verify(folder)
    return {
        "megabytes": MEGABYTES,
        "lines": num_lines,
        "alarms": num_alarms,
        "not_acknowledged": num_open,
        "open_in_one_file_s": round(opened - began, 2),
        "begin_another_file_s": round(rotated - opened, 3),
        "open_later_s": round(opened_again - again, 3),
        "all_known_later": same,
        "verify_all_s": round(time.perf_counter() - verifying, 2),
        "files": len(checked.files),
    }


def main():
    arguments = make_parser(__doc__.split("\n")[0]).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_figures("event_log", [measure(Path(folder))], arguments.out)


if __name__ == "__main__":
    run_command(main)
