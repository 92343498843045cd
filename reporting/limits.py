"""What cannot be concluded from a report: sentences computed from runs and data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evaluation.comparison.leaderboard import leading_metric
from evaluation.metric_table import METRICS
from evaluation.wording import counted, listed, percent, share
from preprocessing.splitting.remarks import COVERS

if TYPE_CHECKING:
    from evaluation.run_folder import Run

FEW_GROUPS = 20
MAX_WEAK_CLASSES = 5
LARGE_SHARE = 0.1
IN_TIME = ("chronological", "blocks")


def cannot_conclude(
    runs: Sequence[Run], info: Mapping[str, Any], result: Mapping[str, Any]
) -> list[str]:
    """Sentences on the limits of what was measured on one data set.

    Args:
        runs: Runs of the data set, the leader first.
        info: Content of dataset.json; empty if the folder no longer exists.
        result: The `verdict` of these runs.
    """
    leader = runs[0]
    return [
        *_about_winner(runs, result),
        *_about_classes(leader),
        *_about_groups(leader),
        *_about_split(info),
        *_about_threshold(leader),
        *_about_validate(leader),
        *_about_training(runs),
    ]


def _about_winner(runs, result):
    if not result["is_ranked"]:
        yield f"Which of the runs is the best: {result['text']}"
        return
    unclear = [x for x in result["rivals"] if x["outcome"] not in ("better", "same")]
    if len(runs) > 1 and unclear:
        names = listed([result["name"], *(rival["name"] for rival in unclear)])
        yield (
            f"Which of {names} is the best: there are too few test parts, or the "
            "methods are too similar, to distinguish them."
        )


def _about_classes(leader):
    test = leader.metrics["test"]
    if "classes" not in leader.outputs:
        return
    few = {
        name: values
        for name, values in test["per_class"].items()
        if 0 < values["num_groups"] < FEW_GROUPS
    }
    weakest = sorted(few, key=lambda name: few[name]["num_groups"])
    for name in weakest[:MAX_WEAK_CLASSES]:
        yield (
            f"How well {name} is recognised: its recall, "
            f"{percent(few[name]['recall'])}, is based on only "
            f"{counted(few[name]['num_groups'], 'test group')}."
        )
    rest = weakest[MAX_WEAK_CLASSES:]
    if rest:
        yield (
            f"The same holds for other classes with fewer than {FEW_GROUPS} test "
            f"groups: {listed(rest)}."
        )
    absent = [
        name for name, values in test["per_class"].items() if not values["num_groups"]
    ]
    if absent:
        yield f"Anything about {listed(absent)}: test has no such parts."


def _about_groups(leader):
    sizes = leader.split("test")["group"].value_counts()
    if len(sizes) > 1 and sizes.iloc[0] > LARGE_SHARE * sizes.sum():
        yield (
            "That the test images are independent: the largest group, "
            f"{sizes.index[0]}, contains {sizes.iloc[0]} of the "
            f"{counted(sizes.sum(), 'test image')}."
        )


def _about_split(info):
    leak = info.get("leak", 0)
    if leak > 0:
        yield (
            f"That the results will be as good on new parts: {share(leak)} % of the "
            "validate and test images have a near-duplicate in train, so these "
            "figures may be too optimistic."
        )
    elif "leak" in info:
        yield (
            "That there is no leakage of any other kind: no validate or test image "
            f"has a copy in train, but this check only covers {COVERS}."
        )
    guess = info.get("neighbour_guess")
    if guess and guess["is_clear"]:
        yield (
            "That no part is in more than one split: a nearest-neighbour search in "
            f"train finds the class of {share(guess['judged'])} % of the validate and "
            f"test images, but of only {share(guess['held_out'])} % in held-out "
            "groups of train, so parts may be in more than one split."
        )
    grouping, protocol = info.get("grouping"), info.get("protocol")
    if protocol == "official":
        yield (
            "That no part is in more than one split: this is the split of the "
            "publisher, and it may not be by part."
        )
    elif grouping == "none":
        yield (
            "That no part is in more than one split: the images were split "
            "individually, so images of one part may be in several splits."
        )
    if grouping in IN_TIME:
        yield (
            "What happens on another day, with another camera or in other light: the "
            "images of a class come from one recording."
        )


def _about_threshold(leader):
    if "score" not in leader.outputs:
        return
    validate = leader.split("validate")
    good = validate[validate["label"] == leader.config["normal_class"]]
    num_groups = good["group"].nunique()
    if num_groups:
        yield (
            f"Whether the false reject rate is below about {share(1 / num_groups)} %: "
            f"the threshold ({leader.threshold_record['rule']}) is based on "
            f"{counted(num_groups, 'group')} of good parts."
        )
    if leader.metrics["test"]["metrics"]["miss_rate"]["value"] is None:
        yield "How many defects are missed: test has no defective parts."
    on_validate, on_test = (
        leader.metrics[split]["metrics"]["false_reject_rate"]
        for split in ("validate", "test")
    )
    if on_test["value"] is not None and on_test["low"] > (on_validate["value"] or 0):
        yield (
            "That the threshold has the intended false reject rate: it rejects "
            f"{percent(on_test)} of the good parts in test, but "
            f"{share(on_validate['value'] or 0)} % of those in validate."
        )


def _about_validate(leader):
    metric = leading_metric([leader])
    validate, test = (
        leader.metrics[split]["metrics"][metric] for split in ("validate", "test")
    )
    if None in (validate["value"], test["value"]):
        return
    if validate["low"] > test["high"]:
        yield (
            "That validate is representative of new parts: the "
            f"{METRICS[metric].title} is {percent(validate)} on validate and "
            f"{percent(test)} on test."
        )


def _about_training(runs):
    seeds = {run.config["seed"] for run in runs}
    models = [run.config["model"] for run in runs]
    if len(seeds) == 1 or len(set(models)) == len(models):
        yield (
            "How much the results depend on the seed: each model was trained with "
            "one seed, and another seed would give somewhat different figures."
        )
    notes = {}
    for run in runs:
        for note in [*run.config.get("warnings", []), *run.config["notes"]]:
            notes.setdefault(note, set()).add(run.config["model"])
    for note, noted in notes.items():
        yield f"Note on {listed(sorted(noted))}: {note.rstrip('.')}."
