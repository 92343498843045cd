"""How right transfer learning is, on real parts, and what helps.

    REAL_DATA=... KERAS_HOME=... python3 benchmarks/transfer_learning.py --work DIR

About an hour on two cores; `bottles`, `magnetic_tile`, `screw` and `ablation` can be
named to run a part. What helps is compared on `validate` of the bottles split in time;
the default recipe alone is judged on `test`. A job that has left its figures in the
work folder is not run again.
"""

import os
import shutil

import numpy as np
import pandas as pd
from figures import QUICK, real_data, run_parts, sized, summary_of
from linear_probe import probe_predictions

from classification.train import train
from evaluation.run_folder import read_run
from goodparts.command import run_command
from preprocessing.create_folders import create_folders
from preprocessing.data_augmentation import augment_dataset
from preprocessing.manifest import read_dataset, write_dataset
from preprocessing.splitting.split import grouped_folds, hold_out

NUM_FOLDS = sized(5, 2)
BOTTLES = {  # the splits of bottles
    "random, seed 42": {"grouping": "none", "shares": (0.7, 0.1, 0.2), "seed": 42},
    "near-duplicates": {"grouping": "near_duplicates"},
    "chronological": {"grouping": "chronological"} | sized({}, {"block": 1}),
}
ABLATION = {  # what is changed of the recipe, on bottles split in time
    "head alone": {"epochs": 0},
    "2 blocks fine-tuned": {"unfreeze": "0:2"},
    "alpha 0.35, 288 x 112": {"alpha": 0.35, "image_size": (288, 112)},
    "no augmentation": {},
}


def judge(tables, dataset, **about):
    """A row of figures of predictions, the weakest class among them."""
    table = pd.concat(tables, ignore_index=True)
    summary = summary_of(table, dataset)
    row = about | {
        "num_images": summary["num_samples"],
        "num_groups": summary["num_groups"],
        "num_wrong": int((table["predicted"] != table["label"]).sum()),
    }
    for metric in ("accuracy", "macro_f1"):
        found = summary["metrics"][metric]
        row |= {metric: round(found["value"], 4)}
        row |= {f"{metric}_{end}": round(found[end], 4) for end in ("low", "high")}
    recalls = {name: x["recall"]["value"] for name, x in summary["per_class"].items()}
    weakest = min(recalls, key=recalls.get)
    return row | {"weakest": weakest, "weakest_recall": round(recalls[weakest], 4)}


def predictions(dataset, split, work, **arguments):
    """Predictions of a split by mobilenetv2, and the run's seconds."""
    made = sorted((work / "runs").glob(f"*-mobilenetv2-{dataset.name}-1"))
    if arguments or not made:  # the recipe as it is was perhaps trained already
        made = [
            train(
                model="mobilenetv2",
                data=dataset.folder,
                runs=work / "runs",
                **QUICK | arguments,
            )
        ]
    run = read_run(made[0])
    table = run.predictions
    return table[table["split"] == split], run.config["wall_time_s"]


def probe_and_recipe(name, dataset, work, split_rule):
    table, seconds = predictions(dataset, "test", work)
    about = {"data": name, "split": split_rule, "judged_on": "test"}
    return [
        judge([probe_predictions(dataset, "test")], dataset, **about, method="probe"),
        judge([table], dataset, **about, method="mobilenetv2", train_s=seconds),
    ]


def bottles(work, rule):
    source = real_data("bottles")
    name = f"bottles-{rule.split(',')[0]}"
    dataset = create_folders(
        source, name=name, out=work / "dataset", link=True, **BOTTLES[rule]
    )[0]
    return probe_and_recipe("bottles", dataset, work, rule)


def ablation(work, what):
    dataset = read_dataset(work / "dataset" / "bottles-chronological")
    if what == "no augmentation":
        dataset = _without_light(dataset, work)
    arguments = {} if what == "the recipe" else ABLATION[what]
    table, seconds = predictions(dataset, "validate", work, **arguments)
    about = {"data": "bottles", "split": "chronological", "judged_on": "validate"}
    return [judge([table], dataset, **about, method=what, train_s=seconds)]


def _without_light(dataset, work):
    """The same data set with a recipe that changes nothing."""
    folder = work / "dataset" / f"{dataset.name}-plain"
    _copy(dataset.folder, folder)
    nothing = {"flips": ["none"], "rotation": 0, "brightness": [1, 1]}
    info = dataset.info | {"name": folder.name, "augmentation": nothing}
    write_dataset(folder, dataset.manifest, info)
    return read_dataset(folder)


def _copy(folder, copy):
    """A data set folder once more, its images linked."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy, copy_function=os.link)
    for name in ("manifest.csv", "dataset.json"):  # these will be written
        (copy / name).unlink()


def screw(work):
    dataset = create_folders(real_data("screw"), out=work / "dataset", link=True)[0]
    augment_dataset(dataset.folder, balance=True)
    return probe_and_recipe("screw", read_dataset(dataset.folder), work, "grouped")


def magnetic_tile(work, fold):
    """One fold: its predictions by probe and recipe, as files in the work folder."""
    dataset = create_folders(
        real_data("magnetic_tile"), out=work / "dataset", link=True
    )[0]
    rows = dataset.manifest.copy()
    folds = grouped_folds(rows["label"], rows["group"], num_folds=NUM_FOLDS)
    rest = np.flatnonzero(folds != fold)
    held = hold_out(rows["label"].iloc[rest], rows["group"].iloc[rest], seed=fold)
    rows["split"] = np.where(folds == fold, "test", "train")
    rows.loc[rest[held], "split"] = "validate"
    folder = work / "dataset" / f"magnetic_tile-{fold}"
    _copy(dataset.folder, folder)
    write_dataset(folder, rows, dataset.info | {"name": folder.name})
    augment_dataset(folder, balance=True)
    dataset = read_dataset(folder)
    table, seconds = predictions(dataset, "test", work)
    table.to_csv(work / f"tile-recipe-{fold}.csv", index=False)
    probe_predictions(dataset, "test").to_csv(
        work / f"tile-probe-{fold}.csv", index=False
    )
    return [{"train_s": seconds}]


def all_folds(work, seconds):
    dataset = read_dataset(work / "dataset" / "magnetic_tile")
    about = {"data": "magnetic_tile", "split": f"grouped {NUM_FOLDS}-fold"}
    rows = []
    for method, name in (("probe", "probe"), ("mobilenetv2", "recipe")):
        tables = [
            pd.read_csv(work / f"tile-{name}-{fold}.csv", keep_default_na=False)
            for fold in range(NUM_FOLDS)
        ]
        rows.append(judge(tables, dataset, **about, judged_on="test", method=method))
    rows[1]["train_s"] = round(seconds, 1)
    return rows


def bottles_figures(once):
    rules = sized(list(BOTTLES), ["chronological"])
    return [row for rule in rules for row in once(bottles, rule)]


def magnetic_tile_figures(once):
    folds = [once(magnetic_tile, k)[0] for k in range(NUM_FOLDS)]
    return once(all_folds, sum(fold["train_s"] for fold in folds))


def screw_figures(once):
    return once(screw)


def ablation_figures(once):
    once(bottles, "chronological")
    changed = sized(list(ABLATION), ["no augmentation"])
    return [row for what in ("the recipe", *changed) for row in once(ablation, what)]


FIGURES = {
    "bottles": bottles_figures,
    "magnetic_tile": magnetic_tile_figures,
    "screw": screw_figures,
    "ablation": ablation_figures,
}


def main():
    run_parts("transfer", FIGURES, __doc__.split("\n")[0])


if __name__ == "__main__":
    run_command(main)
