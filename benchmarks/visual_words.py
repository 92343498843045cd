"""How fast and how right visual words are, on real parts, and what helps.

    REAL_DATA=... python3 benchmarks/visual_words.py --work DIR

About half an hour on two idle cores; `speed`, `accuracy` and `ablation` can be named
to run a part. What helps is compared on `validate`; the defaults alone are judged on
`test`. A job that has left its figures in the work folder is not run again.
"""

import inspect
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
from figures import real_data, run_parts, sized
from reference_words import clocks, fit_reference
from transfer_learning import BOTTLES, judge

from bovw import vocabulary
from bovw.store import DescriptorStore
from bovw.train import PIXELS, fit_bag, train
from bovw.vocabulary import count_words, histograms
from evaluation.predictions import predictions_table
from evaluation.predictor import classifier_prediction
from goodparts.command import run_command
from preprocessing.create_folders import create_folders
from preprocessing.datasets import choose_image_size
from preprocessing.manifest import SPLITS, read_dataset
from svm import fit_svm, svm_probabilities

CHOICES = ("features", "points", "num_words", "weighting", "whiten")
ABLATION = {  # what is changed of the defaults
    "the defaults": {},
    "ORB": {"features": "orb"},
    "keypoints alone": {"points": "keypoints"},
    "grid alone": {"points": "grid"},
    "SIFT, not RootSIFT": {},
    "no whitening": {"whiten": False},
    "tf-idf": {"weighting": "tf-idf"},
    "100 words": {"num_words": 100},
    "400 words": {"num_words": 400},
    "1.5 times the side": {"side": 1.5},
}
NUM_SPEEDS = sized(None, 1)
QUICK_ABLATION = ["ORB", "SIFT, not RootSIFT", "1.5 times the side"]
COMPARED_ON = sized(["bottles, chronological", "magnetic_tile"], ["magnetic_tile"])
JUDGED = sized(["bottles, random, seed 42", *COMPARED_ON, "screw"], ["screw"])
# of train; of all, the slow way takes 15 GB
FEW_IMAGES, ALL_IMAGES = sized(200, 20), sized(10_000, 20)


def open_data(name, work):
    """A real data set by name, of bottles with the rule of its split."""
    source, _, rule = name.partition(", ")
    label = f"{source}-{rule.split(',')[0]}" if rule else source
    folder = work / "dataset" / label
    if folder.exists():
        return read_dataset(folder)
    options = BOTTLES[rule] if rule else {}
    return create_folders(
        real_data(source), name=label, out=folder.parent, link=True, **options
    )[0]


def arguments_of(dataset, *, side=1.0, **changes):
    """Every argument of `train` that `fit_bag` takes; the defaults, unless changed."""
    given = inspect.signature(train).parameters
    chosen = {name: given[name].default for name in CHOICES}
    size = choose_image_size(dataset, PIXELS * side**2)
    return chosen | changes | {"image_size": size}


def predictions(dataset, split, bag, cache):
    """The predictions table of a split, by the descriptors in the cache."""
    rows = dataset.rows(split)
    store = DescriptorStore(dataset, rows, bag.settings, cache)
    counts = count_words(store, bag.vocabulary, bag.settings.features)
    found = svm_probabilities(bag.svm, histograms(counts, bag.vocabulary))
    found[counts.sum(axis=1) == 0] = 1 / found.shape[1]
    classes = bag.svm.classes.tolist()
    prediction = classifier_prediction(found, classes, dataset.normal_class)
    return predictions_table(rows, prediction, classes)


def accuracy(work, name):
    dataset = open_data(name, work)
    cache = work / "runs" / ".descriptors"
    bag = fit_bag(dataset, arguments_of(dataset), seed=0, cache=cache)
    table = predictions(dataset, "test", bag, cache)
    about = {"data": name, "judged_on": "test", "method": "the defaults"}
    return [judge([table], dataset, **about)]


def ablation(work, name, what):
    dataset = open_data(name, work)
    arguments = arguments_of(dataset, **ABLATION[what])
    cache = work / "runs" / ".descriptors"
    with mock.patch.object(vocabulary, "values_of", _values(what)):
        bag = fit_bag(dataset, arguments, seed=0, cache=cache)
        table = predictions(dataset, "validate", bag, cache)
    about = {"data": name, "judged_on": "validate", "method": what}
    return [judge([table], dataset, **about)]


def _values(what):
    if what != "SIFT, not RootSIFT":
        return vocabulary.values_of
    return lambda descriptors, features: descriptors.astype(np.float32) / 512


def speed(work, name, points, num_images):
    """Both ways on the same images and descriptors, each from nothing.

    The slow way is also judged with our histograms and SVM of its words, so that the
    words alone can be compared.
    """
    dataset = _fewer(open_data(name, work), num_images)
    bag, ours = _fit_twice(work, dataset, points)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        count, svm, seconds = fit_reference(dataset, bag.settings, Path(folder))
    reference = {"method": "all descriptors, scipy"} | seconds
    for key in ("fit_s", "fit_cpu_s"):
        ours[f"times_less_{key}"] = round(reference[key] / ours[key], 1)
    both = {"method": "its words, our histograms and SVM"}
    cache = work / "runs" / ".descriptors"
    counts, labels, groups = {}, {}, {}
    for split in SPLITS:
        rows = dataset.rows(split)
        counts[split] = count(DescriptorStore(dataset, rows, bag.settings, cache))
        labels[split], groups[split] = rows["label"].to_numpy(str), rows["group"]
    alike = bag.vocabulary._replace(word_weights=np.ones(counts["train"].shape[1]))
    values = {split: histograms(counts[split], alike) for split in SPLITS}
    better_svm = fit_svm(values["train"], labels["train"], groups["train"])
    for split in SPLITS[1:]:
        named = predictions(dataset, split, bag, cache)["predicted"]
        ours[f"{split}_accuracy"] = _share(named == labels[split])
        named = svm.predict(counts[split])
        reference[f"{split}_accuracy"] = _share(named == labels[split])
        best = svm_probabilities(better_svm, values[split]).argmax(axis=1)
        named = better_svm.classes[best]
        both[f"{split}_accuracy"] = _share(named == labels[split])
    num_train = len(labels["train"])
    about = {"data": name, "points": points, "num_train_images": num_train}
    return [about | row for row in (ours, reference, both)]


def _fit_twice(work, dataset, points):
    """The bag, and the seconds from nothing and with descriptors on disk.

    Seconds of the processor say more where others use the machine.
    """
    arguments = arguments_of(dataset, points=points)
    times = [clocks()]
    with tempfile.TemporaryDirectory(dir=work) as folder:
        for _ in range(2):
            bag = fit_bag(dataset, arguments, seed=0, cache=Path(folder))
            times.append(clocks())
    (wall, cpu), (again, _) = np.diff(times, axis=0).round(1).tolist()
    about = {"method": "bovw", "fit_s": wall, "fit_cpu_s": cpu, "fit_again_s": again}
    return bag, about


def _share(is_right):
    return round(float(np.mean(is_right)), 4)


def _fewer(dataset, num_images):
    """The same data set with at most so many train images, drawn evenly."""
    table = dataset.manifest
    train = table[table["split"] == "train"].sort_values("sample_id")
    chosen = np.linspace(0, len(train) - 1, min(num_images, len(train))).astype(int)
    rest = table[table["split"] != "train"]
    return dataset._replace(manifest=pd.concat([train.iloc[chosen], rest]))


def speed_figures(once):
    jobs = [
        (f"bottles, {rule}", "both", FEW_IMAGES)
        for rule in ("chronological", "random, seed 42")
    ]
    jobs += [
        ("bottles, chronological", points, ALL_IMAGES)
        for points in ("keypoints", "both")
    ]
    return [row for job in jobs[:NUM_SPEEDS] for row in once(speed, *job)]


def accuracy_figures(once):
    return [row for name in JUDGED for row in once(accuracy, name)]


def ablation_figures(once):
    return [
        row
        for what in sized(list(ABLATION), QUICK_ABLATION)
        for name in COMPARED_ON
        for row in once(ablation, name, what)
    ]


FIGURES = {
    "speed": speed_figures,
    "accuracy": accuracy_figures,
    "ablation": ablation_figures,
}


def main():
    run_parts("visual_words", FIGURES, __doc__.split("\n")[0])


if __name__ == "__main__":
    run_command(main)
