"""The thresholds by which a bundle decides, and the decisions of a run by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from decisions.open_set import MAX_UNLIKE, probability_floor
from decisions.rule import Decision, decide_parts, json_number, read_decision
from evaluation.predictions import class_probabilities, probabilities_of
from goodparts.files import read_json

if TYPE_CHECKING:
    from evaluation.run_folder import Run

DECISION = "decision.json"


def decision_of(run: Run) -> Decision:
    """The `Decision` of the bundle: the thresholds of `decide`, or else the default
    one.

    With the default threshold of a run with classes, the least probability that
    `decide` sets by default is used too, because a camera sees things that are in no
    data set.
    """
    decision = read_decision(run)
    if (run.folder / DECISION).is_file() or "classes" not in run.outputs:
        return decision
    validate = run.split("validate")
    probabilities = class_probabilities(validate, run.config["classes"])
    floor = probability_floor(probabilities, validate["group"], MAX_UNLIKE)
    return decision._replace(least_probability=floor)


def asks_for_unlike(run: Run) -> bool:
    """Whether parts unlike every good part are inspected: yes, unless `decide` was told
    otherwise.
    """
    drawn = run.folder / DECISION
    return not drawn.is_file() or bool(read_json(drawn)["asked"]["max_unlike"])


def answers_of(run: Run, split: str) -> np.ndarray:
    """The decision and the class of each image, `(images, 2)`, by sample_id."""
    table = run.split(split)
    probabilities = probabilities_of(table, run.config["classes"])
    decisions, _ = decide_parts(decision_of(run), table["defect_score"], probabilities)
    return np.stack([decisions, table["predicted"].to_numpy(str)], axis=1)


def lines_of(run: Run, original: Run) -> dict[str, Any]:
    """The content of bundle.json about the decision.

    Args:
        run: The run that has the thresholds.
        original: The run that is exported; for int8 a different one.
    """
    decision = decision_of(run)
    drawn = original.folder / DECISION
    return {
        "accept_below": json_number(decision.accept_below),
        "reject_from": json_number(decision.reject_from),
        "least_probability": decision.least_probability,
        "drawn_by": read_json(drawn)["command"] if drawn.is_file() else "threshold",
        "false_rejects": _false_rejects(run),
        "instance_scores": run.instance_scores,
    }


def _false_rejects(run):
    """Fraction of good images rejected on validate, with one more of either kind."""
    labels = run.split("validate")["label"]
    is_good = (labels == run.config["normal_class"]).to_numpy()
    rejected = answers_of(run, "validate")[is_good, 0] == "reject"
    return float((rejected.sum() + 1) / (rejected.size + 2))
