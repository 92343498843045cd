import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bovw.train import train as train_bovw
from commands.decide import confidence, rate, share
from decisions.decide_run import decide_run
from decisions.floor import best_threshold, why_scores_are_weak
from decisions.rule import UNLIKE, Decision, read_decision
from decisions.text import carried_text, decision_text
from deployment.predict import predict
from evaluation.run_folder import read_run, write_results
from goodparts.command import InputError
from goodparts.files import read_json, write_csv, write_json
from preprocessing.create_folders import create_folders
from preprocessing.images import write_image

ROOT = Path(__file__).parent.parent
CLASSES = ["dent", "good", "scratch"]
PROMISE = {"max_miss": 0.3, "max_false_reject": 0.3, "confidence": "average"}


@pytest.fixture
def run(tmp_path):
    """A run with 4 good groups and 3 of each defect class in a split, two images each.

    Good parts score 0.1 to 0.4, dents 0.5 to 0.7, scratches 0.7 to 0.9.
    """
    folder = tmp_path / "2026-01-01-model-parts-1"
    scores = {"good": (0.1, 0.4, 4), "dent": (0.5, 0.7, 3), "scratch": (0.7, 0.9, 3)}
    rows = []
    for split in ("validate", "test"):
        for label, (low, high, num_groups) in scores.items():
            for number, score in enumerate(np.linspace(low, high, 2 * num_groups)):
                defects = {"dent": 0.0, "scratch": 0.0}
                defects["scratch" if label == "scratch" else "dent"] = score
                rows.append(
                    {
                        "sample_id": f"{label}/{split}-{number}",
                        "label": label,
                        "split": split,
                        "group": f"{label}-{split}-{number // 2}",
                        "defect_score": score,
                        "predicted": label,
                        "prob_good": 1 - score,
                        **{f"prob_{name}": value for name, value in defects.items()},
                    }
                )
    config = {"classes": CLASSES, "normal_class": "good", "model": "model"}
    config["outputs"] = ["score", "classes"]
    write_json(folder / "config.json", config)
    table = pd.DataFrame(rows)
    write_results(folder, table, config)
    return read_run(folder)


@pytest.fixture
def detector(run):
    """The run as a detector leaves it: scores alone."""
    table = run.predictions.assign(predicted="")
    table = table.drop(columns=[name for name in table if name.startswith("prob_")])
    write_csv(run.folder / "predictions.csv", table)
    return run


@pytest.fixture
def useless(run):
    """The run with scores that have nothing to do with the labels."""
    table = run.predictions
    random = np.random.default_rng(0)
    write_csv(
        run.folder / "predictions.csv",
        table.assign(defect_score=random.permutation(len(table)) / len(table)),
    )
    return read_run(run.folder)


def decide(*words):
    command = [sys.executable, "-m", "goodparts", "decide", *words]
    return subprocess.run(command, capture_output=True, text=True)


def test_what_is_decided_is_written_down(run):
    record = decide_run(run.folder, **PROMISE)
    assert record == read_json(run.folder / "decision.json")
    decision = read_decision(run)
    assert decision.accept_below == record["accept_below"]
    assert decision.least_probability == record["least_probability"]
    assert decision.least_probability == pytest.approx(0.499)  # 0.5, less a margin
    table = pd.read_csv(run.folder / "decisions.csv")
    assert list(table) == ["sample_id", "split", "label", "decision", "reason"]
    assert table["sample_id"].tolist() == run.predictions["sample_id"].tolist()
    on_test = table[table["split"] == "test"]
    for name, count in record["test"]["classes"].items():
        own = on_test[on_test["label"] == name]["decision"].value_counts()
        assert all(count[kind] == own.get(kind, 0) for kind in own.index)
    before = (run.folder / "decision.json").read_bytes()
    decide_run(run.folder, **PROMISE)
    assert (run.folder / "decision.json").read_bytes() == before


def test_the_command_says_what_is_promised_and_how_to_ask_again(run):
    words = ["--max-miss", "0.3", "--max-false-reject", "0.3", "--confidence"]
    result = decide(run.folder, *words, "average")
    assert result.returncode == 0, result.stderr
    assert "guaranteed each on average over many calibrations" in result.stdout
    assert "at most 30 % of the groups of defective parts are accepted" in result.stdout
    assert "few groups in validate: dent (3), good (4)" in result.stdout
    record = read_json(run.folder / "decision.json")
    before = (run.folder / "decision.json").read_bytes()
    again = record["command"].removeprefix("goodparts decide ").split()
    assert decide(*again).returncode == 0
    assert (run.folder / "decision.json").read_bytes() == before


def test_a_promise_that_the_parts_cannot_carry_is_refused(run):
    result = decide(run.folder, "--max-miss", "0.01")
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    # 6 groups: 1 - 0.05 ** (1 / 6) = 0.3930 and 1 / 7 = 0.1429, rounded up
    assert (
        "needs 299 groups of defective parts in validate (99 for a guarantee"
        in result.stderr
    )
    assert "--max-miss 0.4 or --max-miss 0.15 --confidence average" in result.stderr
    assert not (run.folder / "decision.json").exists()
    offered = ["--max-miss", "0.15", "--confidence", "average"]
    assert decide(run.folder, *offered).returncode == 0


def test_without_a_wish_the_command_says_what_can_be_promised(run):
    result = decide(run.folder)
    assert result.returncode == 0
    assert "validate has 6 groups of defective parts" in result.stdout
    assert "strongest guarantee with 95 % confidence: --max-miss 0.4" in result.stdout
    assert not (run.folder / "decision.json").exists()
    assert "warning" not in result.stdout
    table = run.predictions
    write_csv(run.folder / "predictions.csv", table[table["label"] == "good"])
    said = carried_text(read_run(run.folder))
    assert "has 0 groups of defective parts\nvalidate" in said


def test_costs(run, tmp_path):
    costs = tmp_path / "costs.csv"
    costs.write_text(
        "class,accept,reject,inspect,share\n"
        "good,0,1,9,0.9\ndent,9,0,9,0.1\nscratch,9,0,9,0\n"
    )
    record = decide_run(run.folder, cost=costs, max_unlike=0)
    assert record["accept_below"] == record["reject_from"]  # inspection is too dear
    text = decision_text(record, run)
    # accepting all costs 0.1 * 9, rejecting all 0.9 * 1, inspecting all 9
    assert "always accept 0.900, always reject 0.900, always inspect 9.000" in text
    assert "no guarantee" in text
    costs.write_text(
        "class,accept,reject,inspect\ngood,9,9,0\ndent,9,9,0\nscratch,9,9,0\n"
    )
    decide_run(run.folder, cost=costs, max_unlike=0)
    assert read_decision(run) == Decision(-np.inf, np.inf, None)


def test_the_inspected_share_is_kept(run):
    table = run.predictions
    table.loc[table["label"] == "dent", "defect_score"] -= 0.3  # 0.2 to 0.4: among good
    write_csv(run.folder / "predictions.csv", table)
    inspected, wrong = [], []
    for most in (0.0, 0.3, 0.9):
        record = decide_run(run.folder, inspect_share=most, max_unlike=0)
        classes = record["validate"]["classes"].values()
        inspected.append(sum(count["inspect"] for count in classes))
        wrong.append(sum(count["num_wrong_groups"] for count in classes))
    # of 20 images at most 0, 6 and 18; all that overlap is 6 dents and 6 good
    assert inspected[0] == 0 and 0 < inspected[1] <= 6 <= inspected[2] <= 18
    assert wrong[0] > wrong[1] > wrong[2] == 0


@pytest.mark.parametrize("inspected", ["0", "0.3", "0.6", "0.9"])
def test_a_useless_model_is_told_whatever_is_inspected(useless, inspected):
    result = decide(useless.folder, "--inspect-share", inspected, "--max-unlike", "0")
    assert result.returncode == 0, result.stderr
    said = " ".join(result.stdout.split())
    assert "warning: this model is not good enough to deploy" in said
    assert "must be at most 25 %; guessing has 50 %" in said


def test_a_useless_model_is_told_where_nothing_is_asked(useless):
    said = " ".join(carried_text(useless).split())
    assert said.startswith("warning: this model is not good enough to deploy")
    assert "send most of its parts to inspection by hand" in said


def test_decisions_below_the_floor_are_told_of_a_model_that_is_not(run, tmp_path):
    costs = tmp_path / "costs.csv"
    costs.write_text(
        "class,accept,reject,inspect\ngood,0,1,99\ndent,999,0,999\nscratch,0,9,9\n"
    )
    table = run.predictions
    table.loc[table["label"] == "dent", "defect_score"] -= 0.5  # below all good ones
    write_csv(run.folder / "predictions.csv", table)
    dented = read_run(run.folder)
    assert why_scores_are_weak(run) == ""
    record = decide_run(run.folder, cost=costs, max_unlike=0)
    said = " ".join(decision_text(record, dented).split())
    assert "rejects 100.0 % of the good ones" in said


def test_a_good_model_is_not_warned_of(run):
    record = decide_run(run.folder, inspect_share=0.2, max_unlike=0)
    assert "warning" not in decision_text(record, run)


def test_best_threshold():
    scores = np.array([0.1, 0.2, 0.3, 0.4])
    is_defect = np.array([False, False, True, True])
    assert best_threshold(scores, is_defect) == 0.3
    assert best_threshold(scores, ~is_defect) in (0.1, np.inf)  # half of all is wrong
    assert best_threshold(scores, np.ones(4, bool)) is None


def test_a_detector_is_decided_by_its_scores(detector):
    record = decide_run(detector.folder, **PROMISE)
    assert record["least_probability"] is None
    assert "unlike every class are not detected" in decision_text(record, detector)


@pytest.mark.parametrize(
    "wish, message",
    [
        ({}, "Received 0 of the three"),
        ({"max_miss": 0.5, "inspect_share": 0.1}, "Received 2 of the three"),
        ({"max_false_reject": 0.5, "per_class": True}, "Give --max-miss too"),
        ({"cost": "none.csv"}, "There is no file none.csv"),
        ({"inspect_share": 0.01, "max_unlike": 0.9}, "has no room"),
    ],
)
def test_wishes_that_make_no_sense(run, wish, message):
    with pytest.raises(InputError, match=message):
        decide_run(run.folder, **wish)


@pytest.mark.parametrize("read", [rate, share, confidence])
@pytest.mark.parametrize("value", ["1", "-0.1", "five", "nan"])
def test_a_share_is_a_share(read, value):
    with pytest.raises(argparse.ArgumentTypeError, match="such as 0.05"):
        read(value)
    assert read("0.5") == 0.5


def test_shares_of_none_and_promises_on_average():
    assert share("0") == 0 and confidence("average") == "average"


def test_a_decision_of_other_predictions_is_not_used(run):
    threshold = run.threshold
    assert read_decision(run) == Decision(threshold, threshold)
    record = decide_run(run.folder, **PROMISE)
    write_csv(run.folder / "predictions.csv", run.predictions.iloc[::-1])
    with pytest.raises(
        InputError, match="made from predictions that differ.*goodparts decide"
    ):
        read_decision(run)
    for content in ("{", "{}", "[]"):
        (run.folder / "decision.json").write_text(content)
        with pytest.raises(InputError, match="is damaged: .* decide again"):
            read_decision(run)
    write_json(run.folder / "decision.json", record)


def test_a_test_that_breaks_the_promise_is_noted(run):
    record = decide_run(run.folder, **PROMISE)
    assert "does not hold" not in decision_text(record, run)
    record["test"]["missed"] = {"value": 0.6, "low": 0.4, "high": 0.8}
    assert "on test the guarantee of 30 % for defective" in decision_text(record, run)


def test_a_defect_that_nobody_taught_goes_to_inspection(tmp_path):
    """Washers with a red spot are taught, those with a black cross are not."""
    random = np.random.default_rng(0)
    for kind, count in (("good", 60), ("spot", 60), ("cross", 20)):
        for number in range(count):
            image = random.integers(60, 120, (48, 48, 3), dtype=np.uint8)
            top, left = random.integers(4, 28, 2)
            image[top : top + 16, left : left + 16] = 160
            if kind == "spot":
                image[top + 4 : top + 12, left + 4 : left + 12] = (255, 0, 0)
            if kind == "cross":
                image[top + 7 : top + 9, left : left + 16] = 0
                image[top : top + 16, left + 7 : left + 9] = 0
            folder = "cross" if kind == "cross" else f"taught/{kind}"
            write_image(tmp_path / folder / f"{number:02d}.png", image)
    data = create_folders(tmp_path / "taught", out=tmp_path, grouping="none", name="d")
    run = train_bovw(
        data=data[0].folder, runs=tmp_path / "runs", image_size=(48, 48), num_words=20
    )
    record = decide_run(run, max_miss=0.3, confidence="average")
    unlike = [row["reason"] == UNLIKE for row in predict(run, [tmp_path / "cross"])]
    assert np.mean(unlike) > 0.5 > record["test"]["unlike"]["value"]
