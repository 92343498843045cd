"""How many alarms one fault raises, and how soon it is over when the fault is.

    python3 benchmarks/alarms.py

A minute. A fault of 100 s at 25 frames per second, of which a share of the frames is
rejected, each by chance; then good frames, of which one in a hundred is. 200 films of
each kind. `false_alarms_per_day` is of good frames alone, by the rule's own chain.
"""

from datetime import UTC, datetime, timedelta

import numpy as np
from figures import make_parser, sized, write_figures

from goodparts.command import progress, run_command
from live.alarms.events import Alarm
from live.alarms.rules import FALSE_REJECTS, parse_rule

RULES = ("5", "3/7", "cusum:10000", "cusum:1000000")
SHARES = (0.3, 0.5, 0.7, 0.9, 1.0)  # of the frames of the fault that are rejected
NUM_FILMS = sized(200, 2)
FRAMES_PER_S, FAULT_S, GOOD_S = 25, 100, 60
START = datetime(2026, 1, 1, tzinfo=UTC)


def film(rule, share, seed):
    """Alarms of the fault, and seconds from its end to that of the last event."""
    random = np.random.default_rng(seed)
    num_fault, num_good = FAULT_S * FRAMES_PER_S, GOOD_S * FRAMES_PER_S
    chances = np.repeat([share, FALSE_REJECTS], [num_fault, num_good])
    rejected = random.random(chances.size) < chances
    alarm, raised, ended = Alarm(rule), 0, None
    for number, is_rejected in enumerate(rejected):
        at = START + timedelta(seconds=number / FRAMES_PER_S)
        decision = "reject" if is_rejected else "accept"
        for change in alarm.update(number, at, decision, 1.0, None):
            raised += number < num_fault and change["kind"] == "alarm"
            if change["kind"] == "ended" and ended is None and number >= num_fault:
                ended = (number - num_fault) / FRAMES_PER_S
    return raised, ended


def figures(text, share):
    rule, found = parse_rule(text), []
    for seed in progress(range(NUM_FILMS), f"{text} {share:g}", NUM_FILMS, unit="film"):
        found.append(film(rule, share, seed))
    raised = np.array([alarms for alarms, _ in found])
    ends = [end for _, end in found if end is not None]
    frames = rule.frames_between_false_alarms()
    return {
        "rule": text,
        "share_rejected": share,
        "alarms_mean": round(raised.mean(), 2),
        "alarms_most": int(raised.max()),
        "films_without_alarm": int((raised == 0).sum()),
        "end_s_median": round(np.median(ends), 2) if ends else None,
        "false_alarms_per_day": round(86_400 * FRAMES_PER_S / frames, 3),
    }


def main():
    arguments = make_parser(__doc__.split("\n")[0]).parse_args()
    rows = [figures(rule, share) for rule in RULES for share in SHARES]
    write_figures("alarms", rows, arguments.out)


if __name__ == "__main__":
    run_command(main)
