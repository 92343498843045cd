"""The members of an ensemble, with tables aligned by sample and class name."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from evaluation.predictions import probabilities_of
from evaluation.run_folder import Run
from goodparts.command import InputError

DEFECTIVE = "defective"  # every other class, to members that give scores alone


class Members(NamedTuple):
    """The outputs of the members, in an order independent of the command line.

    Attributes:
        classifiers, detectors: The runs, sorted by name; a detector only returns defect
            scores.
        samples: Table with sample_id, label, split and group of `validate` and
            `test`, sorted by sample_id.
        classes: Class names, sorted; without classifiers the normal class and
            DEFECTIVE.
        normal_class: The class of good parts; None if there is none.
        probabilities: `(classifiers, samples, classes)`.
        defect_scores: `(detectors, samples)`.
    """

    classifiers: list[Run]
    detectors: list[Run]
    samples: pd.DataFrame
    classes: list[str]
    normal_class: str | None
    probabilities: np.ndarray
    defect_scores: np.ndarray

    @property
    def runs(self) -> list[Run]:
        return [*self.classifiers, *self.detectors]

    @property
    def targets(self) -> np.ndarray:
        """Index of the class of each sample."""
        labels = self.samples["label"].to_numpy(str)
        if self.classifiers:
            return np.searchsorted(self.classes, labels)
        return (labels != self.normal_class).astype(int)

    @property
    def has_defects(self) -> bool:
        """Whether validate has defects or classes from which a combiner can learn."""
        if self.normal_class is None:
            return True
        is_validate = (self.samples["split"] == "validate").to_numpy()
        return bool((self.targets != self.normal)[is_validate].any())

    @property
    def normal(self) -> int:
        """Index of the class of good parts; 0 if there is none."""
        if self.normal_class is None:
            return 0
        return self.classes.index(self.normal_class)


def align(runs: Sequence[Run]) -> Members:
    """Brings the tables of runs to the same samples and classes.

    Args:
        runs: Two or more.

    Raises:
        InputError: If a run is given twice, members differ in samples or classes, or
            validate lacks a class of the classifiers.
    """
    if len(runs) < 2:
        raise InputError("An ensemble needs at least two runs.")
    folders = [run.folder.resolve() for run in runs]
    for index, run in enumerate(runs):
        if folders[index] in folders[:index]:
            raise InputError(f"{run.name} is given twice. Give each run once.")
    runs = sorted(runs, key=lambda run: (run.name, str(run.folder.resolve())))
    classifiers = [run for run in runs if "classes" in run.outputs]
    detectors = [run for run in runs if "classes" not in run.outputs]
    first, *others = classifiers + detectors
    classes = sorted(first.config["classes"])
    samples = _judged(first)[["sample_id", "label", "split", "group"]]
    for run in others:
        _check_alike(first, samples, run, _judged(run))
    probabilities = [probabilities_of(_judged(run), classes) for run in classifiers]
    scores = [_judged(run)["defect_score"].to_numpy(np.float64) for run in detectors]
    labels = samples["label"][samples["split"] == "validate"]
    missing = sorted(set(classes) - set(labels))
    if classifiers and missing:
        raise InputError(
            f"validate has no images of {', '.join(missing)}, so a combiner cannot "
            "learn this class. Split again so that every class is in validate, and "
            "train again."
        )
    return Members(
        classifiers=classifiers,
        detectors=detectors,
        samples=samples,
        classes=classes if classifiers else [first.config["normal_class"], DEFECTIVE],
        normal_class=first.config["normal_class"],
        probabilities=np.array(probabilities),
        defect_scores=np.array(scores).reshape(len(scores), len(samples)),
    )


def _judged(run):
    table = run.predictions
    table = table[table["split"].isin(["validate", "test"])]
    return table.sort_values("sample_id", ignore_index=True)


def _check_alike(first, samples, run, table):
    """Raises InputError with the first sample or class that differs."""

    def refuse(what):
        raise InputError(
            f"{first.name} and {run.name} were trained on different data sets or "
            f"splits: {what}. Train all members on the same one."
        )

    classes, others = set(first.config["classes"]), set(run.config["classes"])
    if classes != others:
        refuse(f"class {min(classes ^ others)!r} is in only one of them")
    if first.config["normal_class"] != run.config["normal_class"]:
        refuse(
            f"the normal class is {run.config['normal_class']!r} in only one of them"
        )
    only = set(samples["sample_id"]) ^ set(table["sample_id"])
    if only:
        refuse(f"sample {min(only)!r} is in only one of them")
    for column in samples.columns:
        differs = (samples[column] != table[column]).to_numpy()
        if differs.any():
            values = samples[column][differs].iloc[0], table[column][differs].iloc[0]
            sample = samples["sample_id"][differs].iloc[0]
            refuse(f"{column} of {sample!r} is {values[0]!r} and {values[1]!r}")
