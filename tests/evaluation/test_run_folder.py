import datetime
import os
import resource
import socket
import subprocess
import sys

import pytest

from evaluation.predictions import read_predictions
from evaluation.run_folder import partial_folder, read_run, write_results
from evaluation.run_writer import start_run
from goodparts.command import InputError
from goodparts.files import read_json, write_json
from goodparts.machine import peak_memory_mb
from models import load_predictor
from preprocessing.manifest import table_hash


def test_runs_are_numbered_and_keep_their_circumstances(dataset, make_run):
    first, second = (make_run(dataset, "bovw", seed=seed) for seed in (3, 4))
    today = datetime.date.today().isoformat()
    assert [first.name, second.name] == [f"{today}-bovw-parts-{n}" for n in (1, 2)]
    assert first.config["seed"] == 3
    assert first.config["manifest_sha256"] == table_hash(dataset.manifest)
    assert first.config["classes"] == ["good", "scratch"]
    assert first.config["wall_time_s"] >= 0 and first.config["peak_memory_mb"] > 0


def test_a_training_that_fails_leaves_nothing(dataset, tmp_path):
    with pytest.raises(RuntimeError):
        with start_run(
            tmp_path, model="m", family="f", dataset=dataset, arguments={}, seed=0
        ) as run:
            (run.folder / "model.npz").write_bytes(b"half")
            raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_training_left_is_removed(tmp_path):
    host = socket.gethostname()
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        text=True,
    ).stdout.strip()
    dead, alive, elsewhere, report = (
        tmp_path / name
        for name in (
            f".2024-01-01-m-parts-{host}-{ended}.partial",
            f".2024-01-01-m-parts-{host}-{os.getppid()}.partial",
            f".2024-01-01-m-parts-not-{host}-x-{ended}.partial",
            "2024-01-01-report-1",
        )
    )
    for folder in (dead, alive, elsewhere, report):
        (folder / "plots").mkdir(parents=True)
    with partial_folder(tmp_path / "new") as partial:
        assert partial.is_dir()
    assert sorted(tmp_path.iterdir()) == sorted([alive, elsewhere, report])


def test_a_finished_run_has_its_plots(dataset, make_run):
    run = make_run(dataset, "bovw", has_plots=True)
    assert {path.name for path in (run.folder / "plots").iterdir()} == {
        "confusion.png",
        "miss_against_false_reject.png",
        "per_class_recall.png",
        "reliability.png",
        "roc.png",
        "scores.png",
    }


def test_macs_count_memory_in_bytes(monkeypatch):
    class Usage:
        ru_maxrss = 300 * 2**20

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(resource, "getrusage", lambda who: Usage)
    assert peak_memory_mb() == 300


def test_the_threshold_comes_from_validate_alone(dataset, make_run, tmp_path):
    run = make_run(dataset, "bovw")
    table = run.predictions
    table.loc[table["split"] == "test", "defect_score"] *= 100
    write_results(tmp_path, table, run.config)
    assert read_json(tmp_path / "threshold.json")["value"] == run.threshold


def test_metrics_by_hand(dataset, make_run):
    # test has 16 good and 16 scratched images, two a part; of the scratched ones,
    # 4 (two parts) are taken for good
    wrong = [f"scratch/{number:03d}" for number in range(32, 36)]
    test = make_run(dataset, "bovw", wrong=wrong).metrics["test"]
    assert (test["num_samples"], test["num_groups"]) == (32, 16)
    assert test["confusion_matrix"] == [[16, 0], [4, 12]]
    values = {name: found["value"] for name, found in test["metrics"].items()}
    # F1 of good 32 / (16 + 20), of scratch 24 / (16 + 12)
    assert values["macro_f1"] == pytest.approx((32 / 36 + 24 / 28) / 2)
    assert values["accuracy"] == pytest.approx(28 / 32)
    assert values["miss_rate"] == pytest.approx(4 / 16)
    assert values["false_reject_rate"] == 0
    # 12 of 16 defects score above all good parts, 4 tie with them: (12 + 2) / 16
    assert values["auroc"] == pytest.approx(14 / 16)
    assert test["per_class"]["scratch"]["num_groups"] == 8


def test_a_detector_has_no_class_metrics(dataset, make_run):
    test = make_run(dataset, "memory", detector=True).metrics["test"]
    assert set(test["metrics"]) == {"auroc", "miss_rate", "false_reject_rate"}
    assert "confusion_matrix" not in test


def test_what_is_no_run_is_refused_by_name(dataset, make_run, tmp_path):
    with pytest.raises(InputError, match="no config.json"):
        read_run(tmp_path)
    run = make_run(dataset, "bovw")
    config = (run.folder / "config.json").read_text()
    (run.folder / "config.json").write_text(config[:50])
    with pytest.raises(InputError, match="config.json is not valid JSON"):
        read_run(run.folder)
    (run.folder / "metrics.json").unlink()
    with pytest.raises(InputError, match="no metrics.json"):
        read_run(run.folder)
    with pytest.raises(InputError, match="no predictions.csv"):
        read_predictions(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("metrics.json", '{"validate": ', "metrics.json is not valid JSON"),
        ("metrics.json", "[]", "metrics.json lacks validate"),
        ("threshold.json", "{}", "threshold.json lacks value"),
        ("config.json", "[]", "config.json lacks model"),
    ],
)
def test_a_damaged_file_is_one_line(dataset, make_run, name, content, said):
    run = make_run(dataset, "bovw")
    (run.folder / name).write_text(content)
    with pytest.raises(InputError, match=said):
        again = read_run(run.folder)
        print(again.metrics, again.threshold_record)


@pytest.mark.parametrize("value", ["true", '"0.5"', "1e400", "NaN", "null", "[1]"])
def test_a_threshold_that_is_no_number_is_one_line(dataset, make_run, value):
    run = make_run(dataset, "bovw")
    content = f'{{"value": {value}, "rule": "by hand"}}'
    (run.folder / "threshold.json").write_text(content)
    with pytest.raises(InputError, match="which is not a finite number"):
        print(read_run(run.folder).threshold)


@pytest.mark.parametrize(("value", "does"), [(2, "accepts"), (-1.0, "rejects")])
def test_a_threshold_beyond_all_scores_is_said(dataset, make_run, value, does):
    run = make_run(dataset, "bovw")
    assert run.threshold_note() == ""
    record = {**run.threshold_record, "value": value}
    write_json(run.folder / "threshold.json", record)
    assert f"{does} every part" in read_run(run.folder).threshold_note()


@pytest.mark.parametrize(
    "changed",
    [
        {"outputs": ["score", "smell"]},
        {"outputs": ["map"]},
        {"outputs": ["score", "map"]},
        {"outputs": ["score", "map"], "map_range": [1, 1]},
    ],
)
def test_outputs_that_cannot_be_are_one_line(dataset, make_run, changed):
    run = make_run(dataset, "bovw")
    write_json(run.folder / "config.json", run.config | changed)
    with pytest.raises(InputError, match="outputs|map_range"):
        read_run(run.folder)


def test_the_map_of_every_image_is_named(dataset, make_run):
    run = make_run(dataset, "bovw")
    said = {"outputs": ["score", "classes", "map"], "map_range": [0, 1]}
    write_json(run.folder / "config.json", run.config | said)
    with pytest.raises(InputError, match="does not list the anomaly map"):
        _ = read_run(run.folder).predictions


def test_a_family_that_is_not_there_is_one_line(dataset, make_run):
    run = make_run(dataset, "bovw")
    write_json(run.folder / "config.json", run.config | {"family": "os"})
    with pytest.raises(InputError, match="no model family 'os'"):
        load_predictor(run.folder)
