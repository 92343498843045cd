import os
import shutil

import numpy as np
import pandas as pd
import pytest

from evaluation.predictions import predictions_table
from evaluation.predictor import Prediction, classifier_prediction, found_outputs
from evaluation.run_folder import read_run, write_results
from evaluation.run_writer import start_run
from goodparts.files import file_hash
from preprocessing.create_folders import create_folders
from preprocessing.images import write_image
from preprocessing.manifest import read_dataset, write_dataset

os.environ.pop("PIPENV_ACTIVE", None)  # messages name commands as they are typed

LONGEST = ("test_documented_commands.py", "test_contract.py")  # files, in minutes


def pytest_collection_modifyitems(items):
    """The longest files begin, so that two workers end at about the same time."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(scope="session")
def part_folder(tmp_path_factory):
    """Class folders good/ (24 images) and bad/ (18), 48 px; bad ones have a spot."""
    folder = tmp_path_factory.mktemp("parts") / "washers"
    random = np.random.default_rng(0)
    for label, count in (("good", 24), ("bad", 18)):
        for number in range(count):
            image = random.integers(60, 120, (48, 48, 3), dtype=np.uint8)
            top, left = random.integers(4, 28, 2)
            image[top : top + 16, left : left + 16] = 160
            if label == "bad":
                image[top + 4 : top + 12, left + 4 : left + 12] = (255, 0, 0)
            write_image(folder / label / f"{number:02d}.png", image)
    return folder


@pytest.fixture(scope="session")
def washers(part_folder, tmp_path_factory):
    """A data set made of `part_folder`; read only."""
    out = tmp_path_factory.mktemp("dataset")
    return create_folders(part_folder, out=out, grouping="none")[0].folder


@pytest.fixture
def small_dataset(washers, tmp_path):
    """A copy of `washers` of its own."""
    return shutil.copytree(washers, tmp_path / "washers")


@pytest.fixture(scope="session")
def make_dataset(tmp_path_factory):
    """Builds data sets: `groups` parts of 2 images in each split, of each class."""

    def make(*, name="parts", classes=("good", "scratch"), groups=8, **info):
        folder = tmp_path_factory.mktemp("dataset") / name
        rows = []
        for label in classes:
            for number in range(3 * groups * 2):
                part = number // 2
                path = folder / label / f"{number:03d}.png"
                write_image(path, np.full((9, 12, 3), number, np.uint8))
                rows.append(
                    {
                        "sample_id": f"{label}/{number:03d}",
                        "path": f"{label}/{number:03d}.png",
                        "label": label,
                        "split": ("train", "validate", "test")[part // groups],
                        "group": f"{label}-{part:03d}",
                        "clip": "",
                        "frame": "",
                        "mask_path": "",
                        "source": f"raw/{label}-{number:03d}.png",
                        "sha256": file_hash(path),
                    }
                )
        about = {
            "name": name,
            "source": f"/raw/{name}",
            "classes": sorted(classes),
            "normal_class": classes[0],
            "shares": {"train": 0.34, "validate": 0.33, "test": 0.33},
            "grouping": "near_duplicates",
            "protocol": "grouped",
            "num_groups": 3 * groups * len(classes),
            "largest_group": 2,
            "leak": 0.0,
            "num_rejected": 0,
        }
        write_dataset(folder, pd.DataFrame(rows), {**about, **info})
        return read_dataset(folder)

    return make


@pytest.fixture(scope="session")
def dataset(make_dataset):
    return make_dataset()


@pytest.fixture
def make_run(tmp_path, monkeypatch):
    """Builds a run that is right with probability 0.9 but for the samples `wrong`."""

    def make(
        dataset,
        model,
        *,
        wrong=(),
        detector=False,
        notes=(),
        warnings=(),
        seed=0,
        has_plots=False,
    ):
        if not has_plots:  # they take a second
            monkeypatch.setattr("evaluation.run_writer.write_plots", lambda run: None)
        classes = dataset.classes
        rows = dataset.rows("validate", "test")
        right = np.array([classes.index(label) for label in rows["label"]])
        missed = rows["sample_id"].isin(set(wrong)).to_numpy()
        answer = np.where(missed, (right + 1) % len(classes), right)
        probabilities = np.full((len(rows), len(classes)), 0.1 / (len(classes) - 1))
        probabilities[np.arange(len(rows)), answer] = 0.9
        prediction = classifier_prediction(probabilities, classes, dataset.normal_class)
        if detector:
            prediction = Prediction(prediction.defect_score)
        with start_run(
            tmp_path / "runs",
            model=model,
            family="bovw",
            dataset=dataset,
            arguments={"epochs": 4},
            seed=seed,
        ) as run:
            run.config["notes"] += notes
            run.config["warnings"] += warnings
            run.config["outputs"] = found_outputs(prediction)
            table = predictions_table(rows, prediction, classes)
            write_results(run.folder, table, run.config)
        return read_run(run.folder)

    return make
