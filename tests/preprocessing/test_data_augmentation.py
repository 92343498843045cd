import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from goodparts.cli import main
from goodparts.command import InputError
from preprocessing import data_augmentation
from preprocessing.augmenting.copy_plan import spread_evenly
from preprocessing.create_bndbox import create_boxes
from preprocessing.data_augmentation import augment_dataset
from preprocessing.images import read_image, read_mask
from preprocessing.instances import read_instances
from preprocessing.manifest import is_copy, read_dataset, write_dataset


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def folder(tmp_path, make_dataset):
    return make_dataset(tmp_path / "parts")


def copies_of(folder):
    dataset = read_dataset(folder, check_files=True)
    return dataset.manifest[is_copy(dataset.manifest)]


def test_every_training_image_gets_its_copies(folder, capsys):
    assert augment_dataset(folder, multiplier=3) == 27  # 9 originals
    copies = copies_of(folder)
    assert set(copies["split"]) == {"train"}
    assert (copies["source"].value_counts() == 3).all()
    assert copies["label"].value_counts().to_dict() == {
        "good": 12,
        "hole": 9,
        "crack": 6,
    }
    assert copies["sha256"].is_unique
    assert "parts: 27 copies of 9 images" in capsys.readouterr().out


def test_a_copy_is_told_by_its_row(folder):
    augment_dataset(folder, multiplier=2)
    row = copies_of(folder).set_index("sample_id").loc["crack/1__aug002"]
    assert row["path"] == "train/images/crack/1__aug002.png"
    assert row["mask_path"] == "train/ground_truth/crack/1__aug002_mask.png"
    assert (row["source"], row["group"]) == ("copy of crack/1", "crack part 1")
    assert (row["clip"], row["frame"]) == ("", "")  # a turned frame is none of the clip
    assert (folder / row["mask_path"]).is_file()
    # JPEGs stay JPEGs: the format must not tell copies from originals
    assert "train/images/hole/0__aug001.jpg" in set(copies_of(folder)["path"])


def test_originals_and_other_splits_are_untouched(folder, read_tree):
    before = read_tree(folder)
    rows = read_dataset(folder).manifest
    augment_dataset(folder, multiplier=2)
    after = read_tree(folder)
    own = ("manifest.csv", "dataset.json", "instances.json")
    for path, content in before.items():
        assert path in own or after[path] == content
    for path in after.keys() - before.keys():
        assert path.startswith("train/") and "__aug" in path
    assert read_dataset(folder).manifest[: len(rows)].equals(rows)


def test_masks_and_instances_move_with_the_image(folder):
    augment_dataset(folder, multiplier=8)
    instances = read_instances(folder / "instances.json")
    originals = {sample_id for sample_id in instances if "__aug" not in sample_id}
    assert len(originals) == 14
    for row in copies_of(folder).itertuples():
        bright = read_image(folder / row.path).min(axis=2) > 95  # others: 49 * 1.5 = 74
        if row.label == "crack":
            mask = read_mask(folder / row.mask_path)
            assert (bright & mask).sum() > 0.75 * (bright | mask).sum()
        covered = np.zeros_like(bright)
        for each in instances[row.sample_id]:
            assert each["label"] == row.label
            x, y, width, height = each["bbox"]
            covered[y : y + height, x : x + width] = True
            assert bool(each["polygons"]) == (row.label == "crack")
        assert (bright & ~covered).sum() <= 0.15 * bright.sum()
        assert bright.any() == covered.any() == (row.label != "good")


def test_balance_makes_classes_equal_and_copies_good_ones_too(folder):
    # 4 good ones are most: 8 of each class, with 4, 5 and 6 copies
    assert augment_dataset(folder, balance=True) == 15
    train = read_dataset(folder).rows("train")
    assert (train["label"].value_counts() == 8).all()
    copies = copies_of(folder)
    assert copies["label"].value_counts().to_dict() == {
        "crack": 6,
        "hole": 5,
        "good": 4,
    }
    for _, rows in copies.groupby("label"):
        assert np.ptp(rows["source"].value_counts()) <= 1


def test_one_class_gets_copies_in_either_way(one_class_dataset):
    assert augment_dataset(one_class_dataset, multiplier=2) == 8
    assert augment_dataset(one_class_dataset, balance=True) == 4  # twice the originals
    assert set(copies_of(one_class_dataset)["label"]) == {"good"}


def test_spread_evenly():
    assert spread_evenly(7, 3) == [2, 2, 3]
    assert spread_evenly(2, 4) == [0, 1, 0, 1]
    assert spread_evenly(6, 2) == [3, 3]


def test_same_seed_same_bytes_other_seed_others(tmp_path, make_dataset, read_tree):
    trees = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        folder = make_dataset(tmp_path / name / "parts")
        augment_dataset(folder, multiplier=2, seed=seed)
        trees.append(read_tree(folder))
    assert trees[0] == trees[1]
    copies = [path for path in trees[0] if "images" in path and "__aug" in path]
    assert len(copies) == 18
    assert all(trees[0][path] != trees[2][path] for path in copies)


def test_a_copy_depends_neither_on_other_images_nor_on_order(folder, tmp_path):
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    dataset = read_dataset(other)
    part = dataset.manifest[dataset.manifest["label"] != "crack"].iloc[::-1]
    write_dataset(other, part, {**dataset.info, "classes": ["good", "hole"]})
    augment_dataset(folder, multiplier=3)
    augment_dataset(other, multiplier=1)
    here = copies_of(folder).set_index("sample_id")["sha256"]
    there = copies_of(other).set_index("sample_id")["sha256"]
    assert len(there) == 7 and (here[there.index] == there).all()


def test_again_is_up_to_date_and_writes_nothing(folder, read_tree, monkeypatch, capsys):
    augment_dataset(folder, multiplier=2)
    once = read_tree(folder)
    monkeypatch.setattr(os, "replace", None)
    assert augment_dataset(folder, multiplier=2) == 18
    assert read_tree(folder) == once
    assert "up to date" in capsys.readouterr().out


@pytest.mark.parametrize(
    "path", ["images/good/0__aug001", "ground_truth/crack/1__aug002_mask"]
)
def test_a_lost_file_is_made_again(folder, read_tree, path):
    augment_dataset(folder, multiplier=2)
    once = read_tree(folder)
    (folder / "train" / f"{path}.png").unlink()
    augment_dataset(folder, multiplier=2)
    assert read_tree(folder) == once


def test_a_changed_copy_is_made_again(folder, read_tree):
    augment_dataset(folder, multiplier=2)
    once = read_tree(folder)
    (folder / "train/images/good/0__aug001.png").write_bytes(b"changed")
    augment_dataset(folder, multiplier=2)
    assert read_tree(folder) == once


def test_another_recipe_replaces_the_copies(tmp_path, make_dataset, read_tree):
    folder = make_dataset(tmp_path / "a" / "parts")
    augment_dataset(folder, multiplier=4, rotation=20)
    create_boxes(folder)
    augment_dataset(folder, multiplier=2)
    create_boxes(folder)
    fresh = make_dataset(tmp_path / "b" / "parts")
    augment_dataset(fresh, multiplier=2)
    create_boxes(fresh)
    assert read_tree(folder) == read_tree(fresh)


def test_boxes_of_replaced_copies_are_removed(folder):
    augment_dataset(folder, multiplier=2)
    create_boxes(folder)
    augment_dataset(folder, multiplier=2, seed=1)
    boxes = sorted(path.name for path in folder.glob("train/boxes/crack/*"))
    assert boxes == ["0.xml", "1.xml"]


def stop_after(monkeypatch, count):
    """Lets the `count`-th renaming or deletion and all after it fail."""
    left = [count]

    def counted(function):
        def call(*args, **options):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return function(*args, **options)

        return call

    monkeypatch.setattr(os, "replace", counted(os.replace))
    monkeypatch.setattr(Path, "unlink", counted(Path.unlink))


@pytest.fixture(scope="module")
def one_worker():
    """One thread, so that every stop is at another place."""
    threads = data_augmentation.image_threads
    data_augmentation.image_threads = lambda: ThreadPoolExecutor(1)
    yield
    data_augmentation.image_threads = threads


OLD, NEW = {"multiplier": 1, "seed": 3}, {"multiplier": 1}


@pytest.mark.parametrize("before, then", [(None, NEW), (OLD, NEW), (OLD, OLD)])
def test_stopped_anywhere_and_run_again_is_as_never_stopped(
    tmp_path, make_dataset, read_tree, one_worker, before, then
):
    start = make_dataset(tmp_path / "start" / "parts")
    if before:
        augment_dataset(start, **before)
    whole = Path(shutil.copytree(start, tmp_path / "whole" / "parts"))
    augment_dataset(whole, **then)
    expected = read_tree(whole)
    num_stops = 0
    for count in range(100):
        folder = Path(shutil.copytree(start, tmp_path / str(count) / "parts"))
        with pytest.MonkeyPatch.context() as patch:
            stop_after(patch, count)
            try:
                augment_dataset(folder, **NEW)
                break
            except Killed:
                num_stops += 1
        read_dataset(folder)  # never breaks
        augment_dataset(folder, **then)
        assert read_tree(folder) == expected, count
    assert 15 < num_stops < 100


def test_what_was_written_before_the_stop_is_not_written_again(folder):
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 30)
        with pytest.raises(Killed):
            augment_dataset(folder, multiplier=3)
    images = folder.glob("train/images/*/[!.]*__aug*")
    copies = {path: path.stat().st_ino for path in images}
    assert copies
    augment_dataset(folder, multiplier=3)
    assert all(path.stat().st_ino == number for path, number in copies.items())


def test_stopped_and_run_with_another_recipe(folder, tmp_path, read_tree):
    whole = Path(shutil.copytree(folder, tmp_path / "whole" / "parts"))
    augment_dataset(whole, multiplier=2)
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 12)
        with pytest.raises(Killed):
            augment_dataset(folder, multiplier=2, seed=5)
    assert list(folder.glob("train/images/*/*__aug*"))
    augment_dataset(folder, multiplier=2)
    assert read_tree(folder) == read_tree(whole)


def test_a_killed_process_is_healed_by_the_next(folder, tmp_path, read_tree):
    whole = Path(shutil.copytree(folder, tmp_path / "whole" / "parts"))
    augment_dataset(whole, multiplier=100)
    command = [sys.executable, data_augmentation.__file__, str(folder)]
    process = subprocess.Popen([*command, "--multiplier", "100"])
    deadline = time.monotonic() + 60
    while len(list(folder.glob("train/images/*/*__aug*"))) < 50:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(read_dataset(folder).manifest) == 14  # no copies yet
    (folder / "train/images/good/.0__aug001.png.partial").write_bytes(b"half")
    (folder / ".manifest.csv.partial").write_bytes(b"half")
    augment_dataset(folder, multiplier=100)
    assert read_tree(folder) == read_tree(whole)


@pytest.mark.parametrize("flag", ["--seed=-1", "--seed=4294967296", "--multiplier=0"])
def test_numbers_out_of_range_end_with_status_2(folder, flag, capsys):
    with pytest.raises(SystemExit) as end:
        main(["augment", str(folder), flag])
    assert end.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "must be a whole number" in last and flag.split("=")[1] in last


def test_mistakes_are_named(folder, tmp_path):
    with pytest.raises(InputError, match="--multiplier must be 1 .* Received: 0"):
        augment_dataset(folder, multiplier=0)
    with pytest.raises(InputError, match="--rotation must be from 0 to 180"):
        augment_dataset(folder, rotation=200)
    with pytest.raises(InputError, match="nothing has no manifest.csv"):
        augment_dataset(tmp_path / "nothing")


def test_without_training_images_nothing_can_be_done(folder):
    dataset = read_dataset(folder)
    rest = dataset.manifest[dataset.manifest["split"] != "train"]
    write_dataset(folder, rest, dataset.info)
    with pytest.raises(InputError, match="no rows for train"):
        augment_dataset(folder)


def test_an_image_with_the_name_of_a_copy_is_refused(folder):
    dataset = read_dataset(folder)
    manifest = dataset.manifest.replace("good/1", "good/0__aug001")
    write_dataset(folder, manifest, dataset.info)
    with pytest.raises(InputError, match="name of a copy: good/0__aug001"):
        augment_dataset(folder)


def test_the_command_takes_its_flags(folder):
    flags = "--multiplier 2 --flips none --rotation 10 --brightness 0.9 1.1 --seed 7"
    main(["augment", str(folder), *flags.split()])
    assert read_dataset(folder).info["augmentation"] == {
        "multiplier": 2,
        "balance": False,
        "flips": ["none"],
        "rotation": 10.0,
        "brightness": [0.9, 1.1],
        "seed": 7,
    }


def test_without_arguments_every_data_set_is_done(tmp_path, make_dataset, monkeypatch):
    for name in ("a", "b"):
        make_dataset(tmp_path / "dataset" / name)
    monkeypatch.chdir(tmp_path)
    main(["augment", "--balance"])
    for name in ("a", "b"):
        assert len(copies_of(tmp_path / "dataset" / name)) == 15
