import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from preprocessing.command import InputError
from preprocessing.create_folders import create_folders
from preprocessing.images import read_mask, write_image
from preprocessing.instances import read_instances
from preprocessing.synthetic import render_dataset

SCRIPT = Path(__file__).parents[2] / "preprocessing" / "create_folders.py"


def tree(folder):
    """Every file below a folder with its content."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def run(*arguments, cwd):
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)


def picture(seed, size=(32, 40)):
    return np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8)


@pytest.fixture(scope="module")
def bottle_mouths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw") / "bottle_mouths"
    return render_dataset(folder, num_images=40, size=64)


def test_mvtec_becomes_three_splits_with_masks(bottle_mouths, tmp_path):
    dataset, made = create_folders(bottle_mouths, out=tmp_path)
    assert made and dataset.info["layout"] == "mvtec"
    assert set(dataset.manifest["split"]) == {"train", "validate", "test"}
    assert len(dataset.manifest) == 40
    for row in dataset.manifest.itertuples():
        assert row.path.startswith(f"{row.split}/images/{row.label}/")
        assert (dataset.folder / row.path).is_file()
        assert bool(row.mask_path) == (row.label != "good")
    defect = dataset.manifest[dataset.manifest["mask_path"] != ""].iloc[0]
    mask = read_mask(dataset.folder / defect["mask_path"])
    x, y, width, height = read_instances(dataset.folder / "instances.json")[
        defect["sample_id"]
    ][0]["bbox"]
    assert mask[y : y + height, x : x + width].any()


def test_twice_is_once_and_another_seed_is_another_split(part_folder, tmp_path):
    first, made = create_folders(part_folder, out=tmp_path)
    before = tree(tmp_path)
    assert made and not create_folders(part_folder, out=tmp_path)[1]
    assert tree(tmp_path) == before
    create_folders(part_folder, out=tmp_path, seed=1)
    assert tree(tmp_path) != before
    create_folders(part_folder, out=tmp_path)
    assert tree(tmp_path) == before


def test_a_damaged_data_set_is_mended(part_folder, tmp_path):
    dataset, _ = create_folders(part_folder, out=tmp_path)
    before = tree(tmp_path)
    (dataset.folder / dataset.manifest["path"][0]).unlink()
    assert create_folders(part_folder, out=tmp_path)[1]
    assert tree(tmp_path) == before


def test_the_order_of_files_does_not_matter(part_folder, tmp_path, monkeypatch):
    first, _ = create_folders(part_folder, out=tmp_path / "a")
    walk = os.scandir
    shuffled = lambda path: _Shuffled(walk(path))  # noqa: E731
    monkeypatch.setattr(os, "scandir", shuffled)
    create_folders(part_folder, out=tmp_path / "b")
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


class _Shuffled:
    def __init__(self, entries):
        self.entries = list(entries)
        random.Random(0).shuffle(self.entries)

    def __enter__(self):
        return iter(self.entries)

    def __exit__(self, *ignored):
        return None

    def __iter__(self):
        return iter(self.entries)


def test_bad_files_are_listed_and_the_rest_goes_on(part_folder, tmp_path):
    source = shutil.copytree(part_folder, tmp_path / "parts")
    (source / "good" / "empty.png").touch()
    (source / "good" / "text.jpg").write_text("no picture")
    cut = source / "bad" / "cut.jpg"
    write_image(cut, picture(1, (200, 200)))
    cut.write_bytes(cut.read_bytes()[:9000])
    shutil.copy(source / "good" / "00.png", source / "good" / "twin.png")
    shutil.copy(source / "good" / "01.png", source / "bad" / "wrong.png")
    dataset, _ = create_folders(source, out=tmp_path / "dataset")
    rejected = pd.read_csv(dataset.folder / "rejected.csv").set_index("path")["reason"]
    assert "0 bytes" in rejected["good/empty.png"]
    assert "not an image" in rejected["good/text.jpg"]
    assert "truncated" in rejected["bad/cut.jpg"]
    assert rejected["good/twin.png"] == "duplicate of good/00.png"
    for name in ("good/01.png", "bad/wrong.png"):
        assert "mislabelled" in rejected[name]
    assert len(rejected) == 6 == dataset.info["num_rejected"]
    assert len(dataset.manifest) == 24 + 18 - 1


def test_strange_names_and_equal_stems_survive(tmp_path):
    source = tmp_path / "Prüflinge"
    names = ["a b.png", "-dash.png", "größe.png", "x.png", "sub/x.png", "sub_x.png"]
    for label in ("good", "bad one"):
        for number, name in enumerate(names):
            write_image(source / label / name, picture([len(label), number]))
    dataset, _ = create_folders(source, out=tmp_path / "dataset", grouping="none")
    assert len(dataset.manifest) == 12
    assert dataset.manifest["sample_id"].is_unique
    assert "bad one/-dash" in set(dataset.manifest["sample_id"])


def test_hard_links_share_the_file(part_folder, tmp_path):
    dataset, _ = create_folders(part_folder, out=tmp_path, link=True)
    assert (dataset.folder / dataset.manifest["path"][0]).stat().st_nlink > 1


def test_official_keeps_the_test_set(bottle_mouths, tmp_path):
    dataset, _ = create_folders(bottle_mouths, out=tmp_path, protocol="official")
    manifest = dataset.manifest
    from_test = manifest["source"].str.startswith("test/")
    assert ((manifest["split"] == "test") == from_test).all()
    assert set(manifest[~from_test]["label"]) == {"good"}
    assert set(manifest[~from_test]["split"]) == {"train", "validate"}


def test_chronological_goes_by_natural_order(tmp_path):
    source = tmp_path / "film"
    for label in ("good", "bad"):
        for number in range(1, 41):
            write_image(source / label / f"{number}.png", picture([len(label), number]))
    dataset, _ = create_folders(
        source, out=tmp_path / "d", grouping="chronological", block=2
    )
    good = dataset.manifest[dataset.manifest["label"] == "good"]
    frames = good.groupby("split")["source"].apply(
        lambda names: sorted(int(Path(name).stem) for name in names)
    )
    assert frames["train"] == list(range(1, 27))  # 28 less a gap of 2
    assert frames["validate"] == [29, 30, 31, 32] and frames["test"][0] == 35
    assert good.groupby("group")["split"].nunique().max() == 1


def test_mistakes_get_one_line_and_status_2(part_folder, tmp_path):
    (tmp_path / "nothing").mkdir()
    one = shutil.copytree(part_folder / "good", tmp_path / "one" / "good")
    few = shutil.copytree(part_folder, tmp_path / "few")
    for path in sorted((few / "bad").iterdir())[2:]:
        path.unlink()
    (tmp_path / "file").touch()
    (tmp_path / "dataset" / "mine").mkdir(parents=True)
    mistakes = [
        (["no_such_folder"], "no_such_folder"),
        (["nothing"], "nothing"),
        ([one.parent], "one class only"),
        ([few], "'bad' has 2 group"),
        ([part_folder, "--out", "file"], "Not a directory|exists"),
        ([part_folder, "--name", "mine"], "no data set of Goodparts"),
        ([part_folder, few, "--name", "x"], "one by one"),
        ([part_folder, "--grouping", "pattern"], "--pattern"),
        ([part_folder, "--normal-class", "god"], "Did you mean 'good'"),
        ([part_folder, "--protocol", "official"], "MVTec layout"),
    ]
    for arguments, message in mistakes:
        result = run(*arguments, cwd=tmp_path)
        assert result.returncode == 2, (arguments, result.stderr)
        assert len(result.stderr.splitlines()) == 1, result.stderr
        assert re.search(message, result.stderr), result.stderr
    assert [path.name for path in (tmp_path / "dataset").iterdir()] == ["mine"]


def test_two_sources_of_one_name_are_refused(part_folder, tmp_path):
    create_folders(part_folder, out=tmp_path / "d", name="x")
    other = shutil.copytree(part_folder, tmp_path / "other")
    with pytest.raises(InputError, match="another source"):
        create_folders(other, out=tmp_path / "d", name="x")


def test_a_killed_run_is_made_whole_by_the_next(part_folder, tmp_path):
    expected = tmp_path / "expected"
    create_folders(part_folder, out=expected)
    out = tmp_path / "killed"
    for pause in (0.7, 1.0, 1.2, 1.4, 1.6):
        command = [sys.executable, str(SCRIPT), str(part_folder), "--out", str(out)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if (out / part_folder.name).exists():
            assert json.loads((out / part_folder.name / "dataset.json").read_text())
    assert run(part_folder, "--out", out, cwd=tmp_path).returncode == 0
    assert tree(out) == tree(expected)
