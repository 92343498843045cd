from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from bovw import store as store_module
from bovw.descriptors import Settings, describe
from bovw.store import DescriptorStore, in_threads
from goodparts.files import file_hash
from preprocessing.images import read_image, write_image

SETTINGS = Settings((48, 40))


@pytest.fixture
def parts(tmp_path):
    """Three images: their data set, rows, and a folder for the cache."""
    random = np.random.default_rng(0)
    paths = [f"{name}.png" for name in "abc"]
    for path in paths:
        write_image(tmp_path / path, random.integers(0, 255, (60, 50, 3), np.uint8))
    hashes = [file_hash(tmp_path / path) for path in paths]
    rows = pd.DataFrame({"path": paths, "sha256": hashes})
    return SimpleNamespace(folder=tmp_path), rows, tmp_path / "runs" / ".descriptors"


def all_of(store):
    return in_threads(store.get, len(store))


@pytest.fixture
def described(monkeypatch):
    """Numbers of places of the images that were described, not read from disk."""
    numbers = []

    def remember(image, settings):
        found = describe(image, settings)
        numbers.append(len(found.patches))
        return found

    monkeypatch.setattr(store_module, "describe", remember)
    return numbers


def test_the_cache_gives_what_was_described(parts, described):
    dataset, rows, folder = parts
    expected = [
        describe(read_image(dataset.folder / path), SETTINGS).descriptors
        for path in rows["path"]
    ]
    for store in (DescriptorStore(*parts[:2], SETTINGS, folder) for _ in range(2)):
        for found, wanted in zip(all_of(store), expected, strict=True):
            assert (found == wanted).all()
    assert len(described) == 3


def test_it_goes_by_content_whatever_the_order(parts, described):
    dataset, rows, folder = parts
    first = all_of(DescriptorStore(dataset, rows, SETTINGS, folder))
    turned = all_of(DescriptorStore(dataset, rows[::-1], SETTINGS, folder))
    assert all((a == b).all() for a, b in zip(first, turned[::-1], strict=True))
    assert len(described) == 3


@pytest.mark.parametrize(
    "other",
    [Settings((40, 48)), Settings((48, 40), "orb"), Settings((48, 40), points="grid")],
)
def test_other_settings_have_a_folder_of_their_own(parts, described, other):
    dataset, rows, folder = parts
    for settings in (SETTINGS, other, SETTINGS):
        all_of(DescriptorStore(dataset, rows, settings, folder))
    assert len(described) == 6 and len(list(folder.iterdir())) == 2


def test_a_file_that_is_not_whole_is_made_again(parts, described):
    dataset, rows, folder = parts
    expected = all_of(DescriptorStore(dataset, rows, SETTINGS, folder))
    for path, content in zip(folder.glob("*/*.npy"), (b"", b"\x93NUM"), strict=False):
        Path(path).write_bytes(content)
    found = all_of(DescriptorStore(dataset, rows, SETTINGS, folder))
    assert all((a == b).all() for a, b in zip(found, expected, strict=True))
    assert len(described) == 5
    assert not list(folder.glob("**/.*partial"))


def test_the_disk_is_bounded(parts, monkeypatch):
    dataset, rows, folder = parts

    def size():
        return sum(path.stat().st_size for path in folder.glob("*/*.npy"))

    all_of(DescriptorStore(dataset, rows, SETTINGS, folder))
    old = set(folder.iterdir())
    monkeypatch.setattr(store_module, "MAX_MB", 1.5 * size() / 2**20)
    all_of(DescriptorStore(dataset, rows, Settings((40, 48)), folder))
    assert old.isdisjoint(folder.iterdir())  # the other one gave way
    monkeypatch.setattr(store_module, "MAX_MB", 0.02)  # an image takes 0.0159
    all_of(DescriptorStore(dataset, rows, Settings((56, 56)), folder))
    assert 0 < size() <= 0.02 * 2**20


def test_a_full_disk_stops_nothing(parts, capsys):
    dataset, rows, folder = parts
    folder.parent.mkdir()
    folder.write_text("no folder")
    found = all_of(DescriptorStore(dataset, rows, SETTINGS, folder))
    assert len(found) == 3
    assert "not be cached for the next training" in capsys.readouterr().out
