"""Alarms: the rules' numbers, and one event for one fault."""

import argparse
import math
import runpy
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from live.alarms.events import Alarm
from live.alarms.rules import OVER, RAISED, mean_run_length, parse_rule

reference_debounce = runpy.run_path(
    str(Path(__file__).with_name("reference_debounce.py"))
)["reference_debounce"]
START = datetime(2026, 11, 21, 12, 34, 56, tzinfo=UTC)
DECISIONS = {"g": "accept", "b": "reject", "i": "inspect"}


def at(frame):
    return START + timedelta(seconds=frame)


def feed(alarm, frames, first=0):
    """Gives frames such as "ggbbi"; returns (frame, kind, event kind) of changes."""
    found = []
    for number, letter in enumerate(frames, first):
        changes = alarm.update(number, at(number), DECISIONS[letter], 0.5, "dent")
        found += [(number, change["kind"], change["event_kind"]) for change in changes]
    return found


def alarms_at(rule, frames):
    """Frames that raise an alarm, each acknowledged at once."""
    alarm, found = Alarm(parse_rule(rule)), []
    for number, letter in enumerate(frames):
        for change in feed(alarm, letter, number):
            if change[1] == "alarm":
                found.append(number)
                alarm.acknowledge(at(number))
    return found


# --- rules


def test_five_means_five():
    assert alarms_at("5", "gbbbb" + "gbbbbb") == [10]
    assert alarms_at("5", "bbbbb" * 2) == [4, 9]
    assert alarms_at("1", "gbgb") == [1, 3]


def test_share_looks_at_the_last_frames_only():
    assert alarms_at("3/7", "bgggbggb") == []  # the first b is eight frames back
    assert alarms_at("3/7", "bgggbgb") == [6]
    assert alarms_at("2/2", "bgbb") == [3]
    assert alarms_at("1/3", "gbg") == [1]


@settings(max_examples=60, deadline=None)
@given(
    st.text("gb", min_size=1, max_size=60),
    st.integers(1, 6).flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n))),
)
def test_tables_do_what_the_rule_says(frames, share):
    few, many = share
    begun, expected = 0, []
    for number in range(len(frames)):
        if frames[max(begun, number - many + 1) : number + 1].count("b") >= few:
            expected.append(number)
            begun = number + 1
    assert alarms_at(f"{few}/{many}", frames) == expected
    if few == many:
        assert alarms_at(f"{many}", frames) == expected


def test_mean_between_false_alarms_by_hand():
    # Runs: (1 - p^n) / (p^n (1 - p)); for n = 2 and p = 0.1 that is 0.99 / 0.009.
    assert parse_rule("2").frames_between_false_alarms(0.1) == pytest.approx(110)
    for share in (0.3, 0.01, 0.001):
        expected = (1 - share**5) / (share**5 * (1 - share))
        mean = parse_rule("5").frames_between_false_alarms(share)
        assert mean == pytest.approx(expected, rel=1e-9)
    assert parse_rule("1").frames_between_false_alarms(0.25) == pytest.approx(4)
    assert parse_rule("5/5").frames_between_false_alarms(0.1) == pytest.approx(111110)
    # 2/3 at p = 1/2, from the start s, after b, after bg:
    # s = 1 + (s + b) / 2, b = 1 + bg / 2, bg = 1 + s / 2: s = 2 + b, b = 1.5 + s / 4,
    # so s = 14 / 3.
    assert parse_rule("2/3").frames_between_false_alarms(0.5) == pytest.approx(14 / 3)
    assert parse_rule("5").frames_between_false_alarms(0) == math.inf
    assert parse_rule("7").frames_between_false_alarms(1) == 7


def simulated_mean(rule, share, *, num_lines=4000):
    """Mean frames to the first alarm on lines of independent frames."""
    generator = np.random.default_rng(7)
    good, defect = np.array(rule.after_good), np.array(rule.after_defect)
    states, frames = np.zeros(num_lines, int), 0
    while states.size:
        frames += states.size
        bad = generator.random(states.size) < share
        states = np.where(bad, defect[states], good[states])
        states = states[states != RAISED]
    return frames / num_lines


@pytest.mark.parametrize(
    ("text", "share"),
    [("3", 0.1), ("3/7", 0.08), ("cusum:1000", 0.05), ("cusum:1000", 0.2)],
)
def test_simulation_agrees_with_the_stated_mean(text, share):
    rule = parse_rule(text, share)
    stated = rule.frames_between_false_alarms(share)
    # The standard error is stated / sqrt(4000), 1.6 %.
    assert simulated_mean(rule, share) == pytest.approx(stated, rel=0.05)


@settings(max_examples=30, deadline=None)
@given(st.integers(10, 10**7), st.floats(1e-4, 0.29))
def test_cusum_keeps_its_promise(frames, share):
    rule = parse_rule(f"cusum:{frames}", share)
    assert rule.frames_between_false_alarms(share) >= frames
    assert rule.frames_between_false_alarms(0.5) <= 200  # and finds a fault


def test_cusum_is_close_to_its_promise_where_scores_are_fine_enough():
    rule = parse_rule("cusum:10000", 0.2)
    assert rule.frames_between_false_alarms(0.2) == pytest.approx(10_000, rel=0.05)


def test_cusum_weighs_frames_by_their_evidence():
    # ln(0.8 / 0.5) = 0.470 for a good frame is 10 steps, so ln(0.5 / 0.2) = 0.916
    # for a defective one is 19.5, rounded down.
    rule = parse_rule("cusum:10000", 0.2)
    assert rule.after_good[:12] == (0,) * 11 + (1,)
    assert rule.after_defect[:2] == (19, 20)
    assert rule.num_frames == math.ceil(len(rule.after_good) / 19)


@pytest.mark.parametrize(
    "text", ["", "0", "-5", "five", "0/3", "4/3", "3/", "cusum:", "cusum:5", "٣", "1/0"]
)
def test_wrong_rules_are_named(text):
    with pytest.raises(argparse.ArgumentTypeError, match="Received"):
        parse_rule(text)


def test_rules_beyond_computing_are_refused():
    with pytest.raises(argparse.ArgumentTypeError, match="too many patterns"):
        parse_rule("20/40")
    with pytest.raises(argparse.ArgumentTypeError, match="below 0.3"):
        parse_rule("cusum", 0.4)


# --- events


def test_event_counts_from_the_first_defective_frame():
    alarm = Alarm(parse_rule("3"))
    scores = [0.1, 0.7, 0.9, 0.6, 0.8]
    classes = ["good", "scratch", "dent", "dent", "scratch"]
    changes = []
    for number, (score, predicted) in enumerate(zip(scores, classes, strict=True)):
        decision = "reject" if number else "accept"
        changes += alarm.update(number, at(number), decision, score, predicted)
    (change,) = changes
    assert change["kind"] == "alarm"
    assert change["event"] == "20261121T123459-0001"
    assert (change["first_frame"], change["began_frame"]) == (1, 3)
    assert (change["num_frames"], change["max_score"]) == (3, 0.9)
    assert change["predicted"] == "dent"
    assert change["began"] == "2026-11-21T12:34:59.000+00:00"
    assert alarm.event.num_frames == 4
    assert alarm.event.predicted == "scratch"  # two of each; the first seen
    assert alarm.event.last_frame == 4


def test_alarm_latches_until_acknowledged():
    alarm = Alarm(parse_rule("3"))
    assert feed(alarm, "bbbggg") == [(2, "alarm", "alarm"), (5, "ended", "alarm")]
    assert feed(alarm, "g" * 50, 6) == []
    assert alarm.state == "alarm"
    (change,) = alarm.acknowledge(at(60))
    assert change["kind"] == "acknowledged"
    assert change["ended"] == "2026-11-21T12:35:01.000+00:00"
    assert change["acknowledged"] == "2026-11-21T12:35:56.000+00:00"
    assert alarm.state == "clear"
    assert alarm.acknowledge(at(61)) == []


def test_fault_that_persists_alarms_again_after_acknowledgement():
    alarm = Alarm(parse_rule("3"))
    feed(alarm, "bbbb")
    (change,) = alarm.acknowledge(at(4))
    assert change["ended"] == change["acknowledged"]
    assert feed(alarm, "bbb", 4) == [(6, "alarm", "alarm")]
    assert alarm.event.id.endswith("-0002")
    assert alarm.event.first_frame == 4


def test_the_next_fault_is_an_event_of_its_own_and_acknowledged_with_the_first():
    alarm = Alarm(parse_rule("3"))
    assert feed(alarm, "bbbgggbbgbbb")[2:] == [(11, "alarm", "alarm")]
    assert alarm.event.id.endswith("-0002") and alarm.event.ended is None
    assert alarm.event.num_frames == 3  # the two between came to nothing
    assert feed(alarm, "bggg", 12) == [(15, "ended", "alarm")]
    assert (alarm.event.num_frames, alarm.event.last_frame) == (4, 12)
    changes = alarm.acknowledge(at(20))
    assert [change["event"][-4:] for change in changes] == ["0001", "0002"]
    assert {change["kind"] for change in changes} == {"acknowledged"}
    assert changes[0]["num_frames"] == 3
    assert alarm.state == "clear" and alarm.acknowledge(at(21)) == []


def test_an_alarm_is_acknowledged_once():
    alarm = Alarm(parse_rule("3"))
    feed(alarm, "bbbgggbbb")
    assert len(alarm.acknowledge(at(9))) == 2
    feed(alarm, "bbb", 10)
    (change,) = alarm.acknowledge(at(13))
    assert change["event"].endswith("-0003")


def test_inspect_is_neither_good_nor_defective():
    assert alarms_at("3", "bibb") == [3]
    assert alarms_at("3/4", "biggibb") == []  # b g g b, then g g b b
    assert alarms_at("3", "iiiiii") == []


def test_frames_that_nobody_can_judge_ask_for_attention():
    alarm = Alarm(parse_rule("3"))
    assert feed(alarm, "giii") == [(3, "attention", "attention")]
    assert alarm.state == "attention"
    assert (alarm.event.first_frame, alarm.event.num_frames) == (1, 3)
    assert feed(alarm, "iggg", 4) == [(7, "ended", "attention")]
    assert alarm.state == "clear"


def test_attention_gives_way_to_an_alarm():
    alarm = Alarm(parse_rule("3"))
    assert feed(alarm, "iiibbb") == [
        (2, "attention", "attention"),
        (5, "ended", "attention"),
        (5, "alarm", "alarm"),
    ]
    assert alarm.event.first_frame == 3
    assert feed(alarm, "iiiiii", 6) == []  # nothing ends an alarm but good frames


def test_gap_breaks_the_run_but_not_the_latch():
    alarm = Alarm(parse_rule("3"))
    feed(alarm, "bb")
    alarm.gap()
    assert feed(alarm, "bb", 2) == []
    assert feed(alarm, "bgg", 4) == [(4, "alarm", "alarm")]
    alarm.gap()
    assert alarm.state == "alarm"
    assert feed(alarm, "gg", 7) == []  # two good frames, a gap, two more: not three
    assert feed(alarm, "g", 9) == [(9, "ended", "alarm")]


def test_cusum_alarm_tells_its_first_frame():
    rule = parse_rule("cusum:10000")
    alarm = Alarm(rule)
    feed(alarm, "b" + "g" * 200)
    assert feed(alarm, "bgbbb", 201)[0][1] == "alarm"
    assert alarm.event.first_frame == 201


def test_cusum_starts_anew_after_an_event():
    alarm = Alarm(parse_rule("cusum:10000"))  # three defective frames in a row
    assert feed(alarm, "bbbbb" + "g" * 13)[1:] == [(17, "ended", "alarm")]
    assert feed(alarm, "bb", 18) == []
    assert feed(alarm, "b", 20) == [(20, "alarm", "alarm")]


@pytest.mark.parametrize("share", [0.5, 0.7, 0.95])
def test_cusum_takes_a_fault_that_persists_for_one(share):
    """100 s at 25 frames per second, as so many frames of it are rejected."""
    random = np.random.default_rng(0)
    frames = np.where(random.random(2500) < share, "b", "g")
    alarm = Alarm(parse_rule("cusum:10000"))
    kinds = [kind for _, kind, _ in feed(alarm, frames)]
    assert kinds.count("alarm") == 1
    end = feed(alarm, "g" * 200, 2500)
    assert [kind for _, kind, _ in end] == ["ended"] and end[0][0] < 2530


def test_the_end_of_cusum_keeps_its_promise():
    rule = parse_rule("cusum:10000")
    assert rule.frames_between_false_ends(0.5) >= 10_000
    size = len(rule.end_after_good) - 10  # a good frame less
    good = (x if x < size else OVER for x in rule.end_after_good[:size])
    assert mean_run_length(tuple(good), rule.end_after_other[:size], 0.5) < 10_000


# --- storms and acknowledgements


def test_a_storm_is_one_event_with_a_count():
    alarm = Alarm(parse_rule("2"))
    found = feed(alarm, "bbgg" * 14)
    assert [kind for _, kind, _ in found].count("alarm") == 10
    assert [frame for frame, kind, _ in found if kind == "storm"] == [41]
    assert [frame for frame, kind, _ in found if kind == "again"] == [45, 49, 53]
    assert alarm.event.num_alarms == 5 and alarm.event.ended is None
    waiting = alarm.waiting
    assert len(waiting) == 10
    assert feed(alarm, "g" * 55, 56) == []  # not a minute since the last one
    assert feed(alarm, "g" * 9, 111) == [(113, "ended", "alarm")]
    assert feed(alarm, "bb", 200) == [(201, "alarm", "alarm")]
    assert len(alarm.waiting) == 11


def test_an_acknowledgement_of_everything_ends_a_storm():
    alarm = Alarm(parse_rule("2"))
    feed(alarm, "bbgg" * 14)
    assert len(alarm.acknowledge(at(56))) == 10 and alarm.state == "clear"
    assert feed(alarm, "bbggbb", 57) == [
        (58, "alarm", "alarm"),
        (60, "ended", "alarm"),
        (62, "alarm", "alarm"),
    ]


def test_alarms_that_nobody_acknowledges_are_bounded_and_none_is_forgotten():
    alarm = Alarm(parse_rule("1"))
    for number in range(1010):
        alarm.update(2 * number, at(60 * number), "reject", 0.5, "dent")
        alarm.update(2 * number + 1, at(60 * number), "accept", 0.5, "good")
    assert len(alarm.waiting) == 1000 and alarm.event.num_alarms == 11
    assert len(alarm.acknowledge(at(10**5))) == 1000


def test_an_older_event_is_acknowledged_without_the_newer_ones():
    alarm = Alarm(parse_rule("2"))
    feed(alarm, "bbggbbggbb")
    first, second, third = alarm.waiting
    assert alarm.acknowledge(at(10), "20200101T000000-0001") == []
    changes = alarm.acknowledge(at(11), second)
    assert [change["event"] for change in changes] == [first, second]
    assert alarm.waiting == [third] and alarm.state == "alarm"
    assert alarm.event.ended is None
    assert feed(alarm, "gg", 12) == [(13, "ended", "alarm")]
    assert alarm.acknowledge(at(14), third) and alarm.state == "clear"


def test_a_clock_that_is_set_back_gives_no_id_twice():
    before = Alarm(parse_rule("1"))
    before.update(0, at(0), "reject", 0.5, "dent")
    after = Alarm(parse_rule("1"))
    after.restore([], at(0), num_events=int(before.event.id[-4:]))
    after.update(0, at(0), "reject", 0.5, "dent")
    assert after.event.id != before.event.id


@settings(max_examples=60, deadline=None)
@given(
    st.text("gbi", max_size=80),
    st.sampled_from(["2", "3", "2/4", "cusum:100"]),
)
def test_every_event_is_opened_once_and_ended_after_it(frames, rule):
    alarm, state = Alarm(parse_rule(rule)), "clear"
    for number, letter in enumerate(frames):
        for _, kind, event_kind in feed(alarm, letter, number):
            if kind in ("alarm", "attention"):
                assert state == "clear" or (state, kind) == ("ended", "alarm")
                state = "open"
            elif kind == "storm":
                assert state == "ended"
                state = "open"
            elif kind == "again":
                assert state in ("open", "ended")
                state = "open"
            else:
                assert state == "open"
                state = "ended" if event_kind == "alarm" else "clear"
        assert (alarm.state == "clear") == (state == "clear")
        if alarm.event:
            assert bool(alarm.event.ended) == (state == "ended")
            assert alarm.event.first_frame <= alarm.event.began_frame <= number


# --- against the older debounce


def first_alarm(classes):
    alarm = Alarm(parse_rule("5"))
    for number, predicted in enumerate(classes):
        decision = "accept" if predicted == "good" else "reject"
        if alarm.update(number, at(number), decision, 0.9, predicted):
            return number
    return None


def test_ours_needs_five_frames_and_the_older_one_six():
    classes = ["good"] * 3 + ["dent"] * 5 + ["good"] * 30
    assert first_alarm(classes) == 7
    assert not any(reference_debounce(classes, "good"))
    classes[8] = "dent"
    assert reference_debounce(classes, "good").index(True) == 8


def test_alternating_classes_alarm_with_ours_only():
    classes = ["good"] + ["dent", "scratch"] * 20
    assert first_alarm(classes) == 5
    assert not any(reference_debounce(classes, "good"))


def test_the_older_debounce_has_its_known_faults():
    shown = reference_debounce(["dent"] * 77, "good")
    assert shown == [False] * 5 + ([True] * 20 + [False] * 4) * 3
    fault = ["dent"] * 6 + ["good"] * 40
    shown = reference_debounce(fault * 2, "good")
    assert sum(shown[:46]) == 19
    assert sum(shown[46:]) == 1  # the second fault, for a single frame
