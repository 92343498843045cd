"""Decisions as text: guarantees, confidence, and the results on test."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

from decisions.floor import (
    MAX_BALANCED_ERROR,
    why_decisions_are_weak,
    why_scores_are_weak,
)
from decisions.guarantees import (
    AVERAGE,
    CONFIDENCE,
    confidence_flag,
    groups_needed,
    in_words,
    strongest_rate,
    upper_bound,
)
from decisions.rule import DECISIONS
from evaluation.wording import WIDTH, counted, known, listed, number, share

if TYPE_CHECKING:
    from evaluation.run_folder import Run

SPLITS = ("validate", "test")
RATES = (0.001, 0.01, 0.05)  # rates in the table of guarantees
FEW_GROUPS = 30  # with fewer, the 95 % bound is above 9 % even without an error
PROMISES = {  # option -> the parts, what happens to them, the key of the figure
    "max_miss": ("defective", "accepted", "missed"),
    "max_false_reject": ("good", "rejected", "false_rejected"),
}


def decision_text(record: dict[str, Any], run: Run) -> str:
    """The summary of a decision.

    Args:
        record: Content of decision.json.
        run: The run to which it belongs.
    """
    return "\n".join(
        [
            f"{run.name}: decision thresholds",
            *_decided_floor_lines(record, run),
            *_line_lines(record),
            *_promise_lines(record),
            "",
            *_bound_lines(record, run),
            "",
            *_test_lines(record),
            *_cost_lines(record),
            *_note_lines(record, run),
            f"written: decision.json and decisions.csv in {run.folder}",
        ]
    )


def carried_text(run: Run) -> str:
    """What `validate` can guarantee: the strongest rates, and the groups needed for
    others.
    """
    table = run.split("validate")
    is_good = table["label"] == run.config["normal_class"]
    lines = _floor_lines(
        why_scores_are_weak(run),
        " Thresholds with a guarantee send most of its parts to inspection by hand.",
    )
    for flag, what, rows in (
        ("--max-miss", "defective", ~is_good),
        ("--max-false-reject", "good", is_good),
    ):
        count = table["group"][rows].nunique()
        lines.append(f"validate has {counted(count, 'group')} of {what} parts")
        for confidence in (CONFIDENCE, AVERAGE) if count else ():
            most = f"{strongest_rate(count, confidence):g}{confidence_flag(confidence)}"
            lines.append(f"  strongest guarantee {in_words(confidence)}: {flag} {most}")
    lines.append("groups needed for a guarantee, if none of them is decided wrongly:")
    lines.append(f"  {'rate':<8}{in_words(CONFIDENCE):<24}{in_words(AVERAGE)}")
    for rate in RATES:
        needed = [groups_needed(rate, kind) for kind in (CONFIDENCE, AVERAGE)]
        lines.append(f"  {100 * rate:g} %".ljust(10) + f"{needed[0]:<24}{needed[1]}")
    return "\n".join(lines)


def _decided_floor_lines(record, run):
    """A warning if the decisions of a run are worse than the floor."""
    asked = record["asked"]
    why = why_decisions_are_weak(record, run.config["normal_class"])
    if not why and all(asked[name] is None for name in PROMISES):
        why = why_scores_are_weak(run)
    return _floor_lines(why)


def _floor_lines(why, then=""):
    if not why:
        return []
    text = (
        f"warning: this model is not good enough to deploy: {why}. The mean of these "
        f"two rates must be at most {100 * MAX_BALANCED_ERROR:g} %; guessing has 50 %. "
        f"Add parts, defective ones in particular, or train another model.{then}"
    )
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ")


def _line_lines(record):
    low, high = float(record["accept_below"]), float(record["reject_from"])
    accepted = "none" if low == -math.inf else f"defect score below {low:.4g}"
    rejected = "none" if high == math.inf else f"defect score of {high:.4g} or more"
    if low == math.inf:
        accepted = "all"
    if high == -math.inf:
        rejected = "all"
    lines = [f"  accept   {accepted}", f"  reject   {rejected}"]
    if low < high:
        lines.append("  inspect  defect scores in between")
    if record["least_probability"] is not None:
        lines.append(
            "  inspect  at any defect score, if no class has a probability of "
            f"{record['least_probability']:.3g} or more"
        )
    return lines


def _promise_lines(record):
    asked, lines = record["asked"], []
    for name, (kind, verb, _) in PROMISES.items():
        if asked[name] is not None:
            each = " of each class" if name == "max_miss" and asked["per_class"] else ""
            lines.append(
                f"  at most {100 * asked[name]:g} % of the groups of {kind} "
                f"parts{each} are {verb}"
            )
    if not lines:
        return [
            "no guarantee: these are the thresholds that performed best on validate"
        ]
    how = in_words(asked["confidence"])
    if asked["confidence"] == AVERAGE:
        how += " over many calibrations (this one may be worse)"
    each = "each " if len(lines) > 1 else ""
    return [f"guaranteed {each}{how}, for parts like those in validate:", *lines]


def _bound_lines(record, run):
    """The results on validate for each class at these thresholds."""
    found = record["validate"]
    rows = {"all defective parts": found["defective"], **found["classes"]}
    if not any(record["asked"][name] is not None for name in PROMISES):
        return [
            "on validate, from which the thresholds were set; expect more errors on "
            "new parts:",
            "  wrong        groups of",
            *(
                f"  {count['num_wrong_groups']:>3} of {count['num_groups']:<6}{name}"
                for name, count in rows.items()
            ),
        ]
    head = ("wrong", "on average", "at 95 %", "groups of")
    lines = [
        "on validate: groups decided wrongly, and upper limits of that rate for new "
        "parts",
        "  {:<13}{:<12}{:<12}{}".format(*head),
    ]
    for name, count in rows.items():
        wrong, groups = count["num_wrong_groups"], count["num_groups"]
        bounds = [
            f"{share(float(upper_bound(wrong, groups, kind)))} %"
            for kind in (AVERAGE, CONFIDENCE)
        ]
        mark = " (good)" if name == run.config["normal_class"] else ""
        lines.append(
            f"  {f'{wrong} of {groups}':<13}{bounds[0]:<12}{bounds[1]:<12}{name}{mark}"
        )
    return lines


def _test_lines(record):
    found = record["test"]
    lines = [
        "on test, which was not used to set the thresholds:",
        f"  {'accept':>7}{'reject':>8}{'inspect':>9}  images of",
    ]
    for name, count in found["classes"].items():
        lines.append(
            f"  {count['accept']:>7}{count['reject']:>8}{count['inspect']:>9}  {name}"
        )
    return [
        *lines,
        f"  defective groups accepted   {known(found['missed'])}",
        f"  good groups rejected        {known(found['false_rejected'])}",
        f"  images to inspection        {known(found['inspected'])}",
        f"  - as unlike every class     {known(found['unlike'])}",
    ]


def _cost_lines(record):
    if record["costs"] is None:
        return []
    rows = record["costs"].values()
    always = [
        f"always {kind} {sum(row['share'] * row[kind] for row in rows):.3f}"
        for kind in DECISIONS
    ]
    return [
        "mean cost per part:",
        *(f"  {number(record[split]['mean_cost'])} on {split}" for split in SPLITS),
        f"  {', '.join(always)}",
    ]


def _note_lines(record, run):
    notes, asked = [], record["asked"]
    for name, (kind, _, measured) in PROMISES.items():
        low = record["test"][measured]["low"]
        if asked[name] is not None and low is not None and low > asked[name]:
            notes.append(
                f"on test the guarantee of {100 * asked[name]:g} % for {kind} parts "
                "does not hold: these parts differ from those in validate, and "
                "future parts may differ too"
            )
    few = [
        f"{name} ({count['num_groups']})"
        for name, count in record["validate"]["classes"].items()
        if count["num_groups"] < FEW_GROUPS
    ]
    if few:
        notes.append(
            f"few groups in validate: {listed(few)}; the figures of these classes are "
            "very uncertain"
        )
    never = [
        word
        for word, line, end in (
            ("accepted", "accept_below", "-inf"),
            ("rejected", "reject_from", "inf"),
        )
        if record[line] == end
    ]
    if never:
        notes.append(
            f"no part is ever {' or '.join(never)}; choose weaker limits, or train a "
            "better model"
        )
    if "members" in run.config:
        notes.append(
            "the predictions of an ensemble on validate are out of fold, so its "
            "guarantees hold only approximately"
        )
        notes += run.config["notes"]
    if record["least_probability"] is None:
        notes.append("parts unlike every class are not detected")
    return [
        line
        for note in notes
        for line in textwrap.wrap(f"note: {note}.", WIDTH, subsequent_indent="  ")
    ]
