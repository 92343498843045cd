"""Combines finished runs: fitted on `validate`, reported on `test`.

    pipenv run ensemble RUN RUN... [--combine soft,hard,product,... | all]

Seconds. It reads the members' prediction tables alone. Without --combine every
combiner is tried, and the simplest that is as good as the best on `validate`, out of
fold, becomes a run folder like any other model's.
"""

import argparse
import textwrap
from pathlib import Path

import numpy as np

from ensemble.combiners import COMBINERS, combine_members
from ensemble.contributions import describe
from ensemble.cross_fit import choose_combiner, cross_fit
from ensemble.members import align
from evaluation.comparison.leaderboard import WIDTH
from evaluation.comparison.paired import verdict
from evaluation.predictions import Predictor, classifier_prediction, predictions_table
from evaluation.run_folder import read_run, write_results
from evaluation.run_writer import start_run
from goodparts.command import InputError, run_command, seed
from goodparts.files import read_json, write_json
from reporting.advice import advice
from reporting.ensemble_text import ensemble_text


def train(members, *, combiner=None, runs="runs", seed=0):
    """Fits one combiner over finished runs and writes its run folder.

    The predictions of `validate` in the new run are out of fold, as the combiner
    has learnt from them; those of `test` come from all of `validate`. The data set's
    folder is not read. `ensemble.json` says what each member brings to the combiner
    that was chosen among those tried.

    Args:
        members: Run folders trained on the same split of a data set, with or without
            augmented copies; one-class detectors, which give scores alone, too.
        combiner: A key of COMBINERS; if None, chosen on `validate`.
        runs: Folder of all run folders.
        seed: Of the folds.

    Returns:
        Path of the run folder.
    """
    names = list(COMBINERS) if combiner is None else [combiner]
    aligned = align([read_run(member) for member in members])
    fit = cross_fit(aligned, names, seed=seed)
    found = describe(aligned, fit, choose_combiner(fit))
    return _write(aligned, fit, found, combiner or found["chosen"], runs, seed)


def train_all(members, combiners, *, runs="runs", seed=0):
    """Like `train`, a run folder for each of several combiners; yields their paths."""
    aligned = align([read_run(member) for member in members])
    fit = cross_fit(aligned, combiners, seed=seed)
    found = describe(aligned, fit, choose_combiner(fit))
    for name in combiners:
        yield _write(aligned, fit, found, name, runs, seed)


def _write(members, fit, found, combiner, runs, seed):
    config = members.classifiers[0].config
    with start_run(
        runs,
        model=f"ensemble_{combiner}",
        family="ensemble",
        dataset=config | {"classes": members.classes},
        arguments={"combine": combiner},
        seed=seed,
    ) as run:
        run.config["members"] = [_member_path(member, runs) for member in members.runs]
        run.config["notes"] += _notes((fit.folds < 0).sum(), len(fit.folds))
        write_json(run.folder / "calibration.json", fit.calibrations)
        np.savez_compressed(run.folder / "combiner.npz", **fit.learnt[combiner])
        write_json(run.folder / "ensemble.json", found)
        prediction = classifier_prediction(
            fit.combined[combiner], members.classes, members.normal_class
        )
        write_results(
            run.folder,
            predictions_table(members.samples, prediction, members.classes),
            classes=members.classes,
            normal_class=members.normal_class,
        )
    return run.folder


def load_predictor(run_folder, members):
    """Loads an ensemble as a `Predictor`.

    Args:
        run_folder: Of the ensemble.
        members: Loaded predictors of its members, in the order of config.json.
    """
    run_folder = Path(run_folder)
    config = read_run(run_folder).config
    combiner = COMBINERS[config["arguments"]["combine"]]
    calibrations = read_json(run_folder / "calibration.json")
    with np.load(run_folder / "combiner.npz", allow_pickle=False) as arrays:
        learnt = dict(arrays)
    classes, normal_class = config["classes"], config["normal_class"]

    def predict(images):
        said = [member.predict(images) for member in members]
        combined = combine_members(
            [(answer.defect_score, answer.probabilities) for answer in said],
            [member.classes for member in members],
            classes=classes,
            normal_class=normal_class,
            calibrations=calibrations,
            combiner=combiner,
            learnt=learnt,
        )
        return classifier_prediction(combined, classes, normal_class)

    largest = max((member.image_size for member in members), key=np.prod)
    return Predictor(classes, normal_class, largest, predict)


def _member_path(member, runs):
    """Relative to the ensemble's folder where they will lie side by side."""
    folder = member.folder.resolve()
    is_beside = folder.parent == Path(runs).resolve()
    return f"../{folder.name}" if is_beside else str(folder)


def _notes(num_seen, num_all):
    if not num_seen:
        return []
    return [
        f"{num_seen} of the {num_all} validate images are judged by a combiner that "
        "has learnt from them, as their class has too few groups to hold one out"
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("members", nargs="+", metavar="RUN", help="run folders")
    parser.add_argument(
        "--combine",
        metavar="NAME,...",
        help=f"of {', '.join(COMBINERS)}, or all; chosen on validate if left out",
    )
    parser.add_argument("--runs", default="runs", help="folder of all run folders")
    parser.add_argument("--seed", type=seed, default=0)
    arguments = parser.parse_args()
    options = {"runs": arguments.runs, "seed": arguments.seed}
    if arguments.combine is None:
        runs = [train(arguments.members, **options)]
    else:
        runs = list(train_all(arguments.members, _names(arguments.combine), **options))
    print(ensemble_text(read_json(runs[0] / "ensemble.json")))
    result = verdict([read_run(run) for run in (*runs, *arguments.members)])
    print(textwrap.fill(advice(result), WIDTH))
    for run in runs:
        print(run)


def _names(text):
    names = list(dict.fromkeys(text.split(",")))
    if names == ["all"]:
        names = list(COMBINERS)
    unknown = [name for name in names if name not in COMBINERS]
    if unknown:
        raise InputError(
            f"There is no combiner {unknown[0]!r}. Known are: "
            f"{', '.join(COMBINERS)}; or all."
        )
    return names


if __name__ == "__main__":
    run_command(main)
