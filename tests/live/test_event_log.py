"""The event log: the chain, kills, half lines, full disks, two writers."""

import errno
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from goodparts.command import InputError
from live.record.event_log import EventLog
from live.record.segments import verify

ROOT = Path(__file__).parents[2]
BUNDLE = "b" * 64
WRITER = """
import sys
from live.record.event_log import EventLog
log = EventLog(sys.argv[1], bundle_sha256="b" * 64)
while True:
    line = log.append("alarm", score=0.5, text="x" * 3000)
    if not log.problem:
        print(line["number"], line["sha256"], flush=True)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.jsonl"


def write(path, num_lines=4):
    log = EventLog(path, bundle_sha256=BUNDLE)
    lines = [log.append("alarm", event=f"e{n}", score=n / 10) for n in range(num_lines)]
    log.close()
    return lines


def kinds(path):
    return [json.loads(line)["kind"] for line in path.read_text().splitlines()]


class Disk:
    """Stands for os.write and os.fsync of a disk with `room` bytes left."""

    def __init__(self, monkeypatch, room=0):
        self.room, self.write, self.fsync = room, os.write, os.fsync
        self.fsync_fails = False
        monkeypatch.setattr("live.record.event_log.os.write", self.take)
        monkeypatch.setattr("live.record.event_log.os.fsync", self.sync)

    def take(self, file, content):
        part = content[: self.room]
        if not part:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room -= len(part)
        return self.write(file, part)

    def sync(self, file):
        if self.fsync_fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.fsync(file)


# --- the chain


def test_chain_by_hand(path):
    lines = write(path, 3)
    previous = ""
    for line, text in zip(lines, path.read_text().splitlines(), strict=True):
        body, digest = text.split(', "sha256": "')
        previous = hashlib.sha256((previous + body).encode()).hexdigest()
        assert digest == previous + '"}'
        assert json.loads(text) == line
    assert [line["number"] for line in lines] == [1, 2, 3]
    assert lines[0]["bundle"] == BUNDLE
    assert lines[0]["time"].endswith("+00:00")
    checked = verify(path)
    assert (checked.num_lines, checked.head) == (3, previous)


def test_log_goes_on_where_it_stopped(path):
    write(path, 2)
    write(path, 2)
    assert verify(path).num_lines == 4


def test_any_text_survives(path):
    log = EventLog(path, bundle_sha256=BUNDLE)
    fields = {"name": 'Gehäuse\n"außen" \u2028 \udc80', "path": Path("a/b")}
    log.append("alarm", **fields)
    log.close()
    line = json.loads(path.read_bytes().split(b"\n")[0])
    assert line["name"] == fields["name"]
    assert line["path"] == "a/b"
    assert verify(path).num_lines == 1


def test_names_of_the_log_itself_are_refused(path):
    log = EventLog(path, bundle_sha256=BUNDLE)
    with pytest.raises(ValueError, match=r"\['number', 'sha256'\]"):
        log.append("alarm", number=3, sha256="")
    log.append("alarm")
    log.close()
    assert verify(path).num_lines == 1


@pytest.mark.parametrize(
    ("tamper", "line"),
    [
        (lambda rows: [rows[0], rows[1].replace(b"0.1", b"0.2"), *rows[2:]], 2),
        (lambda rows: [*rows[:3], rows[3].replace(b"0.3", b"0.4")], 4),  # the last
        (lambda rows: [rows[0], *rows[2:]], 2),
        (lambda rows: rows[1:], 1),
        (lambda rows: [rows[0], rows[2], rows[1], rows[3]], 2),
        (lambda rows: [*rows[:2], rows[1], *rows[2:]], 3),
        (lambda rows: [*rows[:2], b"\n", *rows[2:]], 3),
        (lambda rows: [*rows, b"{}\n"], 5),
        (lambda rows: [*rows[:2], rows[2][:40], rows[3]], 3),  # half, in the middle
        (lambda rows: [*rows[:2], rows[2][:-1] + b" \n", rows[3]], 3),
        (lambda rows: [row.replace(b"\n", b"\r\n") for row in rows], 1),
    ],
)
def test_tampering_names_the_first_bad_line_and_nothing_is_written(path, tamper, line):
    write(path)
    tampered = b"".join(tamper(path.read_bytes().splitlines(keepends=True)))
    path.write_bytes(tampered)
    with pytest.raises(InputError, match=f"line {line} breaks"):
        verify(path)
    with pytest.raises(InputError, match=f"line {line} breaks"):
        EventLog(path, bundle_sha256=BUNDLE)
    assert path.read_bytes() == tampered
    assert list(path.parent.iterdir()) == [path]


def test_every_single_byte_counts(path):
    write(path, 2)
    whole = path.read_bytes()
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 1
        path.write_bytes(changed)
        try:
            assert verify(path).num_lines < 2
        except InputError:
            pass


def test_cut_off_lines_are_found_with_a_noted_head(path):
    lines = write(path)
    head = lines[2]["sha256"]
    assert verify(path, head).num_lines == 4
    rows = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(rows[:2]))
    assert verify(path).num_lines == 2  # not found without
    with pytest.raises(InputError, match="lines were removed"):
        verify(path, head)


# --- kills and half lines


def test_nothing_acknowledged_is_lost_when_killed(path):
    generator, acknowledged = random.Random(5), {}
    for _ in range(8):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, path],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for _ in range(generator.randint(1, 40)):
            number, digest = writer.stdout.readline().split()
            acknowledged[int(number)] = digest
        writer.send_signal(signal.SIGKILL)
        for line in writer.stdout.read().splitlines(keepends=True):
            if line.endswith("\n"):
                number, digest = line.split()
                acknowledged[int(number)] = digest
        writer.wait()
    EventLog(path, bundle_sha256=BUNDLE).close()
    written = {
        line["number"]: line["sha256"]
        for line in map(json.loads, path.read_text().splitlines())
    }
    assert acknowledged.items() <= written.items()
    assert verify(path).num_lines == len(written)


@pytest.mark.parametrize("cut", [1, 60, -2, -1])
def test_half_line_is_set_aside_and_the_log_goes_on(path, cut):
    write(path, 3)
    rows = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(rows[:2]) + rows[2][:cut])
    assert verify(path).damaged == rows[2][:cut]
    write(path, 1)
    assert kinds(path) == ["alarm", "alarm", "damaged", "alarm"]
    aside = path.with_name("events.jsonl.damaged-1")
    assert json.loads(path.read_text().splitlines()[2])["file"] == aside.name
    assert aside.read_bytes() == rows[2][:cut]
    with open(path, "ab") as file:
        file.write(b'{"number"')
    write(path, 1)
    assert path.with_name("events.jsonl.damaged-2").read_bytes() == b'{"number"'
    assert verify(path).num_lines == 6


def test_last_line_of_lost_blocks_is_a_half_line(path):
    write(path, 2)
    with open(path, "ab") as file:
        file.write(b"\0" * 4096 + b'"}\n')
    write(path, 1)
    assert kinds(path) == ["alarm", "alarm", "damaged", "alarm"]


# --- disks that fail


def test_full_disk_loses_nothing_and_leaves_no_half_line(path, monkeypatch):
    log = EventLog(path, bundle_sha256=BUNDLE)
    log.append("alarm", event="before")
    disk = Disk(monkeypatch, room=100)  # half a line
    lines = [log.append("alarm", event=n) for n in range(3)]
    assert "No space left" in log.problem
    assert log.num_waiting == 3
    assert verify(path).num_lines == 1
    assert verify(path).damaged == b""
    disk.room = 300  # one line and a bit
    assert not log.flush()
    assert (log.num_waiting, verify(path).num_lines) == (2, 2)
    disk.room = 10**6
    lines.append(log.append("ended"))
    assert log.problem is None
    log.close()
    written = [json.loads(line) for line in path.read_text().splitlines()]
    assert written[1:] == lines


def test_line_is_not_taken_for_written_when_fsync_fails(path, monkeypatch):
    log = EventLog(path, bundle_sha256=BUNDLE)
    disk = Disk(monkeypatch, room=10**6)
    disk.fsync_fails = True
    log.append("alarm")
    assert "Input/output error" in log.problem
    assert path.read_bytes() == b""
    disk.fsync_fails = False
    assert log.flush()
    log.close()
    assert verify(path).num_lines == 1


def test_interrupted_write_is_made_good(path, monkeypatch):
    log = EventLog(path, bundle_sha256=BUNDLE)

    def interrupted(file):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("live.record.event_log.os.fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            log.append("alarm")
    log.append("stopped")
    log.close()
    assert kinds(path) == ["alarm", "stopped"]
    assert verify(path).num_lines == 2


def test_waiting_lines_are_bounded_and_lost_ones_are_told(path, monkeypatch):
    log = EventLog(path, bundle_sha256=BUNDLE, most_waiting=3)
    disk = Disk(monkeypatch)
    given = [log.append("alarm", event=n) for n in range(5)]
    assert given[3:] == [None, None]
    assert "(2 events lost)" in log.problem
    disk.room = 10**6
    assert log.flush()
    log.append("alarm", event=5)
    log.close()
    assert kinds(path) == ["alarm"] * 3 + ["lost", "alarm"]
    assert json.loads(path.read_text().splitlines()[3])["events"] == 2
    assert verify(path).num_lines == 5


# --- several writers


def test_two_writers_are_refused(path):
    log = EventLog(path, bundle_sha256=BUNDLE)
    with pytest.raises(InputError, match="written by another process"):
        EventLog(path, bundle_sha256=BUNDLE)
    log.close()
    EventLog(path, bundle_sha256=BUNDLE).close()


def test_threads_share_a_log(path):
    log = EventLog(path, bundle_sha256=BUNDLE)

    def work():
        for _ in range(25):
            log.append("alarm")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    assert verify(path).num_lines == 100


# --- the command


def command(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "goodparts", "verify-log", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    return done.returncode, done.stdout, done.stderr


def test_command_prints_the_head_and_refuses_in_one_line(path):
    head = write(path)[-1]["sha256"]
    status, printed, _ = command(path, "--head", head)
    assert status == 0
    assert "4 lines" in printed
    assert head in printed
    path.write_bytes(path.read_bytes().replace(b"0.2", b"0.3"))
    status, _, complaint = command(path)
    assert status == 2
    assert "line 3 breaks the chain" in complaint
    assert complaint.count("\n") == 1
    assert command(path.with_name("none"))[0] == 2
