"""Instances from the run to the report, the bundle and the files of `predict`.

The model is tiny_boxes of tests/families: a red spot is a defect, the redder the surer.
"""

import csv
import json
import shutil

import numpy as np
import pytest
from tiny_boxes.train import find_spots

import models
from commands.decide import number_from_0
from deployment.bundle_decision import lines_of
from deployment.export import export
from deployment.predict import predict
from deployment.runtime import load_bundle
from evaluation.found_instances import read_found
from evaluation.run_folder import read_run
from evaluation.summary_text import summary_line
from goodparts.cli import main
from goodparts.files import read_json
from models import family
from preprocessing.create_folders import create_folders
from preprocessing.images import read_image, write_image
from preprocessing.manifest import read_dataset
from reporting.compare import compare
from reporting.evaluate_coco import evaluate_coco
from reporting.evaluate_run import evaluate_run, evaluation_text

STRONG, WEAK = (230, 20, 20), (140, 40, 40)
UNSEEN = (20, 200, 20)  # a defect that the model does not see


@pytest.fixture(scope="module", autouse=True)
def families():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(models.MODELS, "tiny_boxes", "tiny_boxes")
        yield


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Good parts, some with a weak spot; bad ones with a strong spot and an unseen."""
    folder = tmp_path_factory.mktemp("spotted") / "spotted"
    random = np.random.default_rng(0)
    for label, count in (("good", 40), ("bad", 40)):
        for number in range(count):
            image = random.integers(60, 100, (64, 80, 3), dtype=np.uint8)
            mask = np.zeros((64, 80), bool)
            if label == "good" and number % 4 == 0:
                image[40:46, 10:16] = WEAK
            if label == "bad":
                top, left = random.integers(2, 40, 2)
                image[top : top + 10, left : left + 12] = STRONG
                mask[top : top + 10, left : left + 11] = True
                if number % 3 == 0:
                    image[54:60, 60:74] = UNSEEN
                    mask[54:60, 60:74] = True
            write_image(folder / label / f"{number:03d}.png", image)
            if label == "bad":
                write_image(folder / label / f"{number:03d}_mask.png", mask)
    out = tmp_path_factory.mktemp("dataset")
    made, _ = create_folders(folder, out=out, grouping="none")
    return read_dataset(made.folder)


@pytest.fixture(scope="module")
def trained(dataset, tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    return family("tiny_boxes").train(data=dataset.folder, runs=runs)


@pytest.fixture
def run(trained, tmp_path):
    return read_run(shutil.copytree(trained, tmp_path / trained.name))


def value(run, split, name):
    return run.metrics[split]["metrics"][name]["value"]


def test_the_metrics_are_those_of_what_was_drawn(run, dataset):
    rows = dataset.rows("test")
    numbers = rows["sample_id"].str.extract(r"(\d+)$")[0].astype(int)
    is_bad = (rows["label"] == "bad").to_numpy()
    num_unseen = (is_bad & (numbers % 3 == 0)).sum()
    num_true = is_bad.sum() + num_unseen
    assert 0 < num_unseen < is_bad.sum()
    assert value(run, "test", "detection_rate") == pytest.approx(
        is_bad.sum() / num_true
    )
    # the found one is a column wider: 110 of 120 pixels
    assert value(run, "test", "mean_iou") == pytest.approx(110 / 120)
    assert value(run, "test", "area_error") == pytest.approx(10 / 110)
    found = run.metrics["test"]["instances"]
    assert found["rows"] == ["bad", "false alarm"]
    assert found["columns"] == ["bad", "missed"]
    assert found["confusion_matrix"][0] == [is_bad.sum(), num_unseen]
    assert found["per_class"]["bad"]["num_true"] == num_true
    for name in ("mask_ap", "mask_ap50", "mask_ap75", "box_ap"):
        interval = run.metrics["test"]["metrics"][name]
        assert interval["low"] < interval["value"] < interval["high"]


def test_the_line_after_a_training_names_the_instances(run):
    line = summary_line(run)
    assert "; mask AP " in line and " of the instances with " in line
    assert line.endswith("false alarms per image")


def test_a_run_and_its_files_have_the_same_figures(run, dataset, tmp_path):
    """COCO files of test alone, judged by `evaluate --coco`."""
    truth = read_json(dataset.folder / "instances.json")
    names = set(dataset.rows("test")["sample_id"])
    truth["images"] = [x for x in truth["images"] if x["sample_id"] in names]
    ids = {x["id"] for x in truth["images"]}
    truth["annotations"] = [x for x in truth["annotations"] if x["image_id"] in ids]
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    results = [
        x for x in read_json(run.folder / "instances.json") if x["image_id"] in ids
    ]
    (tmp_path / "results.json").write_text(json.dumps(results))
    least = run.instance_scores["bad"]
    found = evaluate_coco(
        tmp_path / "truth.json", tmp_path / "results.json", min_score=least
    )
    for name, metric in run.metrics["test"]["metrics"].items():
        if name in found["metrics"]:
            expected = found["metrics"][name]["value"]
            assert metric["value"] == pytest.approx(expected, abs=1e-9), name
    assert {"mask_ap", "box_ap75", "false_alarms", "auroc"} <= set(found["metrics"])


def test_thresholds_are_chosen_on_validate_for_the_allowed_false_alarms(run):
    assert run.threshold_record["false_alarms_per_image"] == 0.2
    assert value(run, "validate", "false_alarms") <= 0.2
    main(["decide", str(run.folder), "--false-alarms", "0"])
    strict = read_run(run.folder)
    weak, strong = ((color[0] - color[1]) / 255 for color in (WEAK, STRONG))
    assert weak < strict.instance_scores["bad"] < strong
    assert value(strict, "validate", "false_alarms") == 0
    assert value(strict, "test", "mask_ap") == value(run, "test", "mask_ap")
    main(["decide", str(run.folder), "--false-alarms", "5"])
    assert read_run(run.folder).instance_scores == {"bad": 0}
    assert value(read_run(run.folder), "test", "false_alarms") > 0


def test_decide_needs_instances_and_the_data(run, capsys, make_dataset, make_run):
    other = make_run(make_dataset(), "bovw")
    with pytest.raises(SystemExit) as end:
        main(["decide", str(other.folder), "--false-alarms", "0.1"])
    assert end.value.code == 2 and "finds no instances" in capsys.readouterr().err
    config = read_json(run.folder / "config.json") | {"dataset_folder": "/nowhere"}
    (run.folder / "config.json").write_text(json.dumps(config))
    before = (run.folder / "threshold.json").read_bytes()
    with pytest.raises(SystemExit) as end:
        main(["decide", str(run.folder), "--false-alarms", "0.1"])
    assert end.value.code == 2 and "no longer exists" in capsys.readouterr().err
    assert (run.folder / "threshold.json").read_bytes() == before
    assert number_from_0("0") == 0 and number_from_0("0.5") == 0.5


def test_evaluate_writes_areas_and_the_worst_mistakes(run, capsys):
    main(["evaluate", str(run.folder), "--mm-per-pixel", "0.1"])
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 100
    for words in ("mask AP50", "detection rate", "of each class, by masks:", "mm²"):
        assert words in text
    with open(run.folder / "instances.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    found = [row for row in rows if row["outcome"] == "found"]
    missed = [row for row in rows if row["outcome"] == "missed"]
    assert {row["area_mm2"] for row in found} == {"1.2"}
    assert {row["true_area_mm2"] for row in missed} == {"0.84"}
    pictures = sorted(path.name for path in (run.folder / "worst_instances").iterdir())
    assert pictures[0].startswith(("false_alarm_01_bad", "missed_01_bad"))
    picture = read_image(run.folder / "worst_instances" / pictures[-1])
    assert max(picture.shape) <= 2 * 640 + 8
    assert (run.folder / "plots" / "instance_confusion.png").is_file()
    evaluate_run(read_run(run.folder))
    with open(run.folder / "instances.csv", newline="") as file:
        assert next(csv.DictReader(file))["area_px"] in ("120", "36", "120.0")


def test_close_ups_show_what_was_missed_and_what_was_found(run, monkeypatch):
    """Words and boxes as they are drawn, in pixels of the close-up."""
    from reporting import instance_pictures

    drawn = []
    draw = instance_pictures.draw_overlay

    def look(image, **seen):
        drawn.append(seen)
        return draw(image, **seen)

    monkeypatch.setattr(instance_pictures, "draw_overlay", look)
    evaluate_run(run)
    with_words = [seen for seen in drawn if seen.get("words")]
    assert any("IoU 0.92" in seen["words"][0] for seen in with_words)
    missed = [seen["missed"] for seen in drawn if seen.get("missed") is not None]
    # 14 x 6 pixels of an image of 80, which is shown at 240
    sizes = {tuple(box[2:]) for each in missed for box in each.boxes}
    assert sizes == {(42, 18)}


def test_what_is_judged_stays_when_the_data_are_gone(run):
    before = run.metrics["test"]
    config = read_json(run.folder / "config.json") | {"dataset_folder": "/nowhere"}
    (run.folder / "config.json").write_text(json.dumps(config))
    result = evaluate_run(read_run(run.folder))
    assert result["test"]["instances"] == before["instances"]
    assert result["test"]["metrics"]["mask_ap"] == before["metrics"]["mask_ap"]
    assert "of each class, by masks:" in evaluation_text(result)


def test_the_report_has_a_section_on_instances(run, tmp_path):
    page = compare([run], out=tmp_path / "report").read_text()
    for words in (
        "Instances: tiny_boxes",
        "The largest missed defects",
        "84 pixels",
        "Confusion matrix of instances",
        "0.2 false alarms per image",
    ):
        assert words in page
    assert "box AP75" not in page and "mask AP50" in page


def paths_of(dataset, split="test"):
    return [str(dataset.folder / path) for path in dataset.rows(split)["path"]]


def test_predict_writes_a_row_for_each_instance(run, dataset, tmp_path, capsys):
    main(["decide", str(run.folder), "--false-alarms", "0"])
    export(run.folder, tmp_path / "spots.goodparts")
    files = {}
    for model in (str(run.folder), str(tmp_path / "spots.goodparts")):
        words = ["--instances", "rows.csv", "--coco", "coco.json"]
        words = [str(tmp_path / x) if "." in x else x for x in words]
        main(["predict", model, *paths_of(dataset), *words, "--mm-per-pixel", "2"])
        files[model] = [(tmp_path / x).read_text() for x in ("rows.csv", "coco.json")]
    assert len(set(map(tuple, files.values()))) == 1
    text, coco = next(iter(files.values()))
    rows, results = list(csv.DictReader(text.splitlines())), json.loads(coco)
    found = read_found(run.folder)
    of_test = [
        x for name in dataset.rows("test")["sample_id"] for x in found.get(name, [])
    ]
    assert len(results) == len(of_test) > len(rows) > 0  # the weak ones too
    assert {row["class"] for row in rows} == {"bad"}
    assert {float(row["area_mm2"]) for row in rows} == {480.0}
    assert all(float(row["score"]) > run.instance_scores["bad"] for row in rows)
    assert {x["category_id"] for x in results} == {1 + dataset.classes.index("bad")}
    order = dict(enumerate(paths_of(dataset), 1))
    assert all(order[x["image_id"]] == x["sample_id"] for x in results)


def test_below_the_threshold_nothing_is_drawn_or_named(run, dataset, tmp_path):
    main(["decide", str(run.folder), "--false-alarms", "0"])
    export(run.folder, tmp_path / "spots.goodparts")
    inspector = load_bundle(tmp_path / "spots.goodparts")
    assert inspector.instance_scores == read_run(run.folder).instance_scores
    [weak] = [
        path
        for path in paths_of(dataset, "train")
        if "good" in path and len(find_spots(read_image(path)).scores)
    ][:1]
    verdict = inspector.inspect(read_image(weak))
    assert verdict.instances.labels == [] and verdict.predicted is None
    assert verdict.all_instances.labels == ["bad"] and verdict.defect_score > 0
    for model in (run.folder, tmp_path / "spots.goodparts"):
        [row] = predict(model, [weak], overlays=tmp_path / "seen")
        assert row["num_instances"] == 0
        apart = read_image(row["overlay"]).astype(int) - read_image(weak)
        assert np.abs(apart).mean() < 12  # JPEG alone


def test_runs_of_before_have_no_score_thresholds(run, tmp_path):
    record = read_json(run.folder / "threshold.json")
    del record["instance_scores"], record["false_alarms_per_image"]
    (run.folder / "threshold.json").write_text(json.dumps(record))
    old = read_run(run.folder)
    assert old.instance_scores is None
    assert lines_of(old, old)["instance_scores"] is None
    evaluate_run(old)
    export(old.folder, tmp_path / "old.goodparts")
    assert load_bundle(tmp_path / "old.goodparts").instance_scores is None


@pytest.mark.parametrize("wrong", [0.5, {"bad": "high"}, {"bad": float("nan")}])
def test_changed_score_thresholds_are_refused(run, wrong, capsys):
    record = read_json(run.folder / "threshold.json") | {"instance_scores": wrong}
    (run.folder / "threshold.json").write_text(json.dumps(record))
    with pytest.raises(SystemExit) as end:
        main(["evaluate", str(run.folder)])
    error = capsys.readouterr().err
    assert end.value.code == 2 and "a number for each class" in error
    assert len(error.splitlines()) == 1


def test_tiles_of_a_large_image(run, tmp_path, capsys):
    image = np.full((300, 400, 3), 80, np.uint8)
    image[95:105, 90:110] = STRONG
    image[250:256, 380:390] = STRONG
    small = np.full((60, 80, 3), 80, np.uint8)
    paths = [str(tmp_path / name) for name in ("large.png", "small.png")]
    for path, pixels in zip(paths, (image, small), strict=True):
        write_image(path, pixels)
    table = str(tmp_path / "rows.csv")
    words = [*paths, "--tiles", "100", "--instances", table]
    with pytest.raises(SystemExit) as end:
        main(["predict", str(run.folder), *words])
    shown = capsys.readouterr()
    assert end.value.code == 2  # of the small one; the other is predicted
    assert "small.png has 80 x 60 pixels and is not larger than a tile" in shown.err
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted((row["x"], row["width"]) for row in rows) == [
        ("380.0", "10.0"),
        ("90.0", "20.0"),
    ]


@pytest.mark.parametrize(
    "words, message",
    [
        (["--tiles", "100"], "finds no instances. Omit --tiles"),
        (["--coco", "x.json"], "finds no instances, so there are none to write"),
        (["--instances", "x.json"], "finds no instances, so there are none to write"),
        (["--mm-per-pixel", "1"], "--mm-per-pixel is for the areas in --instances"),
        (["--tiles", "8"], "must be 32 or more"),
        (["--mm-per-pixel", "0"], "must be a number above 0"),
    ],
)
def test_what_a_model_without_instances_cannot_do(
    words, message, part_folder, washers, tmp_path, monkeypatch, capsys
):
    from bovw.train import train

    monkeypatch.chdir(tmp_path)
    folder = train(data=washers, runs="runs", image_size=(48, 48), num_words=10)
    image = np.full((200, 200, 3), 90, np.uint8)
    write_image("large.png", image)
    with pytest.raises(SystemExit) as end:
        main(["predict", str(folder), "large.png", *words])
    assert end.value.code == 2 and message in capsys.readouterr().err
    assert not (tmp_path / "x.json").exists()
