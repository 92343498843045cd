"""Combines finished runs: fitted on `validate`, reported on `test`.

    pipenv run ensemble RUN RUN... [--combine hard soft weighted svm]

Seconds. It reads the members' prediction tables alone. Every combiner becomes a run
folder of its own, like any other model's.
"""

import argparse
from pathlib import Path

import numpy as np

from ensemble.combiners import COMBINERS, combine, fit_combiner
from evaluation.predictions import (
    Predictor,
    classifier_prediction,
    predictions_table,
    probabilities_of,
)
from evaluation.runs import read_run, start_run, write_results
from evaluation.svm import load_svm, save_svm
from preprocessing.command import InputError, run_command
from preprocessing.files import read_json, write_json
from preprocessing.manifest import read_dataset
from preprocessing.split import grouped_folds


def train(members, *, combiner, runs="runs", seed=0):
    """Fits one combiner over finished runs and writes its run folder.

    The predictions of `validate` in the new run are out of fold, as the combiner
    has learnt from them; those of `test` come from all of `validate`.

    Args:
        members: Run folders of classifiers trained on the same data set.
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
    dataset = read_dataset(config["dataset_folder"])
    with start_run(
        runs,
        model=f"ensemble_{combiner}",
        family="ensemble",
        dataset=dataset,
        arguments={"combine": combiner},
        seed=seed,
    ) as run:
        run.config["members"] = [str(member.folder.resolve()) for member in members]
        fitted, combined = _cross_fit(combiner, samples, probabilities, classes, seed)
        _save(run, combiner, fitted, members)
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
        InputError: If members are of other data sets, or lack samples or classes.
    """
    if len(members) < 2:
        raise InputError("An ensemble needs at least two runs.")
    first, *others = members
    for other in others:
        if other.config["manifest_sha256"] != first.config["manifest_sha256"]:
            raise InputError(
                f"{first.name} and {other.name} were trained on different data sets "
                "or splits. Train all members on one and the same."
            )
    samples = first.predictions.set_index("sample_id", drop=False)
    classes, tables = first.config["classes"], []
    for member in members:
        table = member.predictions.set_index("sample_id")
        lacking = samples.index.difference(table.index)
        if len(lacking):
            raise InputError(f"{member.name} has no prediction of {lacking[0]!r}.")
        tables.append(probabilities_of(table.loc[samples.index], classes))
    return samples.reset_index(drop=True), np.stack(tables)


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
        weights = read_json(run_folder / "weights.json")
        fitted = np.array([weights[Path(name).name] for name in config["members"]])
    elif combiner == "svm":
        fitted = load_svm(run_folder / "svm.npz")

    def predict(images):
        answers = [_ask(member, images, classes) for member in members]
        combined = combine(combiner, np.stack(answers), fitted, classes)
        return classifier_prediction(combined, classes, config["normal_class"])

    largest = max((member.image_size for member in members), key=np.prod)
    return Predictor(classes, config["normal_class"], largest, predict)


def _ask(member, images, classes):
    answer = member.predict(images)
    places = [list(member.classes).index(name) for name in classes]
    return answer.probabilities[:, places]


def _cross_fit(combiner, samples, probabilities, classes, seed):
    """Fits on validate; its own rows are predicted out of fold."""
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
    folds = grouped_folds(labels[validate], groups[validate], seed=seed)
    for fold in range(folds.max() + 1 if folds.any() else 0):
        judged, rest = validate[folds == fold], validate[folds != fold]
        answers = combine(combiner, probabilities[:, judged], fit(rest), classes)
        combined[judged] = answers
    return fitted, combined


def _save(run, combiner, fitted, members):
    if combiner == "weighted":
        weights = {
            member.name: float(weight)
            for member, weight in zip(members, fitted, strict=True)
        }
        write_json(run.folder / "weights.json", weights)
    elif combiner == "svm":
        save_svm(run.folder / "svm.npz", fitted)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("members", nargs="+", metavar="RUN", help="run folders")
    parser.add_argument("--combine", nargs="+", choices=COMBINERS, default=COMBINERS)
    parser.add_argument("--runs", default="runs", help="folder of all run folders")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for combiner in arguments.combine:
        run = train(
            arguments.members,
            combiner=combiner,
            runs=arguments.runs,
            seed=arguments.seed,
        )
        print(run)


if __name__ == "__main__":
    run_command(main)
