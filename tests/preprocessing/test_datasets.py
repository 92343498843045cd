import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from preprocessing import datasets
from preprocessing.datasets import (
    ImageStore,
    choose_image_size,
    shuffled,
    training_batches,
)
from preprocessing.images import write_image
from preprocessing.manifest import Dataset


@pytest.fixture
def paths(tmp_path):
    for number in range(10):
        image = np.full((8, 6, 3), number * 20, np.uint8)
        write_image(tmp_path / f"{number}.png", image)
    return [tmp_path / f"{number}.png" for number in range(10)]


def brightest(images):
    return (images.max((1, 2, 3)) // 20).tolist()


@pytest.mark.parametrize("budget", [100, 0])
def test_store_gives_images_by_position_cached_or_not(paths, budget):
    store = ImageStore(paths, (4, 3), memory_budget_mb=budget)
    assert (store.images is None) == (budget == 0)
    assert store.get(7).shape == (4, 3, 3)
    assert brightest(store.batch([3, 1, 3])) == [3, 1, 3]
    assert sum(map(brightest, store.batches(4)), []) == list(range(10))


def test_the_store_takes_half_of_the_free_memory_at_most(paths, monkeypatch):
    meminfo = "MemTotal: 9999999 kB\nMemAvailable:      {} kB\n"
    monkeypatch.setattr(Path, "read_text", lambda path: meminfo.format(2**20))
    assert datasets.memory_budget() == 512  # half of 1 GiB, in MiB
    monkeypatch.setattr(Path, "read_text", lambda path: meminfo.format(2**30))
    assert datasets.memory_budget() == datasets.MEMORY_BUDGET_MB
    monkeypatch.setattr(Path, "read_text", lambda path: meminfo.format(0))
    assert ImageStore(paths, (4, 3)).images is None
    monkeypatch.setattr(Path, "read_text", lambda path: "not of this system")
    assert 0 < datasets.memory_budget() <= datasets.MEMORY_BUDGET_MB


def test_an_epoch_holds_every_image_once():
    first, second = itertools.islice(shuffled(10, 4, seed=1), 2)
    assert [len(batch) for batch in first] == [4, 4, 2]
    assert sorted(np.concatenate(first)) == list(range(10))
    assert np.concatenate(first).tolist() != np.concatenate(second).tolist()


def test_batches_fit_their_targets_and_repeat_with_the_seed(paths):
    def shift(image, seed):
        return image + np.uint8(seed % 10)

    def run(seed):
        store = ImageStore(paths, (8, 6))
        batches = training_batches(
            store, np.arange(10), shuffled(10, 3, seed=seed), augment=shift, seed=seed
        )
        return list(itertools.islice(batches, 9))

    for images, targets in run(1):
        assert brightest(images) == targets.tolist()  # the shift is below one step
    assert all((a[0] == b[0]).all() for a, b in zip(run(1), run(1), strict=True))
    assert not all((a[1] == b[1]).all() for a, b in zip(run(1), run(2), strict=True))
    assert ImageStore(paths, (8, 6)).get(5).max() == 100  # the cache is unchanged


@pytest.mark.parametrize(
    "size, wanted",
    [
        ((400, 150), (352, 128)),  # 224 * sqrt(400 / 150) = 366 -> 352; 137 -> 128
        ((100, 100), (224, 224)),
        ((10, 4000), (128, 448)),  # the ratio is held at 1 : 4: 112 -> 128 (tie), 448
    ],
)
def test_image_size_keeps_the_aspect_ratio(tmp_path, size, wanted):
    write_image(tmp_path / "a.png", np.zeros((*size, 3), np.uint8))
    rows = {"sample_id": ["a"], "path": "a.png", "split": "train"}
    dataset = Dataset(tmp_path, pd.DataFrame(rows), {})
    assert choose_image_size(dataset, 224 * 224) == wanted


@pytest.mark.parametrize(
    "size, wanted",
    [((48, 48), (224, 224)), ((250, 250), (256, 256)), ((900, 900), (320, 320))],
)
def test_large_images_keep_their_size_up_to_a_limit(tmp_path, size, wanted):
    write_image(tmp_path / "a.png", np.zeros((*size, 3), np.uint8))
    rows = pd.DataFrame({"sample_id": ["a"], "path": "a.png", "split": "train"})
    dataset = Dataset(tmp_path, rows, {})
    assert choose_image_size(dataset, 224 * 224, at_most=320 * 320) == wanted
