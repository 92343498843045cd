"""Other programs move, delete, replace or change the log while it is written."""

import errno
import json
import os
import shutil

import pytest

from live.record import folder as folders
from live.record.disk import write_through
from live.record.event_log import EventLog
from live.record.folder import Folder
from live.record.segments import verify
from live.record.verdicts import Verdicts

BUNDLE = "b" * 64


@pytest.fixture
def path(tmp_path):
    return tmp_path / "live" / "log.jsonl"


@pytest.fixture
def log(path):
    log = EventLog(path, bundle_sha256=BUNDLE, carry=lambda: {"num_events": 7})
    log.append("note", text="first")
    yield log
    log.close()


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def harm(path, how):
    """Does what another program may do; returns what it left elsewhere, or None."""
    content = path.read_bytes()
    if how == "moved to another name":
        return path.rename(path.with_name("mine.jsonl"))
    if how == "folder moved":
        return path.parent.rename(path.parent.with_name("old")) / path.name
    if how == "folder deleted":
        shutil.rmtree(path.parent)
    elif how == "deleted":
        path.unlink()
    elif how == "saved by an editor":
        path.unlink()
        path.write_bytes(content)
    elif how == "replaced":
        path.unlink()
        path.write_text("somebody's\n")
    elif how == "cut":
        path.write_bytes(b"")
    elif how == "added to":
        path.write_bytes(content + b"foreign\n")
    return None


@pytest.mark.parametrize(
    "how, word",
    [
        ("moved to another name", "moved or deleted"),
        ("folder moved", "moved or deleted"),
        ("folder deleted", "moved or deleted"),
        ("deleted", "moved or deleted"),
        ("saved by an editor", "replaced"),
        ("replaced", "replaced"),
        ("cut", "changed"),
        ("added to", "changed"),
    ],
)
def test_the_log_goes_on_in_a_new_file_that_says_why(log, path, how, word):
    before = lines_of(path)[-1]
    harm(path, how)
    written = log.append("alarm", text="second")
    assert log.problem is None and log.num_waiting == log.num_lost == 0
    assert f"log.jsonl was {word} by another program at" in log.loss
    begun, alarm = lines_of(path)
    assert begun["kind"] == "continued" and begun["head"] == before["sha256"]
    assert begun["reason"] == f"the previous file was {word} by another program"
    assert begun["num_events"] == 7
    assert alarm == written and alarm["number"] == before["number"] + 2
    checked = verify(path)
    assert checked.missing == [begun["file"]] and checked.num_lines == 2
    assert not path.with_name(".log.jsonl.next").exists()
    log.append("note")
    assert len(lines_of(path)) == 3  # once is enough


@pytest.mark.parametrize("how", ["replaced", "added to", "cut"])
def test_what_another_program_wrote_is_kept(log, path, how):
    harm(path, how)
    content = path.read_bytes()
    log.append("note")
    kept = path.with_name("log.jsonl.other-1")
    assert kept.read_bytes() == content
    assert kept.name in log.loss and lines_of(path)[0]["kept_as"] == kept.name
    harm(path, how)
    log.append("note")
    assert kept.read_bytes() == content
    assert path.with_name("log.jsonl.other-2").exists()


def test_a_moved_file_is_verified_again_under_the_name_that_is_written(log, path):
    moved = harm(path, "moved to another name")
    log.append("note")
    moved.rename(path.with_name(lines_of(path)[0]["file"]))
    checked = verify(path.parent)
    assert (checked.num_lines, checked.missing) == (3, [])
    assert len(checked.files) == 2


def test_it_is_noticed_without_an_event(log, path):
    path.unlink()
    assert log.flush()
    assert [line["kind"] for line in lines_of(path)] == ["continued"]


def test_a_log_without_a_line_is_begun_again(tmp_path):
    path = tmp_path / "log.jsonl"
    log = EventLog(path, bundle_sha256=BUNDLE)
    path.unlink()
    log.append("note")
    log.close()
    assert [line["kind"] for line in lines_of(path)] == ["note"]
    assert verify(path).missing == [] and "moved or deleted" in log.loss


def test_lines_that_wait_for_the_disk_follow(log, path, monkeypatch):
    def full(file, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        for name in ("event_log", "disk"):
            patch.setattr(f"live.record.{name}.write_through", full)
        log.append("alarm", text="waits")
        path.unlink()
        log.append("alarm", text="waits too")
        assert log.num_waiting == 2 and "No space left" in log.problem
        assert not path.exists()
    assert write_through is not full and log.flush()
    assert [line["kind"] for line in lines_of(path)] == ["continued", "alarm", "alarm"]
    assert [line["number"] for line in lines_of(path)] == [2, 3, 4]
    assert verify(path).num_lines == 3
    log.append("note")
    assert verify(path).num_lines == 4


def test_the_log_of_another_process_is_left_alone(log, path):
    path.unlink()
    other = EventLog(path, bundle_sha256=BUNDLE)
    other.append("note", text="other")
    log.append("alarm")
    assert "is being written by another process" in log.problem
    assert log.num_waiting == 1
    other.append("note", text="other")
    assert verify(path).num_lines == 2 and other.loss is None
    other.close()
    assert log.flush() and log.problem is None
    assert [line["kind"] for line in lines_of(path)] == ["continued", "alarm"]


def test_it_cannot_be_begun_and_nothing_is_lost(log, path, monkeypatch):
    def refused(source, target):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    path.unlink()
    with monkeypatch.context() as patch:
        patch.setattr("live.record.event_log.os.rename", refused)
        log.append("alarm")
        assert "Permission denied" in log.problem
    log.append("note")
    kinds = [line["kind"] for line in lines_of(path)]
    assert kinds == ["continued", "alarm", "note"] and log.problem is None


def test_page_and_terminal_say_it(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "LOOK_EVERY_S", 0)
    told = []
    folder = Folder(tmp_path, bundle_sha256=BUNDLE, tell=told.append)
    folder.log("started")
    (tmp_path / "log.jsonl").unlink()
    for _ in range(2):
        folder.flush()
    assert "moved or deleted by another program" in folder.log_state()["warning"]
    assert folder.log_state()["problem"] is None
    said = [line["state"] for line in told if line["kind"] == "EVENT LOG"]
    assert said == [folder.log_state()["warning"]]
    assert folder.close() == 0
    folder.flush()  # after the end: no crash


@pytest.mark.parametrize("how", ["deleted", "moved to another name", "folder deleted"])
def test_a_table_of_verdicts_goes_on_in_a_new_file(tmp_path, how):
    path, told = tmp_path / "live" / "verdicts.csv", []
    verdicts = Verdicts(path, tell=told.append)
    verdicts.add("a.png", 0, "accept")
    harm(path, how)
    verdicts.add("b.png", 1, "accept")
    verdicts.add("c.png", 2, "accept")
    verdicts.close()
    rows = path.read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["path", "b.png", "c.png"]
    assert len(told) == 1 and "moved or deleted" in told[0]
    assert verdicts.num_lost == 0


def test_another_table_in_its_place_is_left_alone_and_rows_are_counted(tmp_path):
    path = tmp_path / "verdicts.csv"
    verdicts = Verdicts(path)
    path.unlink()
    path.write_text("a,b\n")
    verdicts.add("a.png", 0, "accept")
    assert verdicts.num_lost == 1 and "different table" in verdicts.problem
    path.unlink()
    verdicts.add("b.png", 1, "accept")
    verdicts.close()
    assert len(path.read_text().splitlines()) == 2
