"""Combines finished runs: fitted on `validate`, reported on `test`.

    pipenv run ensemble RUN RUN... [--combine hard soft weighted svm]

Seconds. It reads the members' prediction tables alone. Every combiner becomes a run
folder of its own, like any other model's.
"""

import argparse
from pathlib import Path

import numpy as np

from ensemble.combiners import COMBINERS, combine, fit_combiner
from evaluation.new_run import start_run
from evaluation.predictions import (
    Predictor,
    classifier_prediction,
    predictions_table,
    probabilities_of,
)
from evaluation.runs import read_run, write_results
from evaluation.svm import load_svm, save_svm
from preprocessing.command import InputError, run_command, seed
from preprocessing.files import read_json, write_json
from preprocessing.split import grouped_folds

LEARNERS = ("weighted", "svm")  # the other combiners learn nothing


def train(members, *, combiner, runs="runs", seed=0):
    """Fits one combiner over finished runs and writes its run folder.

    The predictions of `validate` in the new run are out of fold, as the combiner
    has learnt from them; those of `test` come from all of `validate`. The data set's
    folder is not read.

    Args:
        members: Run folders of classifiers trained on the same split of a data set,
            with or without augmented copies.
        combiner: One of COMBINERS.
        runs: Folder of all run folders.
        seed: Of the folds.

    Returns:
        Path of the run folder.
    """
    members = [read_run(member) for member in members]
    samples, probabilities = align(members)
    config = members[0].config
    classes, normal_class = config["classes"], config["normal_class"]
    with start_run(
        runs,
        model=f"ensemble_{combiner}",
        family="ensemble",
        dataset=config,
        arguments={"combine": combiner},
        seed=seed,
    ) as run:
        run.config["members"] = [_member_path(member, runs) for member in members]
        fitted, combined, notes = _cross_fit(
            combiner, samples, probabilities, classes, seed
        )
        run.config["notes"] += notes
        _save(run, combiner, fitted)
        prediction = classifier_prediction(combined, classes, normal_class)
        table = predictions_table(samples, prediction, classes)
        write_results(run.folder, table, classes=classes, normal_class=normal_class)
    return run.folder


def align(members):
    """Brings the members' tables to the same samples and classes, by name.

    Args:
        members: List of `Run`.

    Returns:
        The samples' table, and probabilities `(members, samples, classes)`.

    Raises:
        InputError: If a run is given twice, or members differ in samples or classes.
    """
    if len(members) < 2:
        raise InputError("An ensemble needs at least two runs.")
    folders = [member.folder.resolve() for member in members]
    for index, member in enumerate(members):
        if folders[index] in folders[:index]:
            raise InputError(f"{member.name} is given twice. Give each run once.")
    first = members[0]
    samples, tables = _samples(first), []
    for member in members:
        _check_alike(first, samples, member)
        table = member.predictions.set_index("sample_id").loc[samples["sample_id"]]
        tables.append(probabilities_of(table, first.config["classes"]))
    return samples, np.stack(tables)


def load_predictor(run_folder, members):
    """Loads an ensemble as a `Predictor`.

    Args:
        run_folder: Of the ensemble.
        members: Loaded predictors of its members, in the order of config.json.
    """
    run_folder = Path(run_folder)
    config = read_run(run_folder).config
    combiner, classes = config["arguments"]["combine"], config["classes"]
    fitted = None
    if combiner == "weighted":
        fitted = np.array(read_json(run_folder / "weights.json"))
    elif combiner == "svm":
        fitted = load_svm(run_folder / "svm.npz")

    def predict(images):
        answers = [_ask(member, images, classes) for member in members]
        combined = combine(combiner, np.stack(answers), fitted, classes)
        return classifier_prediction(combined, classes, config["normal_class"])

    largest = max((member.image_size for member in members), key=np.prod)
    return Predictor(classes, config["normal_class"], largest, predict)


def _samples(run):
    table = run.predictions[["sample_id", "label", "split", "group"]]
    return table[table["split"].isin(["validate", "test"])].reset_index(drop=True)


def _check_alike(first, samples, member):
    """Raises InputError that names the first sample or class that differs."""

    def refuse(what):
        raise InputError(
            f"{first.name} and {member.name} were trained on different data sets or "
            f"splits: {what}. Train all members on one and the same."
        )

    classes, others = set(first.config["classes"]), set(member.config["classes"])
    if classes != others:
        refuse(f"class {min(classes ^ others)!r} is in one only")
    if first.config["normal_class"] != member.config["normal_class"]:
        refuse(f"one takes {member.config['normal_class']!r} for the normal class")
    expected = samples.set_index("sample_id")
    found = _samples(member).set_index("sample_id")
    only = set(expected.index) ^ set(found.index)
    if only:
        refuse(f"sample {min(only)!r} is in one only")
    found = found.loc[expected.index]
    for column in expected.columns:
        differs = (expected[column] != found[column]).to_numpy()
        if differs.any():
            values = expected[column][differs].iloc[0], found[column][differs].iloc[0]
            sample = expected.index[differs][0]
            refuse(f"{column} of {sample!r} is {values[0]!r} and {values[1]!r}")


def _member_path(member, runs):
    """Relative to the ensemble's folder where they will lie side by side."""
    folder = member.folder.resolve()
    is_beside = folder.parent == Path(runs).resolve()
    return f"../{folder.name}" if is_beside else str(folder)


def _ask(member, images, classes):
    answer = member.predict(images)
    places = [list(member.classes).index(name) for name in classes]
    return answer.probabilities[:, places]


def _cross_fit(combiner, samples, probabilities, classes, seed):
    """Fits on validate; its own rows are predicted out of fold.

    Returns:
        What was fitted, the combined probabilities of all samples, and notes.
    """
    validate = np.flatnonzero(samples["split"] == "validate")
    labels = samples["label"].to_numpy(str)
    groups = samples["group"].to_numpy(str)

    def fit(rows):
        return fit_combiner(
            combiner, probabilities[:, rows], labels[rows], groups[rows], classes,
            seed=seed,
        )  # fmt: skip

    fitted = fit(validate)
    combined = combine(combiner, probabilities, fitted, classes)
    if combiner not in LEARNERS:
        return fitted, combined, []
    folds = grouped_folds(labels[validate], groups[validate], seed=seed)
    for fold in range(folds.max() + 1):
        judged, rest = validate[folds == fold], validate[folds != fold]
        answers = combine(combiner, probabilities[:, judged], fit(rest), classes)
        combined[judged] = answers
    return fitted, combined, _notes((folds < 0).sum(), len(folds))


def _notes(num_seen, num_all):
    if not num_seen:
        return []
    return [
        f"{num_seen} of the {num_all} validate images are judged by a combiner that "
        "has learnt from them, as their class has too few groups to hold one out"
    ]


def _save(run, combiner, fitted):
    if combiner == "weighted":
        write_json(run.folder / "weights.json", fitted.tolist())
    elif combiner == "svm":
        save_svm(run.folder / "svm.npz", fitted)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("members", nargs="+", metavar="RUN", help="run folders")
    parser.add_argument("--combine", nargs="+", choices=COMBINERS, default=COMBINERS)
    parser.add_argument("--runs", default="runs", help="folder of all run folders")
    parser.add_argument("--seed", type=seed, default=0)
    arguments = parser.parse_args()
    for combiner in dict.fromkeys(arguments.combine):
        run = train(
            arguments.members,
            combiner=combiner,
            runs=arguments.runs,
            seed=arguments.seed,
        )
        print(run)


if __name__ == "__main__":
    run_command(main)
