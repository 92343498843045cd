"""The summary of a report: the best method, its quality, and how certain that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evaluation.predictions import has_both_kinds
from evaluation.wording import counted, known, percent, share
from reporting.advice import advice

if TYPE_CHECKING:
    from evaluation.run_folder import Run


def headline(
    dataset_name: str, leader: Run, result: dict[str, Any], *, leak: float = 0
) -> list[str]:
    """Two or three sentences in plain words, with the technical terms in brackets.

    Args:
        dataset_name: What to call the data set.
        leader: The run that is best on validate.
        result: The `verdict` of the runs.
        leak: Share of validate and test images with a near-duplicate in train.
    """
    if not result["is_ranked"]:
        return [advice(result)]
    test = leader.metrics["test"]
    first = _by_class if "classes" in leader.outputs else _by_score
    tested = (
        f"on {counted(test['num_samples'], 'test image')} in "
        f"{counted(test['num_groups'], 'group')}"
    )
    said = first(result["name"], dataset_name, leader, tested)
    if leak > 0:
        said += (
            f" Caution: {share(leak)} % of the validate and test images have a "
            "near-duplicate in train, so these figures may be too optimistic."
        )
    return [said, advice(result), result["text"]]


def _by_class(name, dataset_name, leader, tested):
    """ "of 100 images" is the mean recall; macro-F1 cannot be expressed in this way."""
    test = leader.metrics["test"]
    values = test["metrics"]
    present = [each for each in test["per_class"].values() if each["num_samples"]]
    return (
        f"{name} classifies {_of_100(values['balanced_accuracy'])} images of "
        f"{dataset_name} correctly, averaged over {counted(len(present), 'class')}, "
        f"{tested} [balanced accuracy {percent(values['balanced_accuracy'])}, "
        f"macro-F1 {percent(values['macro_f1'])}]."
    )


def _by_score(name, dataset_name, leader, tested):
    values = leader.metrics["test"]["metrics"]
    auroc = values["auroc"]
    if not has_both_kinds(leader.split("test"), leader.config["normal_class"]):
        return (
            f"{name} rejects {known(values['false_reject_rate'])} of the good parts "
            f"and misses {known(values['miss_rate'])} of the defects of "
            f"{dataset_name}, {tested}; test has only good or only defective parts."
        )
    return (
        f"{name} gives the defective part the higher score in {_of_100(auroc)} pairs "
        f"of a defective and a good part of {dataset_name}, {tested} [AUROC "
        f"{percent(auroc)}]."
    )


def _of_100(interval):
    if interval["value"] is None:
        return "an unknown share of"
    return f"{share(interval['value'])} of 100"
