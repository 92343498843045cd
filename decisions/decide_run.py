"""Decides the parts of a finished run: lines from `validate`, an honest look at `test`.

Writes decision.json, by which `predict` decides, and decisions.csv into its folder.
"""

import os
import shlex
from typing import Any

import numpy as np

from decisions.costs import mean_cost, read_costs, sample_costs
from decisions.guarantees import CONFIDENCE, ROUNDING
from decisions.lines import (
    cheapest_lines,
    lines_by_capacity,
    lines_by_promise,
)
from decisions.open_set import MAX_UNLIKE, probability_floor
from decisions.outcomes import seen
from decisions.rule import Decision, decide_parts, json_number
from evaluation.predictions import probabilities_of
from evaluation.run_folder import Run, read_run
from goodparts.command import InputError
from goodparts.files import file_hash, write_csv, write_json

COLUMNS = ["sample_id", "split", "label", "decision", "reason"]


def decide_run(
    run_folder: str | os.PathLike[str],
    *,
    max_miss: float | None = None,
    max_false_reject: float | None = None,
    per_class: bool = False,
    cost: str | os.PathLike[str] | None = None,
    inspect_share: float | None = None,
    confidence: float | str = CONFIDENCE,
    max_unlike: float = MAX_UNLIKE,
) -> dict[str, Any]:
    """Draws the lines of a run in one of three ways and writes them down.

    Args:
        run_folder: Of a finished run.
        max_miss, max_false_reject, confidence: Promises, see `lines_by_promise`.
        per_class: Whether `max_miss` is promised of each defect class.
        cost: Path of a table of costs, see `decisions.costs`.
        inspect_share: Share of images that may go to inspection, in `[0, 1)`.
        max_unlike: Share of the known parts that may go to inspection as unlike
            every class, in `[0, 1)`; 0 sends nothing there.

    Returns:
        The content of decision.json.

    Raises:
        InputError: If the ways are mixed, or the data cannot carry a promise.
    """
    asked = {
        "max_miss": max_miss,
        "max_false_reject": max_false_reject,
        "per_class": per_class,
        "cost": None if cost is None else str(cost),
        "inspect_share": inspect_share,
        "confidence": confidence,
        "max_unlike": max_unlike,
    }
    _check_way(asked)
    run = read_run(run_folder)
    check_decidable(run)
    classes, normal_class = run.config["classes"], run.config["normal_class"]
    table = run.predictions
    table = table[table["split"].isin(["validate", "test"])].reset_index(drop=True)
    validate = table[table["split"] == "validate"]
    _check_kinds(validate, normal_class)
    costs = None if cost is None else read_costs(cost, validate)
    decision = _draw(validate, classes, normal_class, costs, asked)
    table["decision"], table["reason"] = decide_parts(
        decision, table["defect_score"], probabilities_of(table, classes)
    )
    record: dict[str, Any] = {
        "command": _command(run_folder, asked),
        "predictions_sha256": file_hash(run.folder / "predictions.csv"),
        "accept_below": json_number(decision.accept_below),
        "reject_from": json_number(decision.reject_from),
        "least_probability": decision.least_probability,
        "asked": asked,
        "costs": None if costs is None else costs.to_dict("index"),
    }
    for split in ("validate", "test"):
        rows = table[table["split"] == split]
        record[split] = seen(rows, classes, normal_class)
        if costs is not None:
            record[split]["mean_cost"] = mean_cost(rows, costs)
    write_csv(run.folder / "decisions.csv", table[COLUMNS])
    write_json(run.folder / "decision.json", record)
    return record


def check_decidable(run: Run) -> None:
    """Raises InputError where no class is that of good parts."""
    if run.config["normal_class"] is None:
        raise InputError(
            f"The data set of {run.name} has classes only, none of good parts: there "
            "is nothing to accept or reject. Make it again with --normal-class NAME."
        )


def _check_kinds(validate, normal_class):
    """Raises InputError unless validate has good and defective parts.

    Without one kind the cheapest lines accept, or reject, everything.
    """
    labels = set(validate["label"])
    for kind, is_there in (
        ("defective", bool(labels - {normal_class})),
        ("good", normal_class in labels),
    ):
        if not is_there:
            raise InputError(
                f"validate has no {kind} parts, so no thresholds can be set from it: "
                f"the run keeps its own. Add {kind} parts and split again."
            )


def _check_way(asked):
    """Raises InputError unless exactly one way to draw the lines is asked for."""
    promises = asked["max_miss"] is not None or asked["max_false_reject"] is not None
    ways = [promises, asked["cost"] is not None, asked["inspect_share"] is not None]
    if sum(ways) != 1:
        raise InputError(
            "Give one of: --max-miss and --max-false-reject (either or both), --cost, "
            f"--inspect-share. Received {sum(ways)} of the three."
        )
    if asked["per_class"] and asked["max_miss"] is None:
        raise InputError("--per-class is about --max-miss. Give --max-miss too.")


def _draw(validate, classes, normal_class, costs, asked):
    """The `Decision`, in the way that is asked for."""
    probabilities, floor = probabilities_of(validate, classes), None
    is_unlike = np.zeros(len(validate), bool)
    if asked["max_unlike"] and probabilities is not None:
        groups = validate["group"].to_numpy()
        floor = probability_floor(probabilities, groups, asked["max_unlike"])
        is_unlike = probabilities.max(axis=1) < floor
    others = validate[~is_unlike]
    if costs is not None:
        weighted = sample_costs(validate["label"], costs)[~is_unlike]
        lines = cheapest_lines(others["defect_score"].to_numpy(np.float64), weighted)
    elif asked["inspect_share"] is not None:
        room = _room(is_unlike, asked["inspect_share"])
        lines = lines_by_capacity(others, normal_class=normal_class, max_inspected=room)
    else:
        each = sorted(set(classes) - {normal_class}) if asked["per_class"] else None
        lines = lines_by_promise(
            validate,
            normal_class=normal_class,
            max_miss=asked["max_miss"],
            max_false_reject=asked["max_false_reject"],
            confidence=asked["confidence"],
            defect_classes=each,
        )
    return Decision(*lines, floor)


def _room(is_unlike, inspect_share):
    """How many images can be inspected beside those that are unlike every class."""
    room = int(inspect_share * is_unlike.size + ROUNDING) - is_unlike.sum()
    if room < 0:
        raise InputError(
            f"--inspect-share {inspect_share:g} has no room for the {is_unlike.sum()} "
            f"of {is_unlike.size} validate images that are unlike every class. Give a "
            "larger share, or --max-unlike 0."
        )
    return room


def _command(run_folder, asked):
    """The command line that draws the same lines."""
    words = ["goodparts", "decide", str(run_folder)]
    for name, value in asked.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(flag)
        elif value is not None and value is not False:
            words += [flag, str(value)]
    return shlex.join(words)
