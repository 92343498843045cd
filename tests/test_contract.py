"""What every model must do, by what it says that it has: `config["outputs"]`.

Train, predict, save, load equal, score defects higher, be judged, shown, exported,
combined. Three families live in tests/families: maps, instances and clips.
"""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

import models
from anomaly.autoencoders import AUTOENCODERS
from decisions.decide_run import decide_run
from deployment.export import export
from deployment.predict import predict
from deployment.runtime import load_bundle
from ensemble.train import train as train_ensemble
from evaluation.anomaly_maps import read_map
from evaluation.found_instances import as_instances, read_found
from evaluation.predictions import read_predictions
from evaluation.predictor import OUTPUTS
from evaluation.run_folder import find_runs, read_run
from goodparts.command import InputError
from goodparts.files import read_json
from models import family, load_predictor
from preprocessing.batches import row_batches
from preprocessing.create_folders import create_folders
from preprocessing.images import read_image, write_image
from preprocessing.manifest import read_dataset, write_dataset
from reporting.compare import compare
from reporting.evaluate_run import evaluate_run, evaluation_text

QUICK = {
    "mobilenetv2": {"weights": "none", "epochs": 1, "image_size": (32, 32)},
    "resnet50": {"weights": "none", "epochs": 1, "image_size": (32, 32)},
    "inceptionresnetv2": {"weights": "none", "epochs": 1, "image_size": (75, 75)},
    "efficientnetv2s": {"weights": "none", "epochs": 1, "image_size": (32, 32)},
    "small_cnn": {"epochs": 8, "image_size": (48, 48)},
    "bovw": {"num_words": 20, "image_size": (48, 48)},
    "memory_bank": {"weights": "none", "image_size": (192, 192), "bank_size": 500},
    "gaussian": {"weights": "none", "image_size": (192, 192), "alpha": 0.35},
    "feature_noise": {"weights": "none", "image_size": (192, 192), "alpha": 0.35},
    "colour_novelty": {"image_size": (96, 96)},
    **dict.fromkeys(
        AUTOENCODERS,
        {"image_size": (64, 64), "epochs": 5, "loss": "mse", "residual": "l2"},
    ),
    "patch_autoencoder": {
        **{"image_size": (64, 64), "patch_size": 32, "batch_size": 4},
        **{"epochs": 4, "loss": "mse", "residual": "l2"},
    },
    "mask_rcnn": {
        "weights": "none",
        "image_size": (64, 64),
        "alpha": 0.35,
        "channels": 16,
        "epochs": 1,
    },
}
TINY = ("tiny_maps", "tiny_boxes", "tiny_clips")  # of tests/families
DETECTORS = [name for name, family in models.MODELS.items() if family == "anomaly"]
HAS = {
    **dict.fromkeys(DETECTORS, {"score", "map"}),
    "mask_rcnn": {"score", "classes", "instances"},
    "tiny_maps": {"score", "map"},
    "tiny_boxes": {"score", "instances"},
    "tiny_clips": {"score", "clips"},
}
LEARNS = {
    "small_cnn",
    "bovw",
    *DETECTORS,
    *TINY,
}  # the others are not trained long enough here
LARGE = {
    "mobilenetv2",
    "resnet50",
    "inceptionresnetv2",
    "efficientnetv2s",
    "gaussian",
    "feature_noise",
    "mask_rcnn",
    *AUTOENCODERS,
}  # half a minute
SHOWN = (
    "bovw",
    "memory_bank",
    "colour_novelty",
    "patch_autoencoder",
    *TINY,
    "mask_rcnn",
)  # one of each kind of output


@pytest.fixture(scope="module", autouse=True)
def families():
    with pytest.MonkeyPatch.context() as patch:
        for name in TINY:
            patch.setitem(models.MODELS, name, name)
        yield


@pytest.fixture(scope="module")
def spots(part_folder, tmp_path_factory):
    """The washers as frames of films, with masks of their spots: a data set folder."""
    folder = tmp_path_factory.mktemp("spots") / "spots"
    for path in sorted(part_folder.rglob("*.png")):
        image = read_image(path)
        target = folder / path.parent.name / f"line_{path.stem}.png"
        write_image(target, image)
        if path.parent.name == "bad":
            red = (image == (255, 0, 0)).all(axis=2)
            write_image(target.with_name(f"line_{path.stem}_mask.png"), red)
    out = tmp_path_factory.mktemp("dataset")
    return create_folders(folder, out=out, grouping="blocks", block=2)[0].folder


@pytest.fixture(scope="module")
def trained(spots, tmp_path_factory):
    """Run folders by model name, each trained once."""
    runs = tmp_path_factory.mktemp("runs")
    folders = {}

    def get(name):
        if name not in folders:
            folders[name] = family(name).train(
                model=name, data=spots, runs=runs, **QUICK.get(name, {})
            )
        return folders[name]

    return get


@pytest.fixture(
    params=[
        pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else [])
        for name in sorted({*models.MODELS, *TINY})
    ]
)
def name(request):
    return request.param


def images_of_test(predictor, dataset):
    """Rows of test, and what the predictor takes of them in one batch."""
    rows = dataset.rows("test")
    batches = row_batches(dataset.folder, rows, None, predictor.num_frames)
    return rows, np.concatenate([images for _, images in batches])


def test_every_model_has_a_quick_recipe():
    assert set(QUICK) | set(TINY) == set(models.MODELS)


def test_run_folder_is_complete(name, trained, spots):
    run = read_run(trained(name))
    assert run.config["model"] == name and run.config["normal_class"] == "good"
    assert run.config["wall_time_s"] > 0 and run.config["peak_memory_mb"] > 50
    assert run.outputs <= set(OUTPUTS) and "score" in run.outputs
    assert run.outputs == HAS.get(name, {"score", "classes"})
    table = run.predictions
    dataset = read_dataset(spots)
    wanted = dataset.rows("validate", "test")["sample_id"].tolist()
    assert table["sample_id"].tolist() == wanted
    assert np.isfinite(table["defect_score"]).all()
    assert not list(run.folder.parent.glob(".*partial"))
    assert not (run.folder / "progress.json").exists()
    threshold = json.loads((run.folder / "threshold.json").read_text())
    assert threshold["split"] == "validate"
    assert 0 < threshold["max_false_reject_rate"] <= 1
    assert run.folder in find_runs(run.folder.parent)


def test_the_table_and_the_files_hold_what_it_says(name, trained, spots):
    run = read_run(trained(name))
    table, dataset = run.predictions, read_dataset(spots)
    probabilities = [column for column in table if column.startswith("prob_")]
    assert bool(probabilities) == ("classes" in run.outputs) == table["predicted"].all()
    if probabilities:
        assert probabilities == [f"prob_{label}" for label in dataset.classes]
        assert np.allclose(table[probabilities].sum(axis=1), 1, atol=1e-5)
    assert ("map_path" in table) == ("map" in run.outputs)
    if "map" in run.outputs:
        maps = [read_map(run.folder / path) for path in table["map_path"]]
        assert all(each.ndim == 2 and np.isfinite(each).all() for each in maps)
        low, high = run.config["map_range"]
        good = table[(table["split"] == "validate") & (table["label"] == "good")]
        highest = max(maps[index].max() for index in good.index)
        assert high - low == pytest.approx(2 * (highest - low), rel=1e-3)
    found = run.folder / "instances.json"
    assert found.is_file() == ("instances" in run.outputs)
    if "instances" in run.outputs:
        truth = read_json(dataset.folder / "instances.json")
        ids = {each["sample_id"]: each["id"] for each in truth["images"]}
        categories = {each["id"] for each in truth["categories"]}
        for result in read_json(found):
            assert result["image_id"] == ids[result["sample_id"]]
            assert result["category_id"] in categories
    assert run.config.get("num_frames", 1) == (3 if "clips" in run.outputs else 1)


def test_metrics_are_those_of_its_outputs(name, trained):
    values = read_run(trained(name)).metrics["test"]["metrics"]
    outputs = read_run(trained(name)).outputs
    assert {"auroc", "miss_rate", "false_reject_rate"} <= set(values)
    assert ("macro_f1" in values) == ("classes" in outputs)
    assert ("aupro" in values) == ("map" in outputs)
    assert ("detection_rate" in values) == ("instances" in outputs)
    if "map" in outputs and name != "feature_noise":  # random features of a spot are
        # nearer to the mean than others, which noise never is
        assert values["pixel_auroc"]["value"] > 0.9
        assert values["aupro"]["value"] > 0.8
    if "instances" in outputs and name in LEARNS:
        assert values["detection_rate"]["value"] == 1
        assert values["false_alarms"]["value"] == 0
        assert values["mean_iou"]["value"] > 0.9


def test_loaded_predictor_equals_the_table(name, trained, spots):
    dataset, predictor = read_dataset(spots), load_predictor(trained(name))
    rows, images = images_of_test(predictor, dataset)
    assert predictor.classes == dataset.classes
    answer = predictor.predict(images)
    table = read_predictions(trained(name)).set_index("sample_id")
    expected = table.loc[rows["sample_id"], "defect_score"]
    assert np.allclose(answer.defect_score, expected, atol=1e-4)
    found = read_run(trained(name))
    if "map" in found.outputs:
        for sample, each in zip(rows["sample_id"], answer.anomaly_map, strict=True):
            stored = read_map(found.folder / table.loc[sample, "map_path"])
            assert np.allclose(stored, each, rtol=1e-3, atol=1e-3)
    if "instances" in found.outputs:
        stored = read_found(found.folder)
        for sample, each in zip(rows["sample_id"], answer.instances, strict=True):
            again = as_instances(stored.get(sample, []))
            assert again.labels == each.labels
            assert np.allclose(again.boxes, each.boxes, atol=0.01)  # as it is stored
            assert each.masks.size == 0 or (again.masks == each.masks).all()


def test_one_by_one_equals_the_batch_and_order_does_not_matter(name, trained, spots):
    predictor = load_predictor(trained(name))
    _, images = images_of_test(predictor, read_dataset(spots))
    for value, turned, first in zip(
        predictor.predict(images)[:3],
        predictor.predict(images[::-1])[:3],
        predictor.predict(images[:1])[:3],
        strict=True,
    ):
        if value is not None:
            assert np.allclose(turned[::-1], value, atol=1e-4)
            assert np.allclose(first, value[:1], atol=1e-4)


def test_other_sizes_are_resized_inside(name, trained):
    predictor = load_predictor(trained(name))
    shape = (1, 90, 70, 3) if predictor.num_frames == 1 else (1, 3, 90, 70, 3)
    image = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    assert np.isfinite(predictor.predict(image).defect_score).all()


def test_defects_score_higher(name, trained):
    if name not in LEARNS:
        pytest.skip("not trained long enough to learn")
    table = read_predictions(trained(name))
    is_bad = table["label"] == "bad"
    bad, good = table["defect_score"][is_bad], table["defect_score"][~is_bad]
    margin = 0.2 if "classes" in read_run(trained(name)).outputs else 3 * good.std()
    assert bad.mean() > good.mean() + margin


@pytest.mark.parametrize("name", ["small_cnn", *TINY])
def test_channel_order_matters(name, trained, spots):
    """Red spots are the defect; swapped to blue they must not count the same."""
    predictor = load_predictor(trained(name))
    _, images = images_of_test(predictor, read_dataset(spots))
    swapped = predictor.predict(images[..., ::-1]).defect_score
    assert np.abs(predictor.predict(images).defect_score - swapped).max() > 0.05


@pytest.mark.parametrize(
    "name",
    [
        *(
            pytest.param(x, marks=pytest.mark.slow)
            for x in ("mobilenetv2", "small_cnn")
        ),
        *(
            pytest.param(x, marks=pytest.mark.slow)
            for x in ("memory_bank", "patch_autoencoder")
        ),
        *("bovw", *TINY),
    ],
)
def test_same_seed_same_table_whatever_the_order(name, trained, spots, tmp_path):
    """Rows of the manifest shuffled, classes reversed: the same bytes."""
    copy = shutil.copytree(spots, tmp_path / "spots")
    folder, manifest, info = read_dataset(copy)
    info["classes"] = info["classes"][::-1]
    write_dataset(folder, manifest.sample(frac=1, random_state=0), info)
    again = family(name).train(
        model=name, data=folder, runs=tmp_path / "runs", **QUICK.get(name, {})
    )
    first = (trained(name) / "predictions.csv").read_bytes()
    assert (again / "predictions.csv").read_bytes() == first


def test_the_evidence_map_fits_the_image(name, trained, spots):
    predictor = load_predictor(trained(name))
    if predictor.explain is None:
        pytest.skip("has no map of where it sees a class")
    _, images = images_of_test(predictor, read_dataset(spots))
    maps = predictor.explain(images[:3], ["bad", "good", "bad"])
    assert maps.shape == (3, *images.shape[1:3])
    assert maps.min() >= 0 and maps.max() <= 1


@pytest.fixture(
    params=[
        pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else [])
        for name in SHOWN
    ]
)
def shown(request):
    return request.param


def test_it_is_evaluated_and_reported(shown, trained, tmp_path):
    run = read_run(shutil.copytree(trained(shown), tmp_path / trained(shown).name))
    before = run.metrics
    found = evaluate_run(run)
    assert read_run(run.folder).metrics == before
    text = evaluation_text(found)
    assert "AUROC" in text and max(map(len, text.splitlines())) <= 100
    has_evidence = bool(run.outputs & {"map", "instances"})
    assert bool(found["num_examples"]) == has_evidence
    page = compare([read_run(run.folder)], out=tmp_path / "report").read_text()
    assert ("Examples of what the model found" in page) == has_evidence


def test_it_predicts_and_draws(shown, trained, spots, tmp_path):
    run, dataset = read_run(trained(shown)), read_dataset(spots)
    rows = dataset.rows("test")
    paths = [dataset.folder / path for path in rows["path"]]
    said = list(predict(run.folder, paths))
    assert ("prob_bad" in said[0]) == ("classes" in run.outputs)
    assert ("num_instances" in said[0]) == ("instances" in run.outputs)
    if "clips" not in run.outputs:  # one image alone is a clip of one
        table = run.split("test").set_index("sample_id")
        expected = table.loc[rows["sample_id"], "defect_score"].to_numpy()
        assert np.allclose([row["defect_score"] for row in said], expected, atol=1e-4)
    if run.outputs & {"map", "instances"}:
        said = list(predict(run.folder, paths[:2], overlays=tmp_path / "seen"))
        assert all(read_image(row["overlay"]).ndim == 3 for row in said)
        return
    with pytest.raises(InputError, match="neither anomaly maps nor instances"):
        list(predict(run.folder, paths[:1], overlays=tmp_path / "seen"))


def test_it_is_exported_and_answers_as_its_run(shown, trained, spots, tmp_path):
    out = tmp_path / f"{shown}.goodparts"
    found = export(trained(shown), out)["parity"]
    assert found["num_images"] == len(read_dataset(spots).rows("validate"))
    inspector, predictor = load_bundle(out), load_predictor(trained(shown))
    _, images = images_of_test(predictor, read_dataset(spots))
    for image, wanted in zip(images, predictor.predict(images).answers(), strict=True):
        verdict = inspector.inspect(image)
        assert verdict.defect_score == pytest.approx(wanted.defect_score, abs=1e-5)
        for value, expected in (
            (verdict.probabilities, wanted.probabilities),
            (verdict.anomaly_map, wanted.anomaly_map),
        ):
            assert (value is None) == (expected is None)
            assert value is None or np.allclose(value, expected, atol=1e-4)
        if wanted.instances is not None:
            assert verdict.instances.labels == wanted.instances.labels


def test_decisions_need_no_classes(shown, trained, tmp_path):
    folder = shutil.copytree(trained(shown), tmp_path / trained(shown).name)
    record = decide_run(folder, inspect_share=0.2)
    assert record["test"]["missed"]["value"] is not None
    export(folder, tmp_path / "decided.goodparts")


@pytest.mark.parametrize(
    "members",
    [
        pytest.param(("tiny_maps", "tiny_boxes"), marks=pytest.mark.slow),
        ("tiny_maps", "tiny_clips", "tiny_boxes"),
        pytest.param(("bovw", "tiny_maps"), marks=pytest.mark.slow),
        ("bovw", "tiny_boxes", "tiny_clips"),
    ],
    ids="+".join,
)
def test_ensembles_of_every_kind_go_all_the_way(members, trained, spots, tmp_path):
    folder = train_ensemble([trained(name) for name in members], runs=tmp_path / "runs")
    run = read_run(folder)
    parts = [read_run(trained(name)) for name in members]
    assert run.outputs == set().union(*(part.outputs for part in parts))
    dataset, predictor = read_dataset(spots), load_predictor(folder)
    rows, images = images_of_test(predictor, dataset)
    table = run.predictions.set_index("sample_id").loc[rows["sample_id"]]
    answer = predictor.predict(images)
    assert np.allclose(answer.defect_score, table["defect_score"], atol=1e-4)
    if "map" in run.outputs:
        stored = read_map(folder / table["map_path"].iat[0])
        assert np.allclose(stored, answer.anomaly_map[0], rtol=1e-2, atol=1e-2)
    evaluate_run(run)
    compare([read_run(folder), *parts], out=tmp_path / "report")
    export(folder, tmp_path / "both.goodparts")
    verdict = load_bundle(tmp_path / "both.goodparts").inspect(images[0])
    assert verdict.defect_score == pytest.approx(answer.defect_score[0], abs=1e-5)
    assert (verdict.anomaly_map is None) == ("map" not in run.outputs)


def test_good_parts_alone_are_enough_for_a_detector(part_folder, tmp_path):
    good = shutil.copytree(part_folder / "good", tmp_path / "parts" / "good")
    dataset, _ = create_folders(good.parent, out=tmp_path / "dataset", grouping="none")
    for name in ("small_cnn", "bovw"):
        with pytest.raises(InputError, match="has only good parts") as error:
            family(name).train(model=name, data=dataset.folder, runs=tmp_path / "runs")
        assert "\n" not in str(error.value)
    members = [
        family(name).train(model=name, data=dataset.folder, runs=tmp_path / "runs")
        for name in ("tiny_maps", "tiny_boxes")
    ]
    run = read_run(members[0])
    record = run.threshold_record
    scores = run.split("validate")["defect_score"]
    assert record["from_good_parts_alone"] and record["value"] > scores.max()
    # none of n groups is rejected: 1 - 0.05 ** (1 / n)
    bound = 1 - 0.05 ** (1 / record["num_good_groups"])
    assert record["max_false_reject_rate"] == pytest.approx(bound)
    text = " ".join(evaluation_text(evaluate_run(run)).split())
    assert "from good parts only" in text and "of future groups" in text
    both = train_ensemble(members, runs=tmp_path / "runs")
    page = compare([read_run(x) for x in (*members, both)], out=tmp_path / "report")
    assert "No run is recommended for deployment" in page.read_text()
    export(both, tmp_path / "good.goodparts")


def test_progress_is_a_file_while_it_trains(spots, tmp_path, monkeypatch):
    """history.csv grows by the epoch; progress.json says how far it is."""
    from classification import whole

    seen = []
    judge = whole.judged

    def look(*arguments):
        (folder,) = (tmp_path / "runs").glob("*.unfinished")
        state = folder / "progress.json"
        history = folder / "history.csv"
        seen.append(
            (
                read_json(state) if state.exists() else None,
                len(pd.read_csv(history)) if history.exists() else 0,
            )
        )
        return judge(*arguments)

    monkeypatch.setattr(whole, "judged", look)
    monkeypatch.setattr("goodparts.command.TOLD_EVERY_S", 0)
    family("small_cnn").train(
        model="small_cnn",
        data=spots,
        runs=tmp_path / "runs",
        epochs=3,
        image_size=(32, 32),
    )
    assert [rows for _, rows in seen] == [0, 1, 2]
    for epoch, (state, _) in enumerate(seen, 1):
        assert 3 * state["step"] == epoch * state["total"]
        assert state["seconds_left"] >= 0 and "from scratch" in state["what"]


def test_unknown_model_lists_the_known_ones():
    with pytest.raises(InputError, match="Did you mean mobilenetv2.*small_cnn, bovw"):
        family("mobilnetv2")
