"""The loop with a camera and an inspector of the test's own."""

import json
import time

import numpy as np
import pytest

from decisions.rule import Decision
from deployment.runtime import Inspector
from evaluation.predictor import Answer
from goodparts.command import InputError
from live.alarms.events import Alarm
from live.alarms.rules import parse_rule
from live.camera.capture import EndOfSource, Frame
from live.delivery.targets import Target
from live.inspection import Inspection
from live.page.view import View
from live.record.folder import Folder
from live.record.segments import verify
from preprocessing.region import parse_roi

SIZE = (40, 60)
GOOD, BAD, ODD, NOTHING = 20, 220, 120, 121  # grey of a frame; the inspector reads it

DECISION = Decision(0.4, 0.6, 0.5)


class FakeCapture:
    """Gives frames, and states in between, as they stand in a list.

    An int is a frame of that grey; a tuple (height, width) changes the size of those
    that follow; a text is a state of the camera; a function is called.
    """

    def __init__(self, script):
        self.script, self.number, self.size = list(script), -1, SIZE
        self.state, self.num_bad, self.follows = "running", 0, False

    def next(self, timeout):
        while self.script:
            step = self.script.pop(0)
            if isinstance(step, int):
                self.number += 1
                image = np.full((*self.size, 3), step, np.uint8)
                return Frame(image, self.number, time.monotonic(), self.number / 10)
            if isinstance(step, tuple):
                self.size = step
            elif isinstance(step, str):
                self.state = step
                return None
            else:
                step()
                return None
        raise EndOfSource

    def status(self):
        return {
            "state": self.state,
            "num_frames": self.number + 1,
            "num_dropped": 0,
            "num_bad": self.num_bad,
            "num_reconnects": 0,
            "last_error": None,
            "frames_per_s": 30.0,
            "size": list(self.size),
            "follows": self.follows,
        }


class FakeOutbox:
    target = Target("hook", deliver=None, patience_s=60)

    def __init__(self):
        self.sent = []

    def send(self, event):
        json.dumps(event)
        self.sent.append(event)

    def status(self):
        return {"name": "hook", "state": "idle", "num_waiting": 0}


def grey_inspector():
    """P(bad) is the grey of the top left pixel; ODD is unlike every class."""

    def answer(image):
        bad = image[0, 0, 0] / 255
        found = np.array([bad, 1 - bad, 0.0])
        if image[0, 0, 0] == ODD:
            found = np.array([0.34, 0.33, 0.33])
        if image[0, 0, 0] == NOTHING:
            found = np.full(3, np.nan)
        return Answer(1 - found[1], found)

    return Inspector("b", "sha", ["bad", "good", "other"], "good", DECISION, answer)


@pytest.fixture
def inspect(tmp_path):
    """Runs a script; gives the inspection, its outboxes and the lines of its log."""
    folders = {}

    def run(script, *, rule="3", roi=None, name="live", look=None, **options):
        if name in folders:
            folders[name].close()
        capture, outboxes = FakeCapture(script), [FakeOutbox(), FakeOutbox()]
        folders[name] = Folder(tmp_path / name, bundle_sha256="sha")
        inspection = Inspection(
            grey_inspector(),
            capture,
            folders[name],
            Alarm(parse_rule(rule)),
            source="fake",
            roi=roi and parse_roi(roi),
            outboxes=outboxes[:1],
            stop_outboxes=outboxes[1:],
            **options,
        )
        inspection.run(look)
        folders[name].clips.stop(wait_s=60)
        text = (tmp_path / name / "log.jsonl").read_text()
        return inspection, outboxes, [json.loads(line) for line in text.splitlines()]

    yield run
    for folder in folders.values():
        assert folder.close() == 0


def kinds(lines):
    return [line["kind"] for line in lines if line["kind"] not in ("camera",)]


def test_an_alarm_is_logged_sent_filmed_and_listed(inspect, tmp_path):
    script = [GOOD] * 5 + [BAD] * 4 + [GOOD] * 3
    inspection, (hook, stop), lines = inspect(script)
    assert kinds(lines) == ["started", "alarm", "ended", "source ended", "stopped"]
    alarm = lines[kinds(lines).index("alarm") + 1]
    assert (alarm["first_frame"], alarm["began_frame"]) == (5, 7)
    assert alarm["bundle"] == "sha" and len(alarm["thumbnail_sha256"]) == 64
    assert [event["kind"] for event in hook.sent] == ["alarm", "ended"]
    assert [event["kind"] for event in stop.sent] == ["alarm"]
    assert len({event["id"] for event in hook.sent}) == 2
    assert hook.sent[0]["log_sha256"] == alarm["sha256"]
    (event,) = View(inspection).events()
    assert event["num_frames"] == 4 and event["acknowledged"] is None
    assert View(inspection).media("events", event["id"]).is_file()
    assert event["clip"] and View(inspection).media("clips", event["id"]).is_file()
    assert verify(tmp_path / "live" / "log.jsonl").num_lines == len(lines)
    assert inspection.measures.counts() == {
        "frames": 12,
        "accept": 8,
        "reject": 4,
        "inspect": 0,
        "refused": 0,
    }


def test_a_line_that_was_not_stopped_is_stopped_at_the_next_start(inspect, tmp_path):
    _, (_, stop), _ = inspect([BAD] * 3 + [GOOD] * 3)
    (first,) = stop.sent
    _, (_, stop), _ = inspect([GOOD])
    (again,) = stop.sent
    assert again["event"] == first["event"] and again["kind"] == "alarm"
    inspection, (_, stop), _ = inspect([GOOD])
    inspection.folder.note_stop(again["event"], "exit status 3")
    _, (_, stop), lines = inspect([GOOD])
    assert "LINE NOT STOPPED" in kinds(lines) and len(stop.sent) == 1


def test_a_line_is_stopped_once_and_not_too_late(inspect, monkeypatch):
    inspection, _, _ = inspect([BAD] * 3)
    event_id = inspection.alarm.event.id
    monkeypatch.setattr(FakeOutbox, "target", Target("old", None, patience_s=0))
    _, (_, stop), _ = inspect([GOOD])
    assert not stop.sent, "the alarm is older than the stop command is tried"
    monkeypatch.undo()
    inspection, (_, stop), _ = inspect([GOOD])
    assert len(stop.sent) == 1
    inspection.folder.note_stop(event_id, None)
    inspection.command("acknowledge")
    inspection._obey()
    (event,) = View(inspection).events()
    assert event["acknowledged"] and event["line_stopped"]
    inspection, (_, stop), lines = inspect([GOOD])
    assert not stop.sent and kinds(lines).count("line stopped") == 1
    assert View(inspection).events()[0]["line_stopped"] == event["line_stopped"]
    inspection.folder.note_stop("20200101T000000-0001", None)
    assert len(View(inspection).events()) == 1


def test_a_part_unlike_every_class_is_never_good(inspect):
    inspection, (_, stop), lines = inspect([GOOD, ODD, ODD, ODD, GOOD])
    assert inspection.measures.counts()["inspect"] == 3
    assert "attention" in kinds(lines) and not stop.sent


def test_a_break_of_the_stream_joins_no_two_runs(inspect):
    script = [BAD, BAD, "reconnecting", "running", BAD, BAD]
    _, _, lines = inspect(script)
    assert "alarm" not in kinds(lines)
    states = [line["state"] for line in lines if line["kind"] == "camera"]
    assert states == ["running", "reconnecting", "running"]


def test_another_shape_is_refused_until_the_old_one_is_back(inspect):
    script = [GOOD, (60, 40), BAD, BAD, BAD, BAD, SIZE, GOOD, BAD]
    inspection, _, lines = inspect(script, roi="10,10,20,20")
    assert kinds(lines).count("frames refused") == 1 and "alarm" not in kinds(lines)
    assert inspection.measures.counts()["refused"] == 4
    assert inspection.measures.counts()["frames"] == 3


def test_a_folder_without_new_files_is_healthy_and_a_silent_camera_is_not(inspect):
    inspection, _, _ = inspect([GOOD])
    stale = time.monotonic() - 60
    inspection.seen = inspection.seen._replace(
        frame=inspection.seen.frame._replace(captured_at=stale)
    )
    assert not View(inspection).health()[0]
    inspection.capture.follows = True
    assert View(inspection).health()[0]
    inspection.capture.state = "reconnecting"
    assert not View(inspection).health()[0]


def test_shapes_that_alternate_do_not_fill_the_log(inspect):
    script = [GOOD, *[(60, 40), GOOD, SIZE, GOOD] * 20]
    inspection, _, lines = inspect(script, roi="10,10,20,20")
    assert inspection.measures.counts()["refused"] == 20
    assert kinds(lines).count("frames refused") == 1


def test_twice_the_resolution_is_looked_at_in_the_same_place(inspect):
    pictures = []
    inspect(
        [GOOD, (80, 120), GOOD],
        roi="10,20,20,10",
        look=lambda seen: pictures.append(seen.box),
    )
    assert pictures == [(10, 20, 20, 10), (20, 40, 40, 20)]


def test_a_region_outside_the_first_frame_ends_the_run(inspect):
    with pytest.raises(InputError, match="--roi"):
        inspect([GOOD], roi="50,30,20,20")


def test_stop_start_and_acknowledge(inspect):
    holder = {}

    def command(do):
        return lambda: holder["inspection"].command(do)

    script = [BAD, BAD, command("stop"), BAD, BAD, BAD, command("start"), BAD, BAD, BAD]
    script += [command("acknowledge"), GOOD]
    original = Inspection.run

    def run(self, look=None):
        holder["inspection"] = self
        return original(self, look)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Inspection, "run", run)
        inspection, _, lines = inspect(script)
    assert kinds(lines) == [
        "started",
        "inspection off",
        "inspection on",
        "alarm",
        "acknowledged",
        "source ended",
        "stopped",
    ]
    assert inspection.measures.counts()["frames"] == 6
    assert View(inspection).events()[0]["acknowledged"]


def test_state_is_json_and_the_picture_has_the_frame_number(inspect):
    inspection, _, _ = inspect([GOOD, BAD], roi="10,10,20,20")
    state = json.loads(json.dumps(View(inspection).state(), allow_nan=False))
    assert state["verdict"]["decision"] == "reject"
    assert state["verdict"]["number"] == 1
    assert [output["stops_line"] for output in state["outputs"]] == [False, True]
    number, content, verdict = View(inspection).picture()
    assert verdict["decision"] == "reject" and verdict["number"] == number
    assert number == 1 and content[:2] == b"\xff\xd8"
    assert (
        b'goodparts_frames_total{decision="reject"} 1.0' in View(inspection).metrics()
    )
    ok, facts = View(inspection).health()
    assert ok and facts["alarm"] == "clear"


def test_events_of_an_earlier_run_are_listed(inspect):
    inspect([BAD] * 3, name="same")
    inspection, _, lines = inspect([GOOD], name="same")
    assert len(View(inspection).events()) == 1
    assert kinds(lines).count("started") == 2


def test_a_disk_that_fails_does_not_stop_the_inspection(inspect, monkeypatch):
    def full(path, image):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("live.record.folder.write_thumbnail", full)
    inspection, (hook, _), _ = inspect([BAD] * 5)
    assert hook.sent[0]["kind"] == "alarm" and hook.sent[0]["thumbnail_sha256"] is None
    assert "No space left" in View(inspection).state()["log"]["warning"]


def test_without_a_region_a_camera_keeps_its_shape_too(inspect):
    script = [GOOD, (60, 40), BAD, BAD, BAD, SIZE, GOOD]
    inspection, _, lines = inspect(script, keeps_shape=True)
    assert inspection.measures.counts()["refused"] == 3 and "alarm" not in kinds(lines)
    inspection, _, lines = inspect(script, name="folder")
    assert inspection.measures.counts()["refused"] == 0 and "alarm" in kinds(lines)


def test_a_camera_that_begins_in_another_shape_is_waited_for(inspect):
    script = [(60, 40), BAD, BAD, BAD, SIZE, GOOD]
    inspection, _, _ = inspect(script, roi="10,10,20,20@60x40")
    assert inspection.measures.counts()["refused"] == 3
    assert inspection.measures.counts()["accept"] == 1


def test_an_alarm_outlives_a_restart_until_it_is_acknowledged(inspect):
    inspect([BAD] * 3, name="same")
    states = []
    inspection, _, lines = inspect(
        [GOOD], name="same", look=lambda seen: states.append(seen)
    )
    assert inspection.alarm.state == "alarm"
    assert kinds(lines)[-4:] == ["started", "ended", "source ended", "stopped"]
    inspection.command("acknowledge")
    inspection._obey()
    assert inspection.alarm.state == "clear"
    assert View(inspection).events()[0]["acknowledged"]


def test_an_acknowledgement_closes_an_event_and_all_before_it(inspect):
    inspection, _, _ = inspect(([BAD] * 3 + [GOOD] * 3) * 3)
    view = View(inspection)
    third, second, first = (event["id"] for event in view.events())
    assert view.state()["alarm"]["waiting"] == [first, second, third]
    assert view.command("acknowledge", second) is None
    inspection._obey()
    assert [bool(x["acknowledged"]) for x in view.events()] == [False, True, True]
    assert inspection.alarm.state == "alarm" and inspection.alarm.waiting == [third]
    for event in (first, second):
        assert "already acknowledged" in view.command("acknowledge", event)
    assert "is unknown" in view.command("acknowledge", "20200101T000000-0009")
    assert view.command("acknowledge", third) is None
    inspection._obey()
    assert inspection.alarm.state == "clear"


def test_attention_that_is_over_needs_no_acknowledgement(inspect):
    inspection, _, _ = inspect([GOOD, ODD, ODD, ODD, GOOD, GOOD, GOOD])
    view = View(inspection)
    (event,) = view.events()
    assert "ended by itself" in view.command("acknowledge", event["id"])


def test_ids_go_on_in_the_next_run(inspect):
    inspect(([BAD] * 3 + [GOOD] * 3) * 2, name="same")
    inspection, _, _ = inspect([BAD] * 3, name="same")
    ids = [event["id"][-4:] for event in View(inspection).events()]
    assert ids == ["0003", "0002", "0001"]


@pytest.mark.parametrize(("num_bad", "alarms"), [(1, 1), (3, 1), (4, 0)])
def test_a_run_goes_on_over_little_damage_and_not_over_much(inspect, num_bad, alarms):
    capture = []

    def look(seen):
        if seen.frame.number == 1:
            capture[0].num_bad += num_bad

    original = FakeCapture.__init__

    def init(self, script):
        original(self, script)
        capture[:] = [self]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeCapture, "__init__", init)
        _, _, lines = inspect([BAD] * 4, look=look)
    assert kinds(lines).count("alarm") == alarms


def test_defects_between_frames_that_are_refused_alarm(inspect):
    script = [GOOD] + [(60, 40), BAD, SIZE, BAD] * 3
    _, (_, stop), lines = inspect(script, roi="10,10,20,20")
    assert kinds(lines).count("alarm") == len(stop.sent) == 1


def test_defects_at_the_end_of_a_recording_alarm(inspect):
    """The capture reads some frames ahead and is at its end before they are judged."""
    script = [GOOD, BAD, BAD, lambda: None, "ended", BAD]
    _, (_, stop), lines = inspect(script)
    assert kinds(lines).count("alarm") == len(stop.sent) == 1


def test_every_alarm_of_a_storm_stops_the_line(inspect):
    script = [BAD, GOOD] * 14
    inspection, (hook, stop), lines = inspect(script, rule="1")
    assert len(stop.sent) == 14
    assert kinds(lines).count("alarm") == 10 and kinds(lines).count("storm") == 1
    assert "again" not in kinds(lines)
    assert inspection.alarm.event.num_alarms == 5


def test_a_verdict_is_written_after_its_alarm(inspect, tmp_path):
    """A restart leaves out what stands in the table: its alarm must be told by then."""
    seen = []

    class Table:
        def add(self, name, number, decision, **more):
            log = (tmp_path / "live" / "log.jsonl").read_text()
            seen.append((decision, '"kind": "alarm"' in log))

    inspect([GOOD, BAD, GOOD], rule="1", verdicts=Table())
    assert seen == [("accept", False), ("reject", True), ("accept", True)]


def test_an_answer_that_is_no_number_is_no_verdict(inspect):
    inspection, _, lines = inspect([GOOD, NOTHING, NOTHING, BAD])
    assert kinds(lines).count("frames refused") == 1
    assert inspection.measures.counts()["refused"] == 2


def test_a_terminal_that_is_gone_does_not_stop_the_inspection(monkeypatch, capsys):
    from live.watch import _print_line

    def gone(*words, **options):
        raise BrokenPipeError

    monkeypatch.setattr("builtins.print", gone)
    _print_line({"time": "2026-11-21T12:00:00", "kind": "stopped"})


def test_switched_off_is_not_healthy(inspect):
    inspection, _, _ = inspect([GOOD])
    assert View(inspection).health()[0]
    inspection.command("stop")
    inspection._obey()
    ok, facts = View(inspection).health()
    assert not ok and facts["inspecting"] is False
    assert b"goodparts_inspecting 0.0" in View(inspection).metrics()
