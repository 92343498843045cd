"""What is known of events after a long log: open ones, the newest, highest id."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from live.alarms.events import Alarm
from live.alarms.rules import parse_rule
from live.record import known_events
from live.record.known_events import KnownEvents, event_number

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def changes_of(num_alarms, *, acknowledged=lambda number: True):
    """Changes of alarms of one frame each, some acknowledged, hours apart."""
    alarm, changes = Alarm(parse_rule("1")), []
    for number in range(1, num_alarms + 1):
        at = NOON + timedelta(hours=number)
        changes += alarm.update(2 * number, at, "reject", 0.9, "scratch")
        changes += alarm.update(2 * number + 1, at, "accept", 0.1, None)
        if acknowledged(number):
            changes += alarm.acknowledge(at)
    return changes


def as_line(fields):
    return json.dumps({"number": 1, **fields, "bundle": "b"}).encode()


@pytest.mark.parametrize("live", [True, False])
def test_everything_open_is_known_however_old(live, monkeypatch):
    monkeypatch.setattr(known_events, "MOST_UNREAD", 300)
    known = KnownEvents()
    for change in changes_of(700, acknowledged=lambda number: number == 100):
        known.add(change) if live else known.see(as_line(change))
    opened = [event.id for event in known.open()]
    assert [event_number(name) for name in opened] == list(range(101, 701))
    newest = [event_number(event["id"]) for event in known.recent()]
    assert newest == list(range(700, 500, -1))
    assert known.num_events == 700
    assert known.get(opened[0])["predicted"] == "scratch"


def test_most_of_a_long_log_is_forgotten_as_it_is_read():
    known = KnownEvents()
    for change in changes_of(5000):
        known.see(as_line(change))
        assert len(known._unread) <= known_events.MOST_UNREAD
    assert known.open() == [] and known.num_events == 5000
    assert len(known.recent()) == known_events.NUM_RECENT


def test_what_is_carried_says_the_same():
    known, carried = KnownEvents(), KnownEvents()
    for change in changes_of(300, acknowledged=lambda number: number == 30):
        known.add(change)
    carried.see(as_line({"kind": "continued", **known.carried()}))
    assert carried.open() == known.open()
    assert carried.recent() == known.recent()
    assert carried.num_events == 300
    assert carried.carried() == known.carried()


def test_an_acknowledged_old_event_is_not_listed_as_the_newest():
    known = KnownEvents()
    changes = changes_of(300, acknowledged=lambda number: False)
    for change in changes:
        known.add(change)
    known.add({**changes[0], "kind": "acknowledged", "acknowledged": "2026"})
    assert event_number(known.recent()[0]["id"]) == 300
    assert event_number(known.open()[0].id) == 2


def test_attention_waits_for_its_end_alone():
    alarm, known = Alarm(parse_rule("1")), KnownEvents()
    for change in alarm.update(0, NOON, "inspect", 0.5, None):
        known.see(as_line(change))
    (event,) = known.open()
    assert event.kind == "attention"
    for change in alarm.update(1, NOON, "accept", 0.1, None):
        known.see(as_line(change))
    assert known.open() == []


def test_a_text_that_looks_like_an_event_is_none():
    known = KnownEvents()
    known.see(as_line({"kind": "started", "source": '"event": "20260101T000000-0009"'}))
    assert known.recent() == [] and known.num_events == 0


def test_numbers_of_ids():
    assert event_number("20261121T123456-0017") == 17
    assert event_number("20261121T123456-123456") == 123456
    assert event_number("one") == event_number("a-²") == 0
