"""The recommended way: ImageNet-like weights from a file, head, then fine-tuning."""

import numpy as np
import pandas as pd
import pytest

from backbones import BACKBONES, build_backbone, weights_file
from classification.frozen import extract_features, train_head
from classification.model import build_features, join, unfreeze
from classification.train import train
from evaluation.runs import read_run
from preprocessing.command import InputError
from preprocessing.data_augmentation import augment_dataset
from preprocessing.datasets import ImageStore
from preprocessing.manifest import is_copy, read_dataset, write_dataset
from preprocessing.split import hold_out

SIZE = (32, 32)


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """A weights file of MobileNetV2 with random numbers."""
    path = tmp_path_factory.mktemp("weights") / "mobilenetv2.weights.h5"
    build_backbone("mobilenetv2", weights="none").save_weights(path)
    return path


@pytest.fixture
def with_copies(small_dataset):
    augment_dataset(small_dataset, balance=True)
    return read_dataset(small_dataset)


def load(dataset):
    rows = dataset.rows("train")
    store = ImageStore([dataset.folder / path for path in rows["path"]], SIZE)
    return rows, store, hold_out(rows["label"], rows["group"])


def test_a_head_learns_and_joins_to_one_model(with_copies, weights):
    rows, store, held_out = load(with_copies)
    features = build_features("mobilenetv2", SIZE, weights=weights)
    head = train_head(
        features, store, rows, with_copies.classes, held_out=held_out, epochs=6, seed=0
    )
    assert isinstance(head.use_copies, bool) and len(head.history) == 6
    best = head.history["val_loss"].min()
    values = extract_features(features, store)
    judged = held_out & ~is_copy(rows).to_numpy()
    targets = np.searchsorted(with_copies.classes, rows["label"].to_numpy(str))
    found, _ = head.model.evaluate(values[judged], targets[judged], verbose=0)
    assert found == pytest.approx(best, abs=1e-5)  # the best epoch's weights are kept
    images = store.batch(range(5))
    joined = join(features, head.model).predict(images, verbose=0)
    assert np.allclose(joined, head.model.predict(values[:5], verbose=0), atol=1e-5)
    assert head.refit().predict(values[:2], verbose=0).shape == (2, 2)


def test_only_the_last_blocks_are_unfrozen_and_no_normalisation(weights):
    features = build_features("mobilenetv2", SIZE, weights=weights)
    unfreeze(features, "mobilenetv2")
    names = [variable.path for variable in features.trainable_variables]
    assert any("block_16" in name for name in names)
    assert not any("block_5_" in name or "bn" in name.lower() for name in names)


def test_the_whole_recipe_and_the_same_table_twice(with_copies, weights, tmp_path):
    quick = {"image_size": SIZE, "weights": str(weights), "epochs": 1, "batch_size": 16}
    first, second = (
        train(model="mobilenetv2", data=with_copies.folder, runs=tmp_path, **quick)
        for _ in range(2)
    )
    tables = [(run / "predictions.csv").read_bytes() for run in (first, second)]
    assert tables[0] == tables[1]
    history = pd.read_csv(first / "history.csv")
    assert set(history["stage"]) == {"head", "fine-tuning"}
    assert any("copies" in note for note in read_run(first).config["notes"])


def test_weights_that_cannot_be_had_name_the_file(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("backbones.imagenet_available", lambda name: False)
    with pytest.raises(InputError, match=weights_file("mobilenetv2").name):
        build_backbone("mobilenetv2")
    with pytest.raises(InputError, match="neither imagenet, none nor a file"):
        build_backbone("mobilenetv2", weights="nowhere.h5")
    wrong = tmp_path / "wrong.h5"
    wrong.write_bytes(b"no weights")
    with pytest.raises(InputError, match="wrong.h5 cannot be used for mobilenetv2"):
        build_backbone("mobilenetv2", weights=str(wrong))


def test_every_backbone_names_a_layer_it_has():
    for name, backbone in BACKBONES.items():
        built = build_backbone(name, weights="none")
        assert backbone.unfreeze_from in [layer.name for layer in built.layers]


def test_what_cannot_be_trained_is_refused(small_dataset, tmp_path):
    quick = {"model": "small_cnn", "runs": tmp_path / "runs"}
    with pytest.raises(InputError, match="at least 32 32. Received: 8 64"):
        train(data=small_dataset, image_size=(8, 64), **quick)
    dataset = read_dataset(small_dataset)
    rows = dataset.manifest
    goods = rows[(rows["label"] == "good") | (rows["split"] != "train")]
    write_dataset(small_dataset, goods, dataset.info)
    with pytest.raises(InputError, match="train of .* has no bad"):
        train(data=small_dataset, **quick)
    assert not (tmp_path / "runs").exists()
