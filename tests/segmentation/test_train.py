"""Trainings of small networks: they learn, go on after a kill, load as they were."""

import json

import numpy as np
import pandas as pd
import pytest
from networks_of import SETTINGS, batch_of, small_parts, truth_of

from evaluation.run_folder import read_run
from goodparts.command import InputError
from networks.quiet_keras import keras
from preprocessing.images import read_image
from preprocessing.manifest import read_dataset
from segmentation import training
from segmentation.anchors import place_anchors
from segmentation.detector import find_defects, settings_of
from segmentation.judge import held_out_precision
from segmentation.network import Parts, networks_of
from segmentation.recipe import plan
from segmentation.train import load_predictor, train
from segmentation.trainer import LOSSES, Trainer

QUICK = {
    "weights": "none",
    "alpha": 0.35,
    "image_size": (64, 96),
    "channels": 16,
    "epochs": 2,
}


@pytest.fixture(scope="module")
def run(holes, tmp_path_factory):
    """A short training."""
    runs = tmp_path_factory.mktemp("runs")
    return read_run(train(data=holes, runs=runs, **QUICK))


@pytest.mark.slow
def test_the_run_says_what_it_has(run, holes):
    assert run.outputs == {"score", "classes", "instances"}
    settings = settings_of(run.config["detector"])
    assert settings.canvas == (64, 96) and settings.labels == ["hole", "scratch"]
    history = pd.read_csv(run.folder / "history.csv")
    assert history["epoch"].tolist() == [1, 2]
    assert {*LOSSES, "val_loss", "val_mask", "learning_rate"} <= set(history.columns)
    assert any("from scratch" in text for text in run.config["warnings"])
    table = run.predictions
    names = ["prob_good", "prob_hole", "prob_scratch"]
    assert np.allclose(table[names].sum(axis=1), 1)
    assert np.allclose(1 - table["prob_good"], table["defect_score"], atol=1e-5)


@pytest.mark.slow
def test_the_keras_files_answer_as_the_predictor(run, holes):
    """ONNX and Keras find the same, and both the same as the table."""
    names = ("pyramid", "box_head", "mask_head")
    files = [run.folder / f"{name}.keras" for name in names]
    networks = networks_of(Parts(*map(keras.models.load_model, files)))
    settings = settings_of(run.config["detector"])
    anchors = place_anchors(settings.canvas, settings.anchors)
    predictor, dataset = load_predictor(run.folder), read_dataset(holes)
    table = run.predictions.set_index("sample_id")
    for row in dataset.rows("test").head(4).itertuples():
        image = read_image(dataset.folder / row.path)
        found, scores = find_defects(image, networks, settings, anchors)
        assert scores.max() == pytest.approx(
            table.loc[row.sample_id, "defect_score"], abs=1e-4
        )
        again = predictor.predict(image[None]).instances[0]
        assert again.labels == found.labels
        assert np.allclose(again.boxes, found.boxes, atol=0.05)
        assert np.allclose(again.scores, found.scores, atol=1e-4)


@pytest.mark.slow
def test_a_batch_is_answered_as_its_images(run, holes):
    predictor, dataset = load_predictor(run.folder), read_dataset(holes)
    paths = dataset.rows("test")["path"].head(4)
    images = np.stack([read_image(dataset.folder / path) for path in paths])
    together = predictor.predict(images)
    for index, image in enumerate(images):
        alone = predictor.predict(image[None])
        assert alone.defect_score[0] == together.defect_score[index]
        first, second = alone.instances[0], together.instances[index]
        assert first.labels == second.labels and (first.boxes == second.boxes).all()
        assert (first.masks == second.masks).all()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_table(run, holes, tmp_path):
    again = train(data=holes, runs=tmp_path, **QUICK)
    first = (run.folder / "predictions.csv").read_bytes()
    assert (again / "predictions.csv").read_bytes() == first


@pytest.mark.slow
def test_a_killed_training_goes_on_as_if_it_was_not(run, holes, tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    whole = training._train_epoch

    def until_the_second(trainer, plan, optimizer, epoch, batches):
        if epoch == 1:
            raise Killed
        return whole(trainer, plan, optimizer, epoch, batches)

    monkeypatch.setattr(training, "_train_epoch", until_the_second)
    with pytest.raises(Killed):
        train(data=holes, runs=tmp_path, **QUICK)
    monkeypatch.setattr(training, "_train_epoch", whole)
    [left] = tmp_path.glob("*.unfinished")
    begun = json.loads((left / "config.json").read_text())["arguments"]
    folder = train(data=holes, runs=tmp_path, resume=left, **begun)
    for name in ("history.csv", "predictions.csv"):
        assert (folder / name).read_bytes() == (run.folder / name).read_bytes()


@pytest.mark.slow
def test_it_learns_a_few_images_by_heart():
    """Eight images with one or two defects of two classes, and a good one."""
    truths = [
        truth_of([(6 + 8 * n, 8, 30 + 8 * n, 30)], [1 + n % 2], seed=n)
        for n in range(6)
    ]
    truths += [truth_of([(8, 30, 40, 60), (50, 8, 90, 28)], [1, 2], seed=7)]
    truths += [truth_of([], seed=8)]
    for truth in truths:  # the class is in the colour
        for label, mask in zip(truth.labels, truth.masks, strict=True):
            truth.image[mask] = (230, 230, 230) if label == 1 else (230, 60, 60)
    settings = SETTINGS._replace(channels=16)
    parts = small_parts(settings)
    trainer = Trainer(parts, settings)
    plan = training.Plan(1, 150, 3e-3, 3e-3, 1)
    training.compile_trainer(trainer, plan)
    for step in range(150):
        chosen = [truths[(4 * step + place) % 8] for place in range(4)]
        trainer.train_on_batch(batch_of(chosen, settings, seed=4 * step))
    networks = networks_of(parts)
    anchors = place_anchors(settings.canvas, settings.anchors)
    overlaps = []
    for truth in truths:
        found, scores = find_defects(truth.image, networks, settings, anchors)
        sure = found.scores > 0.5
        assert sure.sum() == len(truth.labels), (found.scores, truth.labels)
        assert (scores.max() > 0.5) == bool(len(truth.labels))
        for label, mask in zip(truth.labels, truth.masks, strict=True):
            name = settings.labels[label - 1]
            ious = [
                (mask & other).sum() / (mask | other).sum()
                for other, other_name, is_sure in zip(
                    found.masks, found.labels, sure, strict=True
                )
                if is_sure and other_name == name
            ]
            overlaps.append(max(ious, default=0))
    assert min(overlaps) > 0.75 and np.mean(overlaps) > 0.85
    assert held_out_precision(truths, networks, settings) > 0.9


def test_a_training_that_diverges_is_said_so(monkeypatch):
    trainer = Trainer(small_parts(), SETTINGS)
    some = training.Plan(1, 1, 1e-3, 1e-3, 1)
    optimizer = training.compile_trainer(trainer, some)
    lost = {name: np.nan for name in ("loss", *LOSSES)}
    monkeypatch.setattr(Trainer, "train_on_batch", lambda *_, **__: lost)
    with pytest.raises(InputError, match="in epoch 3.*smaller --head-rate"):
        training._train_epoch(trainer, some, optimizer, 2, [{}])


def test_the_losses_of_an_epoch_are_means_over_its_batches():
    trainer = Trainer(small_parts(), SETTINGS)
    training.compile_trainer(trainer, training.Plan(1, 1, 1e-9, 1e-9, 1))
    batches = [batch_of([truth_of([(10, 8, 40, 30)])]), batch_of([truth_of([])])]
    first, second = (training._judge(trainer, [batch]) for batch in batches)
    both = training._judge(trainer, batches)
    assert both.keys() == {f"val_{name}" for name in ("loss", *LOSSES)}
    assert first["val_mask"] > 0 == second["val_mask"]
    for name, value in both.items():
        assert value == pytest.approx((first[name] + second[name]) / 2, rel=1e-4)


def test_early_stopping_and_length():
    arguments = {"epochs": None, "weights": "none", "head_rate": 1e-3}
    arguments["features_rate"] = 1e-4
    found = plan(arguments, 100)
    assert found.epochs == 25 and found.features_rate == 1e-3
    found = plan(arguments | {"weights": "imagenet", "epochs": 7}, 100)
    assert found.epochs == 7 and found.features_rate == 1e-4 and found.patience == 8


def test_the_best_epoch_finds_most_and_of_equals_has_the_lowest_loss():
    rows = [(0.0, 3.0), (0.61, 1.0), (0.612, 0.9), (0.3, 0.1), (0.61, float("nan"))]
    history = [{"val_average_precision": ap, "val_loss": loss} for ap, loss in rows]
    assert training._best_epoch(history) == 2
    assert training._best_epoch(history[:2]) == 1
