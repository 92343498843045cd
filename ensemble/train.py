"""Combines finished runs: fitted on `validate`, reported on `test`.

    goodparts ensemble RUN RUN... [--combine soft,hard,product,... | all]

It takes seconds and only reads the members' prediction tables. Without --combine every
combiner is tried, and the simplest that is as good as the best on `validate`, out of
fold, becomes a run folder like any other model's.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ensemble.combination import Combination, combine_predictions, last_frames
from ensemble.combiners import COMBINERS
from ensemble.contributions import describe
from ensemble.cross_fit import choose_combiner, cross_fit
from ensemble.evidence import map_ranges, write_evidence
from ensemble.members import align
from evaluation.predictions import predictions_table
from evaluation.predictor import Prediction, Predictor, classifier_prediction
from evaluation.run_folder import member_folders, read_run, write_results
from evaluation.run_writer import start_run
from goodparts.arrays import read_arrays
from goodparts.command import InputError
from goodparts.files import PathLike, read_json, write_json
from preprocessing.manifest import find_unchanged

WITHOUT_DEFECTS = "soft"


def train(
    members: Sequence[PathLike],
    *,
    combiner: str | None = None,
    runs: PathLike = "runs",
    seed: int = 0,
) -> Path:
    """Fits one combiner over finished runs and writes its run folder.

    The predictions for `validate` in the new run are out of fold, because the combiner
    is fitted to them; those for `test` come from the combiner fitted on all of
    `validate`. The folder of the data set is not read. `ensemble.json` contains what
    each member adds to the combiner that was chosen.

    Args:
        members: Run folders trained on the same split of a data set, with or without
            augmented copies; one-class detectors, which only return scores, are allowed
            too.
        combiner: A key of COMBINERS; if None, chosen on `validate`.
        runs: Folder of all run folders.
        seed: Seed of the folds.

    Returns:
        Path of the run folder.
    """
    aligned = align([read_run(member) for member in members])
    names = _combiners(aligned, None if combiner is None else [combiner])
    fit = cross_fit(aligned, names, seed=seed)
    found = describe(aligned, fit, choose_combiner(fit))
    return _write(aligned, fit, found, combiner or found["chosen"], runs, seed)


def train_all(
    members: Sequence[PathLike],
    combiners: Sequence[str],
    *,
    runs: PathLike = "runs",
    seed: int = 0,
) -> Iterator[Path]:
    """Like `train`, a run folder for each of several combiners; yields their paths."""
    aligned = align([read_run(member) for member in members])
    fit = cross_fit(aligned, _combiners(aligned, combiners), seed=seed)
    found = describe(aligned, fit, choose_combiner(fit))
    for name in combiners:
        yield _write(aligned, fit, found, name, runs, seed)


def _combiners(members, names):
    """The names, or all if None; only "soft" if validate has no defects."""
    if members.has_defects:
        return list(COMBINERS) if names is None else names
    if names not in (None, [WITHOUT_DEFECTS]):
        raise InputError(
            "validate has no defective parts from which a combiner could learn. Use "
            f"--combine {WITHOUT_DEFECTS}, or omit --combine."
        )
    return [WITHOUT_DEFECTS]


def _write(members, fit, found, combiner, runs, seed):
    config = members.runs[0].config
    with start_run(
        runs,
        model=f"ensemble_{combiner}",
        family="ensemble",
        dataset=config | {"classes": sorted(config["classes"])},
        arguments={"combine": combiner},
        seed=seed,
    ) as run:
        run.config["members"] = [_member_path(member, runs) for member in members.runs]
        run.config["notes"] += _notes(members, (fit.folds < 0).sum(), len(fit.folds))
        write_json(run.folder / "calibration.json", fit.calibrations)
        np.savez_compressed(run.folder / "combiner.npz", **fit.learnt[combiner])
        write_json(run.folder / "ensemble.json", found)
        combined = fit.combined[combiner]
        prediction = Prediction(combined[:, 1])
        if members.classifiers:
            prediction = classifier_prediction(
                combined, members.classes, members.normal_class
            )
        table = predictions_table(members.samples, prediction, members.classes)
        run.config |= write_evidence(run.folder, members.runs, table)
        write_results(run.folder, table, run.config, find_unchanged(config))
    return run.folder


def load_predictor(run_folder: PathLike, members: Sequence[Predictor]) -> Predictor:
    """Loads an ensemble as a `Predictor`.

    Args:
        run_folder: Folder of the ensemble.
        members: Loaded predictors of its members, in the order of config.json.
    """
    run = read_run(run_folder)
    learnt = read_arrays(run.folder / "combiner.npz")
    combination = Combination(
        run.config["classes"],
        run.config["normal_class"],
        run.config["arguments"]["combine"],
        read_json(run.folder / "calibration.json"),
        learnt,
        map_ranges(read_run(folder) for folder in member_folders(run)),
    )
    num_frames = max(member.num_frames for member in members)

    def predict(images):
        said = [
            member.predict(last_frames(images, member.num_frames)) for member in members
        ]
        classes = [member.classes for member in members]
        return combine_predictions(combination, said, classes)

    sizes = [member.image_size for member in members if member.image_size]
    needs_whole = len(sizes) < len(members)
    return Predictor(
        run.config["classes"],
        run.config["normal_class"],
        None if needs_whole else max(sizes, key=lambda size: size[0] * size[1]),
        predict,
        num_frames=num_frames,
    )


def _member_path(member, runs):
    """Relative to the folder of the ensemble if both are in the same folder of runs."""
    folder = member.folder.resolve()
    is_beside = folder.parent == Path(runs).resolve()
    return f"../{folder.name}" if is_beside else str(folder)


def _notes(members, num_seen, num_all):
    if not members.has_defects:
        return [
            "validate has no defective parts, so the combiner was not fitted to any"
        ]
    if not num_seen:
        return []
    return [
        f"{num_seen} of the {num_all} validate images are predicted by a combiner "
        "that was fitted to them, because their class has too few groups to hold one "
        "out"
    ]
