"""Members of an ensemble: their tables on the same samples and classes, by name."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from evaluation.predictions import probabilities_of
from evaluation.run_folder import Run
from goodparts.command import InputError


class Members(NamedTuple):
    """What the members said, in an order that does not depend on how they were given.

    Attributes:
        classifiers, detectors: The runs, sorted by name; a detector gives defect
            scores only.
        samples: Table with sample_id, label, split and group of `validate` and
            `test`, sorted by sample_id.
        classes: Class names, sorted.
        normal_class: The class of good parts.
        probabilities: `(classifiers, samples, classes)`.
        defect_scores: `(detectors, samples)`.
    """

    classifiers: list[Run]
    detectors: list[Run]
    samples: pd.DataFrame
    classes: list[str]
    normal_class: str
    probabilities: np.ndarray
    defect_scores: np.ndarray

    @property
    def runs(self):
        return [*self.classifiers, *self.detectors]

    @property
    def normal(self):
        """Index of the class of good parts."""
        return self.classes.index(self.normal_class)


def align(runs):
    """Brings the tables of runs to the same samples and classes.

    Args:
        runs: List of `Run`, one of them a classifier at least.

    Raises:
        InputError: If a run is given twice, members differ in samples or classes,
            none names classes, or validate lacks a class.
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
    if not classifiers:
        raise InputError(
            "An ensemble needs a member that names classes; these give defect scores "
            f"only: {', '.join(run.name for run in runs)}. Add a classifier."
        )
    first, *others = classifiers + detectors
    classes = sorted(first.config["classes"])
    table = _judged(first)
    samples = table[["sample_id", "label", "split", "group"]]
    probabilities, scores = [probabilities_of(table, classes)], []
    for run in others:
        table = _judged(run)
        _check_alike(first, samples, run, table)
        if run in classifiers:
            probabilities.append(probabilities_of(table, classes))
        else:
            scores.append(table["defect_score"].to_numpy(np.float64))
    labels = samples["label"][samples["split"] == "validate"]
    missing = sorted(set(classes) - set(labels))
    if missing:
        raise InputError(
            f"validate has no {', '.join(missing)}: nothing can be learnt there about "
            "telling it. Split again so that every class is in validate, and train."
        )
    return Members(
        classifiers=classifiers,
        detectors=detectors,
        samples=samples,
        classes=classes,
        normal_class=first.config["normal_class"],
        probabilities=np.stack(probabilities),
        defect_scores=np.array(scores).reshape(len(scores), len(samples)),
    )


def _judged(run):
    table = run.predictions
    table = table[table["split"].isin(["validate", "test"])]
    return table.sort_values("sample_id").reset_index(drop=True)


def _check_alike(first, samples, run, table):
    """Raises InputError that names the first sample or class that differs."""

    def refuse(what):
        raise InputError(
            f"{first.name} and {run.name} were trained on different data sets or "
            f"splits: {what}. Train all members on one and the same."
        )

    classes, others = set(first.config["classes"]), set(run.config["classes"])
    if classes != others:
        refuse(f"class {min(classes ^ others)!r} is in one only")
    if first.config["normal_class"] != run.config["normal_class"]:
        refuse(f"one takes {run.config['normal_class']!r} for the normal class")
    only = set(samples["sample_id"]) ^ set(table["sample_id"])
    if only:
        refuse(f"sample {min(only)!r} is in one only")
    for column in samples.columns:
        differs = (samples[column] != table[column]).to_numpy()
        if differs.any():
            values = samples[column][differs].iloc[0], table[column][differs].iloc[0]
            sample = samples["sample_id"][differs].iloc[0]
            refuse(f"{column} of {sample!r} is {values[0]!r} and {values[1]!r}")
