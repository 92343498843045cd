"""A log in several files: when another is begun, what it carries, what is verified."""

import errno
import json
import os
import threading
from datetime import UTC, datetime, timedelta

import pytest

from goodparts.command import InputError
from live.record import event_log
from live.record.disk import write_through
from live.record.event_log import EventLog
from live.record.segments import segments, verify

BUNDLE = "b" * 64


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.jsonl"


@pytest.fixture
def clock(monkeypatch):
    """The time of the log; `clock.time` can be moved."""

    class Clock:
        time = datetime(2026, 11, 21, 23, 59, tzinfo=UTC)

        def now(self, zone):
            return self.time.astimezone(zone)

    clock = Clock()
    monkeypatch.setattr(event_log, "datetime", clock)
    return clock


def write(path, num_lines, *, most_bytes=500, **options):
    """Lines of some 200 bytes: a file takes a "continued" and three or four more."""
    log = EventLog(path, bundle_sha256=BUNDLE, most_bytes=most_bytes, **options)
    lines = [log.append("note", text=f"n{n}") for n in range(num_lines)]
    log.close()
    return lines


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def files_of(path):
    return [*segments(path).values(), path]


def test_a_full_file_is_continued_in_another(path):
    written = write(path, 20, carry=lambda: {"num_events": 7})
    files = files_of(path)
    assert len(files) > 3
    lines = [line for file in files for line in lines_of(file)]
    assert [line["number"] for line in lines] == list(range(1, len(lines) + 1))
    assert [line for line in lines if line["kind"] == "note"] == written
    for before, file in zip(files, files[1:], strict=False):
        first, *rest = lines_of(file)
        assert first["kind"] == "continued" and first["num_events"] == 7
        assert first["file"] == before.name
        assert first["head"] == lines_of(before)[-1]["sha256"]
        assert "continued" not in [line["kind"] for line in rest]
        assert before.name.startswith(f"log-{lines_of(before)[0]['number']}-20")
    checked = verify(path)
    assert (checked.num_lines, checked.files) == (len(lines), files)
    assert checked.head == lines[-1]["sha256"] and checked.missing == []
    assert verify(path.parent) == checked
    assert {file.name for file in path.parent.iterdir()} == {x.name for x in files}


def test_a_new_day_begins_a_file(path, clock):
    log = EventLog(path, bundle_sha256=BUNDLE)
    log.append("before")
    clock.time += timedelta(minutes=2)
    log.append("after")
    log.append("after")
    log.close()
    (old,) = segments(path).values()
    assert old.name == "log-1-2026-11-21.jsonl"
    assert [line["kind"] for line in lines_of(old)] == ["before"]
    kinds = [line["kind"] for line in lines_of(path)]
    assert kinds == ["continued", "after", "after"]
    assert lines_of(path)[0]["time"].startswith("2026-11-22")


def test_a_log_of_yesterday_is_continued_at_the_start(path, clock):
    write(path, 2, most_bytes=10**6)
    clock.time += timedelta(days=1)
    write(path, 2, most_bytes=10**6)
    assert verify(path).num_lines == 5
    assert [x.name for x in files_of(path)] == ["log-1-2026-11-21.jsonl", "log.jsonl"]


def test_only_the_newest_file_is_read_at_the_start(path):
    write(path, 20)
    for old in segments(path).values():
        old.write_bytes(b"no log at all\n")
    seen = []
    log = EventLog(path, bundle_sha256=BUNDLE, see=seen.append)
    assert seen == path.read_bytes().splitlines(keepends=True)
    before = log.num_lines
    assert before == json.loads(seen[-1])["number"]
    log.append("note")
    log.close()
    assert lines_of(path)[-1]["number"] == before + 1
    with pytest.raises(InputError, match="log-1-.*line 1 breaks the chain"):
        verify(path)


def test_a_noted_head_is_found_in_every_file_and_where_one_is_missing(path):
    write(path, 20)
    files = files_of(path)
    heads = [lines_of(file)[0]["sha256"] for file in files]
    last_of_first = lines_of(files[0])[-1]["sha256"]
    for head in heads:
        assert verify(path, head).num_lines == verify(path).num_lines
    files[0].unlink()
    checked = verify(path)
    assert checked.missing == [files[0].name] and checked.files == files[1:]
    assert verify(path, last_of_first).missing == [files[0].name]  # "continued" has it
    with pytest.raises(InputError, match=f"or the line is in {files[0].name}"):
        verify(path, heads[0])
    with pytest.raises(InputError, match="none of"):
        verify(path, "")


def test_a_missing_file_in_the_middle_hides_no_fault_before_it(path):
    write(path, 20)
    first, second, *_ = files_of(path)
    second.unlink()
    checked = verify(path)
    assert checked.missing == [second.name] and checked.untied == [first]
    first.write_bytes(first.read_bytes().replace(b'"n1"', b'"n9"'))
    with pytest.raises(InputError, match=f"{first.name}: line 2 breaks"):
        verify(path)


def test_a_missing_oldest_file_unties_nothing(path):
    write(path, 20)
    files_of(path)[0].unlink()
    assert verify(path).untied == []


def test_two_files_of_one_number_are_an_error(path):
    write(path, 20)
    first = files_of(path)[0]
    forged = first.with_name(first.name[:-16] + "2031-01-01.jsonl")
    forged.write_bytes(first.read_bytes())
    with pytest.raises(InputError, match="begin with the same line"):
        verify(path)


def test_lines_cut_off_an_earlier_file_are_found(path):
    write(path, 20)
    first = files_of(path)[0]
    rows = first.read_bytes().splitlines(keepends=True)
    first.write_bytes(b"".join(rows[:-1]))
    with pytest.raises(InputError, match="not the one that .* continues"):
        verify(path)
    first.write_bytes(b"".join(rows)[:-10])
    with pytest.raises(InputError, match="is incomplete, but the log continues"):
        verify(path)


def test_a_changed_first_line_is_found(path):
    write(path, 20)
    content = path.read_bytes()
    name = files_of(path)[-2].name.encode()
    for old, new in (
        (name, b"log-1-2020-01-01.jsonl"),
        (b'"continued"', b'"cantinued"'),
    ):
        path.write_bytes(content.replace(old, new, 1))
        with pytest.raises(InputError, match="line 1 breaks the chain"):
            verify(path)


def test_a_log_of_its_own_beside_others_is_said(path, tmp_path):
    write(path, 20)
    path.unlink()
    (tmp_path / "other").mkdir()
    write(tmp_path / "other" / "log.jsonl", 2)
    os.rename(tmp_path / "other" / "log.jsonl", path)
    with pytest.raises(InputError, match="begins a new log"):
        verify(path)


def test_a_complete_file_is_verified_with_what_it_continues(path):
    write(path, 20)
    files = files_of(path)
    assert verify(files[1]).files == files[:2]


@pytest.mark.parametrize("leftover", [b"", b'{"number": 9'])
def test_a_kill_between_two_renames_loses_nothing(path, leftover):
    write(path, 20)
    path.unlink()  # as it is when the old one was renamed and the new one was not
    *_, newest = segments(path).values()
    path.with_name(".log.jsonl.next").write_bytes(b"half")
    expected = verify(path.parent)
    assert expected.files[-1] == newest
    if leftover:
        path.write_bytes(leftover)
    write(path, 1, most_bytes=10**6)
    kinds = [line["kind"] for line in lines_of(path)]
    assert kinds == ["continued", *(["damaged"] if leftover else []), "note"]
    assert verify(path).num_lines == expected.num_lines + len(kinds)
    assert not path.with_name(".log.jsonl.next").exists()


@pytest.mark.parametrize("fails", ["write", "first rename", "second rename"])
def test_a_file_that_cannot_be_begun_loses_nothing(path, fails, monkeypatch):
    log = EventLog(path, bundle_sha256=BUNDLE, most_bytes=500)
    rename, num_renames = os.rename, [0]

    def failing(source, target):
        num_renames[0] += 1
        if num_renames[0] == (1 if fails == "first rename" else 2):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        rename(source, target)

    def full(file, content):
        if b'"continued"' in content:
            num_renames[0] += 1
            os.write(file, content[:9])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_through(file, content)

    with monkeypatch.context() as patch:
        if fails == "write":
            patch.setattr("live.record.disk.write_through", full)
        else:
            patch.setattr("live.record.event_log.os.rename", failing)
        for _ in range(10):
            log.append("note")
        said = "No space left" if fails == "write" else "Permission denied"
        assert said in log.warning and log.problem is None
        assert num_renames[0] <= 3, "tried for every line"
        assert os.listdir(path.parent) == ["log.jsonl"]
    log._tried_at = float("-inf")
    log.append("note")
    assert log.warning is None and log.problem is None
    log.close()
    assert len(files_of(path)) == 2
    kinds = [line["kind"] for file in files_of(path) for line in lines_of(file)]
    assert kinds.count("note") == 11 and kinds.count("continued") == 1
    assert verify(path).num_lines == 12
    assert len(list(path.parent.iterdir())) == 2


def test_what_a_first_line_carries_does_not_fill_a_file(path):
    write(path, 30, most_bytes=1500, carry=lambda: {"text": "x" * 5000})
    assert len(files_of(path)) > 2
    assert all(len(lines_of(file)) > 4 for file in files_of(path)[1:-1])


def test_threads_share_a_log_of_several_files(path):
    log = EventLog(path, bundle_sha256=BUNDLE, most_bytes=2000)

    def work():
        for _ in range(25):
            log.append("note")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    lines = [line for file in files_of(path) for line in lines_of(file)]
    assert [line["kind"] for line in lines].count("note") == 100
    assert verify(path).num_lines == len(lines)


def test_the_lock_goes_with_the_log(path):
    log = EventLog(path, bundle_sha256=BUNDLE, most_bytes=100)
    for _ in range(4):
        log.append("note")
    assert len(files_of(path)) > 1
    with pytest.raises(InputError, match="written by another process"):
        EventLog(path, bundle_sha256=BUNDLE)
    log.close()
    assert log.append("note") is None
    EventLog(path, bundle_sha256=BUNDLE).close()
