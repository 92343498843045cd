"""Chooses the decision thresholds of a finished run: accept, reject, inspect by hand.

    goodparts decide RUN                        what its validate parts can guarantee
    goodparts decide RUN --max-miss 0.05 --max-false-reject 0.05
    goodparts decide RUN --cost costs.csv       class,accept,reject,inspect[,share]
    goodparts decide RUN --inspect-share 0.1
    goodparts decide RUN --false-alarms 0.1     score thresholds of instances

Takes seconds. The thresholds are chosen on validate and kept in the run folder as
decision.json; predict and export then use them. A guarantee that the number of parts
cannot support is refused.
"""

import argparse
import contextlib
from argparse import ArgumentParser, Namespace

from decisions.guarantees import AVERAGE, CONFIDENCE
from decisions.open_set import MAX_UNLIKE
from goodparts.command import positive_number
from goodparts.loading import loading

WAYS = ("max_miss", "max_false_reject", "cost", "inspect_share")


def add_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("run", help="run folder")
    add(
        "--max-miss",
        type=rate,
        help="fraction of defective groups that may be accepted",
    )
    add(
        "--max-false-reject",
        type=rate,
        help="fraction of good groups that may be rejected",
    )
    add(
        "--per-class",
        action="store_true",
        help="apply --max-miss to each defect class separately",
    )
    add("--cost", help="CSV file with the columns class,accept,reject,inspect[,share]")
    add(
        "--inspect-share",
        type=share,
        help="fraction of images that can be inspected by hand",
    )
    add(
        "--false-alarms",
        type=number_from_0,
        help="false alarms per image, for which the score thresholds of instances are "
        "chosen again",
    )
    add(
        "--confidence",
        type=confidence,
        default=CONFIDENCE,
        help="confidence of the guarantees; average is weaker and needs fewer groups",
    )
    add(
        "--max-unlike",
        type=share,
        default=MAX_UNLIKE,
        help="fraction of known parts that may be inspected as unlike every class; 0 "
        "turns this check off",
    )


def run(arguments: Namespace) -> None:
    with loading():
        from decisions.decide_run import check_decidable, decide_run
        from decisions.text import carried_text, decision_text
        from evaluation.run_folder import read_run
    options = vars(arguments)
    found, false_alarms = read_run(options.pop("run")), options.pop("false_alarms")
    if false_alarms is not None:
        from decisions.decide_instances import decide_instances, instances_text

        decide_instances(found.folder, false_alarms)
        print(instances_text(found.folder))
        if all(options[way] is None for way in WAYS):
            return
    check_decidable(found)
    if all(options[way] is None for way in WAYS):
        print(carried_text(found))
        return
    print(decision_text(decide_run(found.folder, **options), found))


def number_from_0(text: str) -> float:
    """argparse type: a finite number of 0 or more."""
    with contextlib.suppress(ValueError):
        if float(text) == 0:
            return 0.0
    return positive_number(text)


def rate(text: str, kind: str = "above 0") -> float:
    """argparse type: a share above 0 and below 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(
            f"must be a fraction {kind} and below 1, such as 0.05. Received: {text!r}."
        )
    return value


def share(text: str) -> float:
    """argparse type: a share of 0 or more and below 1."""
    with contextlib.suppress(ValueError):
        if float(text) == 0:
            return 0.0
    return rate(text, "of 0 or more")


def confidence(text: str) -> float | str:
    """argparse type: `average`, or a share above 0 and below 1."""
    return AVERAGE if text == AVERAGE else rate(text, "or average, above 0")
