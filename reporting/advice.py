"""The recommended run, its thresholds, and how certain the choice is.

`compare`, `ensemble` and the report use the same text.
"""

from typing import Any

from decisions.floor import (
    is_below_floor,
    why_decisions_are_weak,
    why_scores_are_weak,
)
from decisions.rule import read_decision
from evaluation.wording import known, listed
from goodparts.command import command_line
from goodparts.files import read_json
from reporting.ensemble_text import short_name


def advice(result: dict[str, Any]) -> str:
    """Recommends a run, with its members, its thresholds, and their results on test.

    The run is the best one on `validate`. If it is an ensemble and test does not show
    that it is better than a single run, the text says so.

    If validate cannot rank the runs, or the best one is below the floor of
    `decisions.floor` on validate or on test, none is recommended. If `decide` has set
    thresholds, its decisions are held against the floor instead, and, unless they
    come with a guarantee, the best single threshold of its scores too.

    Args:
        result: The `verdict` of the runs of one data set.

    Raises:
        InputError: If a decision.json is damaged or was made from other predictions.
    """
    if not result["is_ranked"]:
        return f"No run is recommended for deployment. {result['text']}"
    run = result["leader"]
    why = _why_too_weak(run)
    if why:
        return (
            f"None of these is good enough to deploy: even for {result['name']}, the "
            f"best on validate, {why}. Add parts, defective ones in particular, train "
            f"another model{_or_inspect(run)}."
        )
    sentences = [
        f"Recommended for deployment: {result['name']}{_members(run)}.",
        _lines(run),
    ]
    sentences += _sureness(result)
    return " ".join(sentences)


def _has_decision(run):
    return (run.folder / "decision.json").is_file()


def _why_too_weak(run):
    """Why a run is below the floor, as a text; "" if it is not."""
    if "score" not in run.outputs:
        return ""
    if _has_decision(run):
        read_decision(run)  # raises InputError if it is damaged
        return _why_decided_too_weak(run)
    for split in ("validate", "test"):
        values = run.metrics[split]["metrics"]
        rates = [values[name]["value"] for name in ("miss_rate", "false_reject_rate")]
        if is_below_floor(*rates):
            return (
                f"its threshold misses {known(values['miss_rate'])} of the defects of "
                f"{split} and rejects {known(values['false_reject_rate'])} of the good "
                "parts"
            )
    return ""


def _why_decided_too_weak(run):
    record = read_json(run.folder / "decision.json")
    why = why_decisions_are_weak(record, run.config["normal_class"])
    asked = record["asked"]
    has_guarantee = asked["max_miss"] or asked["max_false_reject"]
    return why or ("" if has_guarantee else why_scores_are_weak(run))


def _or_inspect(run):
    if _has_decision(run):
        return ""
    return (
        ", or have doubtful parts inspected by hand, with guaranteed error rates "
        f"({command_line('decide RUN')})"
    )


def _members(run):
    if "members" not in run.config:
        return ""
    names = [short_name(member.split("/")[-1]) for member in run.config["members"]]
    vote = run.config["arguments"]["combine"]
    return f", which combines {listed(names)} ({vote})"


def _lines(run):
    if "score" not in run.outputs:
        return (
            "It predicts classes. There is no class of good parts, so it accepts and "
            "rejects nothing."
        )
    decision = read_decision(run)
    if not _has_decision(run):
        values = run.metrics["test"]["metrics"]
        return (
            f"It rejects parts with a defect score of {run.threshold:.4g} or more. "
            "This threshold was chosen on validate; on test it misses "
            f"{known(values['miss_rate'])} of the defects and rejects "
            f"{known(values['false_reject_rate'])} of the good parts "
            f"({command_line('decide')} sets thresholds with guaranteed error rates)."
        )
    seen = read_json(run.folder / "decision.json")["test"]
    return (
        f"It accepts parts with a defect score below {decision.accept_below:.4g} and "
        f"rejects parts with {decision.reject_from:.4g} or more. These thresholds "
        f"were set by decide; on test it accepts {known(seen['missed'])} of the "
        f"defective groups, rejects {known(seen['false_rejected'])} of the good ones, "
        f"and sends {known(seen['inspected'])} of the images to inspection by hand."
    )


def _sureness(result):
    if not result["rivals"]:
        return []
    if result["is_clear"]:
        return ["On test it is clearly the best of these runs."]
    tied = [rival["name"] for rival in result["rivals"] if rival["is_tied"]]
    if tied:
        return [f"{listed(tied)} performed equally well on validate."]
    simpler = [
        rival["name"]
        for rival in result["rivals"]
        if rival["outcome"] in ("open", "same") and "members" not in rival["run"].config
    ]
    if "members" in result["leader"].config and simpler:
        return [
            f"It was better than {simpler[0]} alone, which is simpler, on validate, "
            "but test does not confirm this."
        ]
    return [
        "It was the best of these runs on validate, but test does not confirm this."
    ]
