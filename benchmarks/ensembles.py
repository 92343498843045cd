"""Members, every way to combine them, and the time that takes, on real parts.

    REAL_DATA=... KERAS_HOME=... python3 benchmarks/ensembles.py --work DIR

Half an hour on two cores, a few minutes after `transfer_learning.py` with the same work
folder, whose trainings are used. `parts`, `reference` and `speed` can be named to run
a part. `reference` are the published answers of four networks on MVTec bottle, whose
test images are not grouped: their intervals are too narrow.
"""

import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
from figures import QUICK, real_data, run_parts, sized
from transfer_learning import bottles, magnetic_tile, screw

from ensemble.combiners import COMBINERS
from ensemble.contributions import describe
from ensemble.cross_fit import choose_combiner, cross_fit
from ensemble.members import Members
from ensemble.train import train, train_all
from evaluation.predictions import predictions_table
from evaluation.predictor import classifier_prediction, found_outputs
from evaluation.run_folder import Run, write_results
from evaluation.run_writer import start_run
from goodparts.command import run_command
from goodparts.files import read_json
from models import family

DATASETS = {  # name -> how `transfer_learning.py` makes it and trains its mobilenetv2
    "bottles-chronological": lambda work: bottles(work, "chronological"),
    "magnetic_tile-0": lambda work: magnetic_tile(work, 0),
    "screw": screw,
}
NUM_DATASETS, EPOCHS = sized((len(DATASETS), 10), (1, 1))
NUM_ROWS, NUM_MEMBERS, NUM_COMBINERS = sized((100_000, 8, len(COMBINERS)), (400, 2, 2))


def members_of(name, work):
    """Run folders by model; what is not there yet is trained."""
    runs, data = work / "runs", work / "dataset" / name
    if not list(runs.glob(f"*-mobilenetv2-{name}-1")):
        DATASETS[name](work)
    members = {"mobilenetv2": sorted(runs.glob(f"*-mobilenetv2-{name}-1"))[0]}
    for model, options in (("small_cnn", QUICK | {"epochs": EPOCHS}), ("bovw", {})):
        members[model] = next(runs.glob(f"*-{model}-{name}-1"), None) or (
            family(model).train(model=model, data=data, runs=runs, **options)
        )
    return members


def rows_of(found, name, names):
    """A row of each member and combiner from what ensemble.json says."""
    about = {"data": name}
    for member in found["members"]:
        yield about | {
            "kind": "member",
            "name": names[member["member"]],
            **_interval(found["metric"], member["test"]),
            **_interval("gain_by_it", member["gain"]),
        }
    for row in found["combiners"]:
        yield about | {
            "kind": "combiner",
            "name": row["combiner"],
            "is_chosen": row["combiner"] == found["chosen"],
            "validate_log_loss": round(row["validate_log_loss"], 4),
            **_interval(found["metric"], row["test"]),
            **_interval("accuracy", row["test_accuracy"]),
        }
    yield about | {
        "kind": "best member",
        "name": names[found["best_member"]],
        **_interval("gain_over_it", found["gain"]),
        **_interval("oracle", found["oracle"]),
    }


def _interval(name, found):
    if found is None:
        return {}
    ends = {f"{name}_{end}": round(found[end], 4) for end in ("low", "high")}
    return {name: round(found["value"], 4)} | ends


def parts(work):
    rows = []
    for name in list(DATASETS)[:NUM_DATASETS]:
        members = members_of(name, work)
        run = train(members.values(), runs=work / "ensembles")
        names = {folder.name: model for model, folder in members.items()}
        rows += rows_of(read_json(run / "ensemble.json"), name, names)
    return rows


def reference(work):
    """The published answers of four models, validate and test as they were split."""
    del work
    folder = real_data("reference_ensemble") / "bottle"
    meta = json.loads((folder / "meta.json").read_text())
    splits = {"validate": "val_new", "test": "test_new"}
    answers = [np.load(folder / f"{part}_aligned.npy") for part in splits.values()]
    labels = [np.load(folder / f"{part}_labels.npy") for part in splits.values()]
    classes = np.array(meta["test_new"]["label_names"])
    order = np.argsort(classes)
    count = sum(map(len, labels))
    ids = [f"{number:04d}" for number in range(count)]
    samples = pd.DataFrame(
        {
            "sample_id": ids,
            "label": classes[np.concatenate(labels)],
            "split": np.repeat(list(splits), [len(each) for each in labels]),
            "group": ids,
        }
    )
    names = meta["test_new"]["models"]
    members = Members(
        classifiers=[Run(Path(name), {}) for name in names],
        detectors=[],
        samples=samples,
        classes=classes[order].tolist(),
        normal_class="good",
        probabilities=np.concatenate(answers).transpose(1, 0, 2)[:, :, order],
        defect_scores=np.zeros((0, count)),
    )
    fit = cross_fit(members, list(COMBINERS))
    found = describe(members, fit, choose_combiner(fit))
    return list(
        rows_of(found, "reference bottle", dict(zip(names, names, strict=True)))
    )


def speed(work):
    """Seconds of every combiner over 8 members of 100,000 rows, as `--combine all`."""
    classes = ["bad_a", "bad_b", "bad_c", "good"]
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, NUM_ROWS)
    ids = [f"{number:06d}" for number in range(NUM_ROWS)]
    samples = pd.DataFrame(
        {
            "sample_id": ids,
            "label": np.array(classes)[labels],
            "split": np.where(random.random(NUM_ROWS) < 0.5, "validate", "test"),
            "group": ids,
        }
    )
    about = {
        "dataset": "random",
        "dataset_folder": "",
        "manifest_sha256": "",
        "classes": classes,
        "normal_class": "good",
    }
    members = []
    for number in range(NUM_MEMBERS):
        logits = 1.5 * random.normal(size=(NUM_ROWS, 4))
        logits[np.arange(NUM_ROWS), labels] += 1 + 0.3 * number
        odds = np.exp(logits)
        prediction = classifier_prediction(
            odds / odds.sum(1, keepdims=True), classes, "good"
        )
        with start_run(
            work / "random",
            model=f"random{number}",
            family="bovw",
            dataset=about,
            arguments={},
            seed=0,
        ) as run:
            run.config["outputs"] = found_outputs(prediction)
            table = predictions_table(samples, prediction, classes)
            write_results(run.folder, table, run.config)
        members.append(run.folder)
    started = time.perf_counter()
    tried = list(COMBINERS)[:NUM_COMBINERS]
    made = list(train_all(members, tried, runs=work / "random"))
    seconds = round(time.perf_counter() - started, 1)
    return [
        {
            "what": "--combine all",
            "num_rows": NUM_ROWS,
            "num_members": NUM_MEMBERS,
            "num_combiners": len(made),
            "s": seconds,
        }
    ]


PARTS = {
    "parts": lambda once: once(parts),
    "reference": lambda once: once(reference),
    "speed": lambda once: once(speed),
}


def main():
    run_parts("ensembles", PARTS, __doc__.split("\n")[0])


if __name__ == "__main__":
    run_command(main)
