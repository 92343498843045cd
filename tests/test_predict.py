import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import models
from bovw.train import train as train_bovw
from commands import evaluate
from decisions.decide_run import decide_run
from deployment.predict import find_images, predict
from ensemble.train import train as train_ensemble
from evaluation.predictor import Predictor
from evaluation.run_folder import Run, read_run
from goodparts.command import InputError
from goodparts.files import read_json, write_json
from models import load_predictor
from preprocessing.images import read_image
from reporting import evaluate_run as judging
from reporting.seen_images import training_note

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def runs(washers, tmp_path_factory):
    """Two bovw runs and some ensembles over them."""
    folder = tmp_path_factory.mktemp("runs")
    members = [
        train_bovw(data=washers, runs=folder, image_size=(48, 48), num_words=words)
        for words in (10, 30)
    ]
    combined = {
        name: train_ensemble(members, combiner=name, runs=folder)
        for name in ("hard", "weighted", "logistic", "svm")
    }
    return members, combined


def test_folders_behind_links_are_searched_and_pipes_are_not_opened(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/1.png").write_bytes(b"")
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "2.png")

    assert find_images([folder]) == [folder / "linked/1.png"]
    with pytest.raises(InputError, match="is a pipe"):
        read_image(folder / "2.png")


def goodparts(*words):
    command = [sys.executable, "-m", "goodparts", *words]
    return subprocess.run(command, capture_output=True, encoding="utf-8")


def test_names_that_are_not_utf8_are_shown_and_written_escaped(
    runs, part_folder, tmp_path
):
    folder = tmp_path / os.fsdecode(b"neu\xff")
    folder.mkdir()
    shutil.copy(part_folder / "good/00.png", folder / os.fsdecode(b"teil\xe9.png"))
    (folder / os.fsdecode(b"kaputt\xe9.png")).write_bytes(b"no image")
    (folder / os.fsdecode(b"notiz.t\xff")).write_bytes(b"")
    os.mkfifo(folder / "pipe.png")
    run = shutil.copytree(runs[0][0], folder / runs[0][0].name)
    table = tmp_path / "table.csv"
    said = goodparts("predict", run, folder, "--csv", table)
    assert said.returncode == 2 and "Traceback" not in said.stderr
    assert f"{tmp_path}/neu%FF/teil%E9.png" in said.stdout
    assert "neu%FF/kaputt%E9.png cannot be read as an image" in said.stderr
    assert "pipes, sockets or devices 1" in said.stderr
    rows = pd.read_csv(table).set_index("path")
    assert rows.loc[f"{tmp_path}/neu%FF/teil%E9.png", "verdict"] != "unreadable"
    assert rows.loc[f"{tmp_path}/neu%FF/kaputt%E9.png", "verdict"] == "unreadable"
    said = goodparts("compare", run)  # prints the path of a report beside the run
    assert said.returncode == 0, said.stderr
    assert len(list(folder.glob("*-report-*/report.html"))) == 1


def test_verdicts_are_the_tables(runs, washers, part_folder):
    members, _ = runs
    table = pd.read_csv(members[0] / "predictions.csv").set_index("sample_id")
    manifest = pd.read_csv(washers / "manifest.csv").set_index("sample_id")
    names = table.index[table["split"] == "test"]
    paths = [washers / manifest.loc[name, "path"] for name in names]
    for row, name in zip(predict(members[0], paths), names, strict=True):
        assert row["defect_score"] == pytest.approx(table.loc[name, "defect_score"])
        assert row["predicted"] == table.loc[name, "predicted"]


def test_what_decide_found_decides(runs, washers, tmp_path):
    members, _ = runs
    folder = Path(shutil.copytree(members[0], tmp_path / members[0].name))
    decide_run(folder, inspect_share=0.9, max_unlike=0.5)
    record = read_json(folder / "decision.json")
    decided = pd.read_csv(folder / "decisions.csv").set_index("sample_id")
    manifest = pd.read_csv(washers / "manifest.csv").set_index("sample_id")
    paths = [washers / manifest.loc[name, "path"] for name in decided.index]
    rows = pd.DataFrame(predict(folder, paths))
    assert rows["verdict"].tolist() == decided["decision"].tolist()
    assert rows["reason"].tolist() == decided["reason"].tolist()
    write_json(folder / "decision.json", {**record, "least_probability": 1.1})
    assert {row["verdict"] for row in predict(folder, paths)} == {"inspect"}
    result = subprocess.run(
        [sys.executable, "-m", "goodparts", "predict", folder, paths[0]],
        capture_output=True,
        text=True,
    )
    assert result.stdout.startswith("inspect ")
    assert "(unlike every class)" in result.stdout


@pytest.mark.parametrize("name", ["hard", "weighted", "logistic", "svm"])
def test_an_ensemble_predicts_as_its_table_says(runs, washers, name):
    folder = runs[1][name]
    table = pd.read_csv(folder / "predictions.csv").set_index("sample_id")
    manifest = pd.read_csv(washers / "manifest.csv").set_index("sample_id")
    names = table.index[table["split"] == "test"]
    paths = [washers / manifest.loc[each, "path"] for each in names]
    scores = [row["defect_score"] for row in predict(folder, paths)]
    assert scores == pytest.approx(table.loc[names, "defect_score"].tolist(), abs=1e-6)
    assert load_predictor(folder).classes == ["bad", "good"]


def test_an_ensemble_moves_with_its_runs_and_misses_a_lost_member(
    runs, part_folder, tmp_path
):
    members, combined = runs
    for folder in (*members, combined["weighted"]):
        shutil.copytree(folder, tmp_path / folder.name)
    moved = tmp_path / combined["weighted"].name
    image = part_folder / "good" / "00.png"
    before, after = (
        list(predict(run, [image])) for run in (combined["weighted"], moved)
    )
    assert before == after
    shutil.rmtree(tmp_path / members[1].name)
    with pytest.raises(InputError, match=members[1].name):
        load_predictor(moved)  # the one that was left behind does not stand in


@pytest.mark.parametrize(
    "command", [["predict", "no-run", "a.png"], ["evaluate", "no-run"]]
)
def test_what_is_no_run_is_one_line(command):
    result = subprocess.run(
        [sys.executable, "-m", "goodparts", *command], capture_output=True, text=True
    )
    assert result.returncode == 2
    assert result.stderr.startswith("error: no-run is not a finished run folder")
    assert len(result.stderr.splitlines()) == 1


def test_bad_images_are_named_and_the_rest_goes_on(runs, part_folder, tmp_path):
    (tmp_path / "broken.png").write_text("no picture")
    good = part_folder / "good" / "00.png"
    command = [
        sys.executable,
        "-m",
        "goodparts",
        "predict",
        runs[0][0],
        tmp_path,
        good,
        "--csv",
        tmp_path / "out.csv",
    ]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert "broken.png cannot be read" in result.stderr and "Trace" not in result.stderr
    assert str(good) in result.stdout
    verdicts = pd.read_csv(tmp_path / "out.csv")["verdict"].tolist()
    assert verdicts[0] == "unreadable" and verdicts[1] in ("accept", "reject")


def test_training_images_are_noted(runs, washers, tmp_path):
    run = read_run(runs[0][0])
    manifest = pd.read_csv(washers / "manifest.csv")
    of_train, of_test = (
        washers / manifest.loc[manifest["split"] == split, "path"].iloc[0]
        for split in ("train", "test")
    )
    renamed = shutil.copy(of_train, tmp_path / "another name.png")
    note = training_note(run, [Path(renamed), of_test, tmp_path])
    assert note.startswith("1 of 3 images is in the train split of washers")
    assert training_note(run, [of_test]) == ""
    result = subprocess.run(
        [sys.executable, "-m", "goodparts", "predict", runs[0][0], renamed],
        capture_output=True,
        text=True,
    )
    assert result.stderr.count("note: 1 of 1 image is in the train split") == 1
    lost = Run(run.folder, {**run.config, "dataset_folder": str(tmp_path)})
    assert training_note(lost, [of_train]) == ""


def test_evaluate_loads_a_model_only_for_mistakes_with_pictures(runs, monkeypatch):
    loaded = []

    def load(folder):
        loaded.append(folder)
        return Predictor(["bad", "good"], "good", (48, 48), None, "explain")

    monkeypatch.setattr(models, "load_predictor", load)
    run = read_run(runs[0][0])
    monkeypatch.setattr(judging, "mistake_pictures", lambda run: [])
    assert evaluate.load_explain(run) is None and loaded == []
    monkeypatch.setattr(judging, "mistake_pictures", lambda run: ["one"])
    assert evaluate.load_explain(run) == "explain" and loaded == [run.folder]


def test_evaluate_goes_on_without_the_model(runs, monkeypatch, capsys):
    def load(folder):
        raise InputError("its member is gone")

    monkeypatch.setattr(models, "load_predictor", load)
    monkeypatch.setattr(judging, "mistake_pictures", lambda run: ["one"])
    assert evaluate.load_explain(read_run(runs[0][0])) is None
    assert "its member is gone" in capsys.readouterr().err


def test_mistakes_get_a_clear_line(runs, washers, tmp_path):
    members, combined = runs
    for path in ("none.goodparts", "bundle.json"):
        with pytest.raises(
            InputError, match="is not a bundle: there is no such folder"
        ):
            list(predict(tmp_path / path, [tmp_path]))
    with pytest.raises(InputError, match="not a finished run folder"):
        list(predict(tmp_path, [tmp_path]))
    with pytest.raises(InputError, match="There is no file"):
        list(predict(members[0], [tmp_path / "none.png"]))
    with pytest.raises(InputError, match="There are no images in"):
        list(predict(members[0], [tmp_path]))
    with pytest.raises(InputError, match="at least two runs"):
        train_ensemble(members[:1], combiner="soft", runs=tmp_path)
