"""Decides parts with a finished run: accept, reject or inspect by hand.

    pipenv run decide RUN                        what its validate parts can promise
    pipenv run decide RUN --max-miss 0.05 --max-false-reject 0.05
    pipenv run decide RUN --cost costs.csv       class,accept,reject,inspect[,share]
    pipenv run decide RUN --inspect-share 0.1

Seconds. The lines are drawn on validate and kept in the run folder as decision.json,
by which `predict` then decides. A promise that the parts cannot carry is refused.
"""

if __name__ == "__main__":
    from goodparts.loading import begin_loading

    begin_loading()

import argparse
import contextlib

from decisions.decide_run import check_decidable, decide_run
from decisions.guarantees import AVERAGE, CONFIDENCE
from decisions.open_set import MAX_UNLIKE
from decisions.text import carried_text, decision_text
from evaluation.run_folder import read_run
from goodparts.command import command_parser, run_command


def rate(text, kind="above 0"):
    """argparse type: a share above 0 and below 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(
            f"must be a share {kind} and below 1, such as 0.05. Received: {text!r}."
        )
    return value


def share(text):
    """argparse type: a share of 0 or more and below 1."""
    with contextlib.suppress(ValueError):
        if float(text) == 0:
            return 0.0
    return rate(text, "of 0 or more")


def confidence(text):
    """argparse type: `average`, or a share above 0 and below 1."""
    return AVERAGE if text == AVERAGE else rate(text, "or average, above 0")


def main():
    parser = command_parser(__doc__.split("\n")[0])
    parser.add_argument("run", help="run folder")
    parser.add_argument(
        "--max-miss", type=rate, help="share of defective groups that may be accepted"
    )
    parser.add_argument(
        "--max-false-reject",
        type=rate,
        help="share of good groups that may be rejected",
    )
    parser.add_argument(
        "--per-class", action="store_true", help="--max-miss holds of each class"
    )
    parser.add_argument("--cost", help="CSV: class,accept,reject,inspect[,share]")
    parser.add_argument(
        "--inspect-share", type=share, help="share of images that can be inspected"
    )
    parser.add_argument(
        "--confidence",
        type=confidence,
        default=CONFIDENCE,
        help="of the promises; average promises less and needs fewer groups",
    )
    parser.add_argument(
        "--max-unlike",
        type=share,
        default=MAX_UNLIKE,
        help="share of known parts inspected as unlike every class; 0 for none",
    )
    arguments = vars(parser.parse_args())
    run = read_run(arguments.pop("run"))
    check_decidable(run)
    ways = ("max_miss", "max_false_reject", "cost", "inspect_share")
    if all(arguments[way] is None for way in ways):
        table = run.predictions
        validate = table[table["split"] == "validate"]
        print(carried_text(validate, run.config["normal_class"]))
        return
    print(decision_text(decide_run(run.folder, **arguments), run))


if __name__ == "__main__":
    run_command(main)
