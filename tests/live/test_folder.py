"""The folder over several runs: open events, ids, and the files beside the log."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from test_event_log import command

from goodparts.command import InputError
from live.alarms.events import Alarm
from live.alarms.rules import parse_rule
from live.record import event_log
from live.record.folder import Folder
from live.record.recorded_files import RecordedFiles
from live.record.segments import segments, verify

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
PICTURE = np.full((40, 60, 3), 90, np.uint8)
PATIENCE = 60


@pytest.fixture
def run(tmp_path):
    """Calls something with the folder and alarm of a run that begins at `at`."""

    def run(work, at=NOON):
        folder = Folder(tmp_path, bundle_sha256="b" * 64)
        alarm = Alarm(parse_rule("1"))
        for change in alarm.restore(
            folder.open_events(), at, num_events=folder.num_events
        ):
            folder.change(change)
        work(folder, alarm)
        folder.clips.stop(PATIENCE)
        assert folder.close() == 0
        return alarm

    return run


def raise_alarms(folder, alarm, number, at=NOON, pictures=False):
    """Alarms of one frame, an hour apart, so that they are no storm."""
    for _ in range(number):
        at += timedelta(hours=1)
        for decision in ("reject", "accept"):
            for change in alarm.update(0, at, decision, 0.9, "scratch"):
                if pictures and change["kind"] == "alarm":
                    change["thumbnail_sha256"] = folder.thumbnail(
                        change["event"], PICTURE
                    )
                    folder.clips.start_event(change["event"], 0.0)
                    folder.clips.add(PICTURE, 0.0)
                folder.change(change)


def test_every_alarm_waits_after_a_restart_and_over_files(run, monkeypatch, tmp_path):
    monkeypatch.setattr(
        event_log.EventLog.__init__,
        "__kwdefaults__",
        {**event_log.EventLog.__init__.__kwdefaults__, "most_bytes": 50_000},
    )
    first = run(lambda folder, alarm: raise_alarms(folder, alarm, 239))
    assert len(first.waiting) == 239
    assert len(segments(tmp_path / "log.jsonl")) > 1
    second = run(lambda folder, alarm: None)
    assert second.waiting == first.waiting
    verify(tmp_path)


def test_ids_are_not_given_twice_by_a_clock_set_back(run, tmp_path):
    ids = []
    for back in range(3):
        at = NOON - timedelta(days=400 * back)

        def work(folder, alarm, at=at):
            raise_alarms(folder, alarm, 1, at)
            for change in alarm.acknowledge(at):
                folder.change(change)
            ids.append(folder.events()[0]["id"])

        run(work, at)
    assert [event_id[-5:] for event_id in ids] == ["-0001", "-0002", "-0003"]


def test_listed_events_outlive_a_restart_after_a_new_file(run, monkeypatch):
    run(lambda folder, alarm: raise_alarms(folder, alarm, 3))
    tomorrow = datetime.now(UTC) + timedelta(days=1)

    class Clock:
        @staticmethod
        def now(zone):
            return tomorrow

    monkeypatch.setattr(event_log, "datetime", Clock)
    run(lambda folder, alarm: folder.log("started"))
    listed = []
    run(lambda folder, alarm: listed.extend(folder.events()))
    assert [event["id"][-4:] for event in listed] == ["0003", "0002", "0001"]


def test_pictures_and_clips_are_held_against_the_log(run, tmp_path):
    run(lambda folder, alarm: raise_alarms(folder, alarm, 2, pictures=True))
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    clips = [x for x in map(json.loads, lines) if x["kind"] == "clip"]
    assert sorted(x["file"] for x in clips) == sorted(
        f"clips/{path.name}" for path in (tmp_path / "clips").iterdir()
    )
    assert clips[0]["bytes"] == (tmp_path / clips[0]["file"]).stat().st_size
    status, printed, _ = command(tmp_path)
    assert status == 0
    assert "4 as recorded, 0 deleted, 0 not recorded in the log" in printed
    (tmp_path / clips[0]["file"]).unlink()
    (tmp_path / "events" / "mine.jpg").write_bytes(b"mine")
    status, printed, _ = command(tmp_path / "log.jsonl")
    assert status == 0
    assert "3 as recorded, 1 deleted, 1 not recorded in the log" in printed
    changed = next((tmp_path / "events").glob("2*.jpg"))
    changed.write_bytes(changed.read_bytes() + b"\0")
    status, printed, complaint = command(tmp_path)
    assert status == 2 and "the chain is intact" in printed
    assert f"events/{changed.name}" in complaint and complaint.count("\n") == 1


def test_a_changed_clip_is_an_error(run, tmp_path):
    run(lambda folder, alarm: raise_alarms(folder, alarm, 1, pictures=True))
    clip = next((tmp_path / "clips").iterdir())
    content = bytearray(clip.read_bytes())
    content[-1] ^= 1
    clip.write_bytes(content)
    recorded = RecordedFiles()
    verify(tmp_path, see=recorded.see)
    with pytest.raises(InputError, match=f"clips/{clip.name}"):
        recorded.check(tmp_path)


def test_a_clip_line_is_no_event(run):
    run(lambda folder, alarm: raise_alarms(folder, alarm, 1, pictures=True))
    known = []
    run(lambda folder, alarm: known.extend(folder.events()))
    assert len(known) == 1 and known[0]["clip"]


def test_the_command_says_what_is_missing(tmp_path):
    log = event_log.EventLog(
        tmp_path / "log.jsonl", bundle_sha256="b" * 64, most_bytes=300
    )
    lines = [log.append("note") for _ in range(12)]
    log.close()
    first, *rest = segments(log.path).values()
    status, printed, _ = command(tmp_path, "--head", lines[0]["sha256"].upper())
    assert status == 0 and f"in {len(rest) + 2} files, the chain is intact" in printed
    assert "MISSING" not in printed
    first.unlink()
    status, printed, _ = command(tmp_path)
    assert status == 0 and f"MISSING: {first.name}" in printed
    assert command(tmp_path, "--head", lines[0]["sha256"])[0] == 2


@pytest.mark.parametrize("head", ["", "abc", "g" * 64])
def test_a_head_that_is_none_is_refused_in_one_line(tmp_path, head):
    event_log.EventLog(tmp_path / "log.jsonl", bundle_sha256="b" * 64).append("note")
    status, printed, complaint = command(tmp_path, "--head", head)
    assert status == 2 and printed == ""
    assert "--head must be 64 hexadecimal digits" in complaint
    assert complaint.count("\n") == 1


def test_a_later_line_hides_no_change_of_a_file(tmp_path):
    folder = Folder(tmp_path, bundle_sha256="b")
    for sha256 in ("1" * 64, "2" * 64):
        folder.log("clip", file="clips/a.mp4", bytes=1, clip_sha256=sha256)
    folder.close()
    recorded = RecordedFiles()
    verify(tmp_path, see=recorded.see)
    with pytest.raises(InputError, match="two lines of the log record clips/a.mp4"):
        recorded.check(tmp_path)
