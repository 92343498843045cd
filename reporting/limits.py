"""What a report cannot conclude: sentences computed from the runs and their data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evaluation.comparison.leaderboard import leading_metric
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
        info: Content of dataset.json; empty where the folder is gone.
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
            f"Which of {names} is the best: the test parts are too few, or the "
            "methods too alike, to tell them apart."
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
            f"How well {name} is found: it rests on only "
            f"{counted(few[name]['num_groups'], 'test group')}, and its recall is "
            f"{percent(few[name]['recall'])}."
        )
    rest = weakest[MAX_WEAK_CLASSES:]
    if rest:
        yield f"Likewise with fewer than {FEW_GROUPS} test groups each: {listed(rest)}."
    absent = [
        name for name, values in test["per_class"].items() if not values["num_groups"]
    ]
    if absent:
        yield f"Anything about {listed(absent)}: test has no such part."


def _about_groups(leader):
    sizes = leader.split("test")["group"].value_counts()
    if len(sizes) > 1 and sizes.iloc[0] > LARGE_SHARE * sizes.sum():
        yield (
            f"That the test images are independent: the largest group, "
            f"{sizes.index[0]}, holds {sizes.iloc[0]} of the "
            f"{counted(sizes.sum(), 'test image')}."
        )


def _about_split(info):
    leak = info.get("leak", 0)
    if leak > 0:
        yield (
            f"That new parts will do as well: {share(leak)} % of the validate and test "
            "images have a near-duplicate in train, so these numbers may be too good."
        )
    elif "leak" in info:
        yield (
            "That nothing leaks: no validate or test image has a copy in train. Looked "
            f"for: {COVERS}."
        )
    guess = info.get("neighbour_guess")
    if guess and guess["is_clear"]:
        yield (
            "That parts are kept apart: a nearest neighbour in train names the class "
            f"of {share(guess['judged'])} % of the judged images, of held-out groups "
            f"of train {share(guess['held_out'])} %, so parts may lie on both sides."
        )
    grouping, protocol = info.get("grouping"), info.get("protocol")
    if protocol == "official":
        yield (
            "That parts are kept apart: the split is the one its publisher made, not "
            "one by part."
        )
    elif grouping == "none":
        yield (
            "That parts are kept apart: images were split one by one, so pictures of "
            "one part may lie on both sides."
        )
    if grouping in IN_TIME:
        yield (
            "What happens on another day, camera or light: the images of a class "
            "follow each other in one recording."
        )


def _about_threshold(leader):
    if "score" not in leader.outputs:
        return
    validate = leader.split("validate")
    good = validate[validate["label"] == leader.config["normal_class"]]
    num_groups = good["group"].nunique()
    if num_groups:
        yield (
            "A rate of falsely rejected good parts below about "
            f"{share(1 / num_groups)} %: the threshold "
            f"({leader.threshold_record['rule']}) rests on "
            f"{counted(num_groups, 'group')} of good parts."
        )
    if leader.metrics["test"]["metrics"]["miss_rate"]["value"] is None:
        yield "How many defects are missed: test has no defective part."
    on_validate, on_test = (
        leader.metrics[split]["metrics"]["false_reject_rate"]
        for split in ("validate", "test")
    )
    if on_test["value"] is not None and on_test["low"] > (on_validate["value"] or 0):
        yield (
            "That the threshold keeps its promise: it rejects "
            f"{percent(on_test)} of the good parts of test, against "
            f"{share(on_validate['value'] or 0)} % of those of validate."
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
            f"That validate stands for what comes: the score there is "
            f"{percent(validate)}, on test {percent(test)}."
        )


def _about_training(runs):
    seeds = {run.config["seed"] for run in runs}
    models = [run.config["model"] for run in runs]
    if len(seeds) == 1 or len(set(models)) == len(models):
        yield (
            "How much luck is in a training: each model was trained with one seed, and "
            "another would give somewhat other numbers."
        )
    notes = {}
    for run in runs:
        for note in [*run.config.get("warnings", []), *run.config["notes"]]:
            notes.setdefault(note, set()).add(run.config["model"])
    for note, noted in notes.items():
        yield f"Note of {listed(sorted(noted))}: {note.rstrip('.')}."
