"""Data sets without a class of good parts: classes are told apart, nothing decided."""

import shutil

import numpy as np
import pytest

from decisions.decide_run import decide_run
from deployment.export import export
from deployment.predict import predict
from ensemble.train import train as train_ensemble
from evaluation.run_folder import read_run
from evaluation.summary_text import summary_line
from goodparts.command import InputError
from models import family
from preprocessing.create_folders import create_folders
from preprocessing.describe_dataset import describe
from preprocessing.images import write_image
from reporting.compare import compare
from reporting.evaluate_run import evaluate_run, evaluation_text


@pytest.fixture(scope="module")
def screws(tmp_path_factory):
    """Three kinds of parts, 20 images each: stripes of three widths."""
    folder, random = (
        tmp_path_factory.mktemp("kinds") / "screws",
        np.random.default_rng(0),
    )
    for width, kind in ((3, "m3"), (5, "m5"), (9, "m9")):
        for number in range(20):
            rows = (np.arange(64) + random.integers(20)) // width % 2 * 120
            noise = random.integers(0, 60, (64, 64, 3))
            image = (rows[:, None, None] + noise).astype(np.uint8)
            write_image(folder / kind / f"{number:02d}.png", image)
    return folder


@pytest.fixture(scope="module")
def dataset(screws, tmp_path_factory):
    out = tmp_path_factory.mktemp("dataset")
    return create_folders(screws, out=out, classes_only=True, grouping="none")[0]


@pytest.fixture(scope="module")
def runs(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    bags = [
        family("bovw").train(
            model="bovw", data=dataset.folder, runs=folder, num_words=words, seed=seed
        )
        for seed, words in enumerate((20, 40))
    ]
    return [read_run(run) for run in [*bags, train_ensemble(bags, runs=folder)]]


def test_it_has_to_be_said(screws, tmp_path):
    with pytest.raises(InputError, match="give --classes-only"):
        create_folders(screws, out=tmp_path)
    with pytest.raises(InputError, match="not both"):
        create_folders(screws, out=tmp_path, normal_class="m3", classes_only=True)
    assert not list(tmp_path.iterdir())


def test_one_class_alone_cannot_be_told_apart(screws, tmp_path):
    shutil.copytree(screws / "m3", tmp_path / "parts" / "m3")
    with pytest.raises(InputError, match="needs at least two"):
        create_folders(tmp_path / "parts", out=tmp_path / "out", classes_only=True)


def test_the_data_set_says_so(dataset):
    assert dataset.normal_class is None and dataset.classes == ["m3", "m5", "m9"]
    assert "classes only" in describe(dataset)


def test_runs_name_classes_and_have_no_threshold(runs):
    for run in runs:
        assert run.outputs == {"classes"} and run.threshold is None
        assert run.predictions["defect_score"].isna().all()
        assert not {"miss_rate", "auroc"} & set(run.metrics["test"]["metrics"])
        assert run.metrics["test"]["metrics"]["macro_f1"]["value"] > 0.9
        assert "threshold" not in summary_line(run)


def test_they_are_evaluated_ranked_and_reported(runs, tmp_path):
    text = evaluation_text(evaluate_run(runs[0]))
    assert "macro-F1" in text and "threshold" not in text
    page = compare(runs, out=tmp_path / "report").read_text()
    assert "There is no class of good parts" in page
    assert "Accept or reject" not in page and "nan" not in page
    assert (
        "it accepts and rejects nothing" in page
        and "Recommended for deployment" in page
    )


def test_images_are_named_and_not_decided(runs, dataset):
    paths = [dataset.folder / path for path in dataset.rows("test")["path"]]
    said = list(predict(runs[-1].folder, paths))
    assert {row["verdict"] for row in said} == {""}
    right = [row["predicted"] in row["path"] for row in said]
    assert np.mean(right) > 0.9 and all(row["defect_score"] is None for row in said)


def test_nothing_is_decided_or_exported(runs, tmp_path):
    with pytest.raises(InputError, match="nothing to accept or reject"):
        export(runs[0].folder, tmp_path / "x.goodparts")
    with pytest.raises(InputError, match="nothing to accept or reject"):
        decide_run(runs[0].folder, inspect_share=0.1)
