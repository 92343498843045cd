"""Verifies the event log of a live inspection.

    goodparts verify-log LOG [--head SHA256]

LOG is the folder of a live inspection, or its log.jsonl: the chain is followed back
over all files of the log, and the pictures and clips next to it are checked against it.
Changed, added, removed or moved entries are found. Two kinds of tampering cannot be
found, because there is no secret key: a log that was truncated after a line, and one
that was rewritten from some line on. Both are found if the head, the sha256 of the last
line, was noted in another place (on paper, in an e-mail, by the receiver of the
webhook): give it with --head.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from goodparts.command import InputError
from goodparts.loading import loading


def add_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("log", type=Path, help="folder of the log, or the log.jsonl in it")
    add("--head", help="head that was noted earlier; the log must contain it")


def run(arguments: Namespace) -> None:
    with loading():
        from live.record.chain import HASH
        from live.record.recorded_files import RecordedFiles
        from live.record.segments import verify
    head = arguments.head
    if head is not None and not HASH.fullmatch(head := head.strip().lower()):
        raise InputError(
            "--head must be 64 hexadecimal digits, as printed by verify-log. "
            f"Received: {arguments.head!r}. Omit it if none was noted."
        )
    recorded = RecordedFiles()
    checked = verify(arguments.log, head, recorded.see)
    num_files = len(checked.files)
    files = "1 file" if num_files == 1 else f"{num_files} files"
    print(
        f"{arguments.log}: {checked.num_lines} lines in {files}, the chain is intact."
    )
    for name in checked.missing:
        print(f"MISSING: {name}, which precedes this log; its lines were not checked.")
    if checked.damaged:
        print(f"An incomplete line of {len(checked.damaged)} bytes follows.")
    if checked.head:
        print(
            f"Head: {checked.head}. Keep a copy of it in another place and pass it "
            "with --head later."
        )
    print(recorded.check(checked.files[-1].parent), flush=True)
    if checked.untied:
        names = ", ".join(path.name for path in checked.untied)
        raise InputError(
            f"{names}: intact, but a later file is missing, so nothing links them to "
            "the log and they may have been rewritten. Restore the missing file."
        )
