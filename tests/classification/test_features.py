"""Cached features: computed once, equal to those without a cache."""

import keras
import numpy as np
import pytest

from classification import batches, features, head
from classification.batches import make_targets
from classification.features import read_features
from classification.head import train_head
from classification.model import build_features, build_head, join
from networks.epochs import order
from networks.training import Stage, falling_steps, fit
from preprocessing.datasets import ImageStore
from preprocessing.manifest import read_dataset
from preprocessing.splitting.split import hold_out

SIZE = (32, 32)


@pytest.fixture(scope="module")
def network(weights):
    return build_features("mobilenetv2", SIZE, weights=str(weights))


def test_the_cache_is_used_and_gives_the_same(network, washers, tmp_path, monkeypatch):
    dataset = read_dataset(washers)
    rows = dataset.rows("train")
    first = read_features(network, dataset, rows, tmp_path)
    assert first.shape == (len(rows), 32) and len(list(tmp_path.iterdir())) == 1

    def refuse(*arguments):
        raise AssertionError("computed again")

    with monkeypatch.context() as patched:
        patched.setattr(features, "predict", refuse)
        turned = read_features(network, dataset, rows[::-1], tmp_path)
    assert np.array_equal(turned[::-1], first)


def test_a_part_of_the_rows_gets_what_all_of_them_get(network, washers, tmp_path):
    dataset = read_dataset(washers)
    rows = dataset.rows("train")
    whole = read_features(network, dataset, rows, tmp_path / "a")
    read_features(network, dataset, rows[:5], tmp_path / "b")
    grown = read_features(network, dataset, rows, tmp_path / "b")
    assert np.allclose(whole, grown, atol=1e-5)


def test_a_broken_cache_is_made_again(network, washers, tmp_path):
    dataset = read_dataset(washers)
    rows = dataset.rows("train")
    first = read_features(network, dataset, rows, tmp_path)
    (path,) = tmp_path.iterdir()
    for left in (path.read_bytes()[:1000], b""):
        path.write_bytes(left)
        assert np.array_equal(read_features(network, dataset, rows, tmp_path), first)


def test_other_weights_and_sizes_have_their_own_file(network, washers, tmp_path):
    dataset = read_dataset(washers)
    rows = dataset.rows("train")[:2]
    others = build_features("mobilenetv2", SIZE, weights="none")
    larger = build_features("mobilenetv2", (64, 32), weights="none")
    for model in (network, others, larger):
        read_features(model, dataset, rows, tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_head_on_cached_features_equals_one_trained_through_the_backbone(
    washers, tmp_path, monkeypatch
):
    """The uncached way: all images pass the frozen backbone in every epoch."""
    monkeypatch.setattr(head, "EPOCHS", 3)
    keras.utils.set_random_seed(7)
    network = build_features("small_cnn", SIZE, num_classes=2)
    dataset = read_dataset(washers)
    rows = dataset.rows("train")
    held_out = hold_out(rows["label"], rows["group"])
    arguments = {"head_rate": 1e-3, "loss": "weighted", "label_smoothing": 0.0}
    _, cached, _ = train_head(
        network,
        dataset,
        arguments=arguments,
        held_out=held_out,
        seed=0,
        cache=tmp_path,
        checkpoints=tmp_path,
    )
    store = ImageStore([dataset.folder / path for path in rows["path"]], SIZE)
    targets = make_targets(
        rows["label"], dataset.classes, "weighted", among=np.flatnonzero(~held_out)
    )
    kept, held = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    keras.utils.set_random_seed(0)
    network.trainable = False
    whole = join(network, build_head(network.output_shape[1], 2))

    def uncached_batches(epoch):
        for indices in order(kept, head.BATCH_SIZE, seed=0, epoch=epoch):
            images = store.batch(indices)
            yield images, targets.one_hot[indices], targets.weights[indices]

    stage = Stage(
        "head",
        3,
        15,
        head_rate=1e-3,
        features_rate=1e-3,
        schedule=falling_steps,
        loss=batches.make_loss("weighted", 0.0),
    )
    history = fit(
        whole,
        stage,
        batches=uncached_batches,
        judge=lambda: batches.judged(
            stage.loss,
            whole.predict_on_batch(store.batch(held)),
            targets.one_hot[held],
            targets.weights[held],
        ),
        seed=0,
    )
    numbers = ["loss", "accuracy", "val_accuracy"]  # the judged weights differ
    assert history["loss"].iloc[-1] < 0.69  # it learned something to compare
    assert np.allclose(history[numbers], cached[numbers], atol=2e-3)
