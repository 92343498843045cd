import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from classification import bundled
from decisions.rule import read_decision
from deployment import export as export_module
from deployment import parity
from deployment.export import export, export_keras
from deployment.int8_cost import check_cost, cost_of_int8
from deployment.parity import check_parity
from deployment.predict import predict
from deployment.runtime import load_bundle
from deployment.unlike_good import UNKNOWN, learn_views
from evaluation.run_folder import read_run
from goodparts.command import InputError
from goodparts.files import read_json, write_json
from models import load_predictor
from networks.engines import load_network
from preprocessing.images import read_image
from preprocessing.manifest import read_dataset

ROOT = Path(__file__).parents[2]
HEAVY = (
    "tensorflow",
    "keras",
    "pandas",
    "scipy",
    "sklearn",
    "matplotlib",
    "albumentations",
)


def images_of_test(washers):
    dataset = read_dataset(washers)
    rows = dataset.rows("test")
    return [dataset.folder / path for path in rows["path"]]


@pytest.mark.parametrize("name", ["network", "bovw", "ensemble"])
def test_a_bundle_decides_as_its_run(runs, bundles, washers, name):
    inspector, original = load_bundle(bundles[name]), load_predictor(runs[name])
    decision = inspector.decision
    lines = read_decision(read_run(runs[name]))
    assert decision[:2] == lines[:2]
    for path in images_of_test(washers):
        image = read_image(path)
        answer = original.predict(image[None])
        order = [original.classes.index(each) for each in inspector.classes]
        wanted = answer.probabilities[0, order]
        exported = inspector.answer(image)
        assert exported.probabilities == pytest.approx(wanted, abs=1e-5)
        original_answer = answer.answers()[0]._replace(probabilities=wanted)
        if not parity._is_at_a_line(decision, original_answer):
            decided = inspector.decide(original_answer)
            assert inspector.decide(exported) == decided
            guarded = decided[0] == "accept" and inspector.is_unlike_good(image)
            verdict = inspector.inspect(image)
            assert verdict.decision == ("inspect" if guarded else decided[0])
    about = read_json(bundles[name] / "bundle.json")
    assert about["parity"]["max_difference"] < 1e-5
    assert about["run"]["name"] == runs[name].name


def test_a_weak_run_that_misses_defects_is_exported_with_its_guard(
    runs, tmp_path, monkeypatch
):
    """The guard is no difference of the export: it has a figure of its own."""
    folder = shutil.copytree(runs["bovw"], tmp_path / runs["bovw"].name)
    record = read_json(folder / "threshold.json")
    write_json(folder / "threshold.json", {**record, "value": 2.0})  # accepts all
    monkeypatch.setattr(
        export_module,
        "learn_views",
        lambda *images: learn_views(*images)._replace(limit=np.float64(-1)),
    )
    found = export(folder, tmp_path / "weak.goodparts")["parity"]
    rows = read_dataset(read_run(folder).config["dataset_folder"]).rows("validate")
    inspector = load_bundle(tmp_path / "weak.goodparts")
    floor = inspector.decision.least_probability
    table = read_run(folder).split("validate")
    known = table[["prob_bad", "prob_good"]].max(axis=1) >= floor
    assert found["num_guarded"] == known.sum() > len(rows) / 2
    assert found["num_good_guarded"] == (known & (table["label"] == "good")).sum()


def test_a_part_at_a_line_may_be_decided_either_way(bundles, runs, washers):
    """The line lies at the score of a part, to its last digits."""
    inspector, original = load_bundle(bundles["bovw"]), load_predictor(runs["bovw"])
    dataset = read_dataset(washers)
    path = dataset.folder / dataset.rows("validate")["path"].iat[0]
    score = original.predict(read_image(path)[None]).defect_score[0]
    line = np.nextafter(score, 2)
    decision = inspector.decision._replace(
        accept_below=line, reject_from=line, least_probability=None
    )
    off = inspector._replace(
        decision=decision,
        answer=lambda image: inspector.answer(image)._replace(
            defect_score=inspector.answer(image).defect_score + 1e-9
        ),
    )
    assert check_parity(original, off, dataset)["num_at_a_line"] >= 1
    further = off._replace(
        answer=lambda image: inspector.answer(image)._replace(
            defect_score=inspector.answer(image).defect_score + 0.01
        )
    )
    with pytest.raises(InputError, match="differ by 0.01"):
        check_parity(original, further, dataset)


def test_neither_keras_nor_the_learning_libraries_are_loaded(bundles, washers):
    code = (
        "import sys; from deployment.runtime import load_bundle\n"
        "from preprocessing.images import read_image\n"
        f"load_bundle({str(bundles['ensemble'])!r}).inspect("
        f"read_image({str(images_of_test(washers)[0])!r}))\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_predict_takes_a_bundle(bundles, washers, tmp_path):
    images = images_of_test(washers)[:3]
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "goodparts",
            "predict",
            bundles["ensemble"],
            *images,
            "--csv",
            tmp_path / "out.csv",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = list(predict(bundles["ensemble"], images))
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [row["verdict"] for row in rows]
    written = (tmp_path / "out.csv").read_text().splitlines()
    assert written[0] == "path,verdict,reason,defect_score,predicted,prob_bad,prob_good"
    assert len(written) == 4


def test_int8_is_fitted_again_and_says_what_it_costs(runs, washers, tmp_path):
    out = tmp_path / "small.goodparts"
    found = export(runs["ensemble"], out, precision="int8")
    about = read_json(out / "bundle.json")
    assert about["precision"] == "int8"
    cost = found["cost"]["validate"]
    assert abs(cost["int8"]["value"] - cost["fp32"]["value"]) < 0.1
    assert about["cost"]["test"]["num_images"] == len(images_of_test(washers))
    assert about["engine"]["name"] == "openvino"
    network = out / "0" / "network.onnx"
    if not network.is_file():
        network = out / "1" / "network.onnx"
    assert b"QuantizeLinear" in network.read_bytes()
    verdict = load_bundle(out).inspect(read_image(images_of_test(washers)[0]))
    assert verdict.probabilities.sum() == pytest.approx(1)


def test_int8_that_answers_otherwise_is_refused(runs):
    """Two runs that differ stand for a network and a ruined copy of it."""
    network, words = (read_run(runs[name]) for name in ("network", "bovw"))
    cost = cost_of_int8(network, words)["validate"]
    tables = [run.split("validate") for run in (network, words)]
    named = (tables[0]["predicted"] != tables[1]["predicted"]).sum()
    assert 0 < named <= cost["num_otherwise"] <= cost["num_images"]
    with pytest.raises(InputError, match="get another decision or class, more than 5%"):
        check_cost(cost)
    same = cost_of_int8(network, network)["validate"]
    assert same["num_otherwise"] == 0
    check_cost(same)


def test_the_gate_of_int8_is_asked(runs, tmp_path, monkeypatch):
    monkeypatch.setattr("deployment.int8_cost.MAX_OTHERWISE", -1.0)
    with pytest.raises(InputError, match="In int8, .* Nothing was written"):
        export(runs["network"], tmp_path / "b.goodparts", precision="int8")
    assert not list(tmp_path.iterdir())


def test_what_is_no_number_does_not_pass(runs, bundles, washers):
    """As where it comes with some images only, so that the trial has not found it."""
    inspector, original = load_bundle(bundles["bovw"]), load_predictor(runs["bovw"])
    nan = inspector.answer(np.zeros((48, 48, 3), np.uint8))._replace(
        defect_score=np.nan
    )
    broken = inspector._replace(answer=lambda image: nan)
    with pytest.raises(InputError, match="differ by nan"):
        check_parity(original, broken, read_dataset(washers))


def test_weights_outside_the_file_are_refused():
    model = onnx.ModelProto()
    tensor = model.graph.initializer.add(data_location=onnx.TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="weights.bin")
    with pytest.raises(InputError, match="outside of its file"):
        load_network(model.SerializeToString())


def test_without_lines_a_part_unlike_every_class_goes_to_inspection(bundles, runs):
    decision = load_bundle(bundles["network"]).decision
    assert (
        decision.accept_below
        == decision.reject_from
        == read_run(runs["network"]).threshold
    )
    assert 0 < decision.least_probability < 1


def test_a_hand_over_a_good_part_is_not_accepted(bundles, washers):
    inspector = load_bundle(bundles["network"])
    accepts = inspector._replace(decision=inspector.decision._replace(accept_below=2.0))
    accepts = accepts._replace(
        decision=accepts.decision._replace(reject_from=2.0, least_probability=None)
    )
    image = read_image(images_of_test(washers)[-1]).copy()
    assert accepts.inspect(image).decision == "accept"
    image[: len(image) // 2] = (220, 170, 140)
    verdict = accepts.inspect(image)
    assert (verdict.decision, verdict.reason) == ("inspect", UNKNOWN)


def test_an_export_that_decides_otherwise_is_refused(runs, tmp_path, monkeypatch):
    honest = bundled.resize
    monkeypatch.setattr(
        bundled, "resize", lambda image, size: 255 - honest(image, size)
    )
    out = tmp_path / "wrong.goodparts"
    with pytest.raises(
        InputError, match="differs from the original on .*: .*(good|bad)/"
    ):
        export(runs["network"], out)
    assert not out.exists() and not list(tmp_path.iterdir())


def test_scores_further_apart_than_the_tolerance_are_refused(
    runs, tmp_path, monkeypatch
):
    monkeypatch.setattr(parity, "TOLERANCE", -1.0)
    with pytest.raises(InputError, match="and [0-9]+ more. Nothing was written"):
        export(runs["bovw"], tmp_path / "far.goodparts")


def test_a_data_set_that_changed_cannot_judge(runs, tmp_path):
    folder = shutil.copytree(runs["bovw"], tmp_path / runs["bovw"].name)
    config = (folder / "config.json").read_text()
    manifest = read_run(folder).config["manifest_sha256"]
    (folder / "config.json").write_text(config.replace(manifest, "0" * 64))
    with pytest.raises(InputError, match="was changed after"):
        export(folder, tmp_path / "b.goodparts")


def test_names_are_checked_first(runs, bundles, tmp_path):
    with pytest.raises(InputError, match="must end in .goodparts"):
        export(runs["bovw"], tmp_path / "b")
    with pytest.raises(InputError, match="already exists"):
        export(runs["bovw"], bundles["bovw"])
    with pytest.raises(InputError, match="needs a single classification network"):
        export_keras(runs["bovw"], tmp_path / "b", name="litert")


@pytest.mark.parametrize("name, out", [("savedmodel", "saved"), ("litert", "a.tflite")])
def test_other_formats_of_one_network(runs, tmp_path, name, out):
    found = export_keras(runs["network"], tmp_path / out, name=name)
    assert found["max_difference"] < 1e-5
    assert (tmp_path / out).exists() and len(list(tmp_path.iterdir())) == 1


def test_what_is_no_rgb_image_is_refused(bundles):
    inspector = load_bundle(bundles["network"])
    for image in (
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((0, 8, 3), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
    ):
        with pytest.raises(ValueError, match="must be uint8 RGB"):
            inspector.inspect(image)


def test_both_engines_say_the_same(bundles, washers):
    image = read_image(images_of_test(washers)[0])
    found = [
        load_bundle(bundles["network"], engine=engine).inspect(image).probabilities
        for engine in ("onnxruntime", "openvino")
    ]
    assert found[0] == pytest.approx(found[1], abs=1e-5)
