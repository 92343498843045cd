import errno
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

from goodparts.cli import main
from goodparts.command import InputError
from goodparts.files import natural_key
from preprocessing.create_folders import create_folders
from preprocessing.data_augmentation import augment_dataset
from preprocessing.describe_dataset import describe
from preprocessing.embedded_parts.render import render_dataset
from preprocessing.images import read_mask, write_image
from preprocessing.instances import read_instances
from preprocessing.manifest import is_copy, read_dataset

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


@pytest.mark.parametrize("flags", [["--seed", "-1"], ["--block", "0"], ["--seed", "x"]])
def test_numbers_out_of_range_are_refused(part_folder, flags, capsys):
    with pytest.raises(SystemExit) as end:
        main(["folders", str(part_folder), *flags])
    assert end.value.code == 2
    assert re.search("must be a whole number", capsys.readouterr().err)


def test_mistakes_get_one_line_and_status_2(part_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nothing").mkdir()
    flat = shutil.copytree(part_folder / "good", tmp_path / "flat")
    screws = shutil.copytree(part_folder / "good", tmp_path / "two" / "screws").parent
    few = shutil.copytree(part_folder, tmp_path / "few")
    for path in sorted((few / "bad").iterdir())[2:]:
        path.unlink()
    (tmp_path / "file").touch()
    (tmp_path / "dataset" / "mine").mkdir(parents=True)
    mistakes = [
        (["no_such_folder"], "no_such_folder"),
        (["nothing"], "nothing"),
        ([flat], "no known layout.* every image is a good part, add --layout good_p"),
        ([few], "'bad' has 2 group"),
        ([part_folder, "--out", "file"], "Not a directory|exists"),
        ([part_folder, "--name", "mine"], "is not a data set of Goodparts"),
        ([part_folder, few, "--name", "x"], "one at a time"),
        ([part_folder, "--grouping", "pattern"], "--pattern"),
        ([part_folder, "--normal-class", "god"], "Did you mean 'good'"),
        ([part_folder, "--protocol", "official"], "MVTec layout"),
        (
            [part_folder, "--protocol", "official", "--grouping", "none"],
            "--grouping none. Omit one of the two",
        ),
        ([part_folder, "--name", ""], "--name must be .* Received: ''"),
        ([part_folder, "--name", "a/b"], "--name must be .* Received: 'a/b'"),
        ([part_folder, "--name", ".x"], "--name must be .* Received: '.x'"),
        ([part_folder, "--normal-class", "a/b"], "--normal-class must be"),
        ([part_folder, "--shares", "0.5", "nan", "0.5"], "sum to 1"),
        ([screws], "two has only one class, 'screws'.* add --normal-class screws;"),
        ([screws, "--normal-class", "good"], "'good' is not one of the classes screws"),
        ([flat, "--layout", "class_folders"], "can be used as layout class_folders"),
    ]
    for arguments, message in mistakes:
        with pytest.raises(SystemExit) as end:
            main(["folders", *map(str, arguments)])
        error = capsys.readouterr().err
        assert end.value.code == 2, (arguments, error)
        assert len(error.splitlines()) == 1, error
        assert re.search(message, error), error
    assert [path.name for path in (tmp_path / "dataset").iterdir()] == ["mine"]


def good_parts(folder, names):
    for number, name in enumerate(names):
        write_image(folder / name, picture(number))
    return folder


NAMES = [f"{number}.png" for number in range(20)]


@pytest.mark.parametrize(
    ("folder", "options", "layout", "label"),
    [
        ("good", {}, "class_folders", "good"),
        ("OK", {}, "class_folders", "OK"),
        ("screws", {"normal_class": "screws"}, "class_folders", "screws"),
        ("train/good", {}, "mvtec", "good"),
        ("train/good", {"protocol": "official"}, "mvtec", "good"),
        (".", {"layout": "good_parts"}, "good_parts", "good"),
        ("a/b", {"layout": "good_parts", "normal_class": "ok"}, "good_parts", "ok"),
    ],
)
def test_good_parts_alone_make_a_data_set(folder, options, layout, label, tmp_path):
    source = tmp_path / "parts"
    good_parts(source / folder, NAMES)
    dataset, _ = create_folders(source, out=tmp_path / "d", **options)
    assert dataset.info["layout"] == layout
    assert dataset.classes == [dataset.normal_class] == [label]
    assert set(dataset.manifest["label"]) == {label}
    counts = dataset.manifest["split"].value_counts().to_dict()
    assert counts == {"train": 14, "validate": 3, "test": 3}
    assert "good parts only: one-class detectors" in describe(dataset)
    assert ("the source has no test set" in describe(dataset)) == (
        "protocol" in options
    )
    assert not create_folders(source, out=tmp_path / "d", **options)[1]


def test_official_keeps_a_test_of_good_parts_alone(tmp_path):
    source = good_parts(tmp_path / "parts", [f"train/good/{name}" for name in NAMES])
    write_image(source / "test/good/0.png", picture(20))
    dataset, _ = create_folders(source, out=tmp_path / "d", protocol="official")
    test = dataset.rows("test")
    assert test["source"].tolist() == ["test/good/0.png"]
    assert len(dataset.rows("train")) == 16 and len(dataset.rows("validate")) == 4
    assert "the source has no test set" not in describe(dataset)


def test_two_classes_are_not_described_as_good_parts_only(part_folder, tmp_path):
    dataset, _ = create_folders(part_folder, out=tmp_path)
    assert "good parts only" not in describe(dataset)


def test_images_in_which_nothing_is_marked_are_not_taken_for_good(tmp_path):
    """They may be waiting for their annotation."""
    source = good_parts(tmp_path / "parts", NAMES)
    content = {"shapes": [], "imagePath": "0.png"}
    (source / "0.json").write_text(json.dumps(content))
    for options in ({}, {"normal_class": "ok"}, {"layout": "image_mask_pairs"}):
        with pytest.raises(InputError, match="No defect is marked .* good_parts; if"):
            create_folders(source, out=tmp_path / "d", **options)
    dataset, _ = create_folders(source, out=tmp_path / "d", layout="good_parts")
    assert dataset.classes == ["good"]
    (tmp_path / "sorted").mkdir()
    source.rename(tmp_path / "sorted/good")
    dataset, _ = create_folders(tmp_path / "sorted", out=tmp_path / "d")
    assert dataset.info["layout"] == "labelme" and dataset.classes == ["good"]


@pytest.mark.parametrize("top", ["", "test/"])
def test_defects_that_cannot_be_read_do_not_leave_good_parts_only(top, tmp_path):
    goods = [f"{'train/' if top else ''}good/{name}" for name in NAMES]
    source = good_parts(tmp_path / "parts", goods)
    bad = source / top / "bad/1.png"
    bad.parent.mkdir(parents=True)
    bad.write_text("no picture")
    (source / goods[0]).write_text("no picture")
    with pytest.raises(
        InputError, match="1 images in other folders cannot be used, .*bad/1.png: .*"
    ):
        create_folders(source, out=tmp_path / "d")
    bad.unlink()
    dataset, _ = create_folders(source, out=tmp_path / "d")
    assert dataset.info["num_rejected"] == 1 and len(dataset.manifest) == 19


def test_masks_without_their_images_are_only_remarks(tmp_path):
    source = good_parts(tmp_path / "parts", [f"train/good/{name}" for name in NAMES])
    write_image(source / "ground_truth/bad/1_mask.png", np.ones((32, 40), bool))
    dataset, _ = create_folders(source, out=tmp_path / "d")
    assert dataset.classes == ["good"] and dataset.info["num_rejected"] == 1


def test_classes_that_differ_by_case_alone_are_asked_about(tmp_path):
    good_parts(tmp_path / "p", ["good/1.png", "good/2.png", "Good/3.png", "bad/4.png"])

    with pytest.raises(InputError, match="classes 'good' and 'Good'"):
        create_folders(tmp_path / "p", out=tmp_path / "d", normal_class="good")


def test_natural_order_takes_every_name():
    ordered = ["", "٣", "9 a", "9 b", "10", "m9", "m10", "m²"]
    assert sorted(reversed(ordered), key=natural_key) == ordered


def test_two_sources_of_one_name_are_refused(part_folder, tmp_path):
    create_folders(part_folder, out=tmp_path / "d", name="x")
    other = shutil.copytree(part_folder, tmp_path / "other")
    with pytest.raises(InputError, match="another source"):
        create_folders(other, out=tmp_path / "d", name="x")


def test_changed_truth_makes_it_anew(bottle_mouths, tmp_path):
    """Masks, labels and remarks of the source count, not its images alone."""
    source = shutil.copytree(bottle_mouths, tmp_path / "bottle_mouths")
    create_folders(source, out=tmp_path / "d")
    masks = sorted(source.glob("ground_truth/*/*.png"))
    write_image(masks[0], ~read_mask(masks[0]))
    dataset, made = create_folders(source, out=tmp_path / "d")
    assert made and not create_folders(source, out=tmp_path / "d")[1]
    masks[1].unlink()
    assert create_folders(source, out=tmp_path / "d")[1]
    assert not create_folders(source, out=tmp_path / "d")[1]
    (source / "train" / "good" / "new.png").write_text("no picture")
    assert create_folders(source, out=tmp_path / "d")[1]
    assert not create_folders(source, out=tmp_path / "d")[1]


def test_changed_outlines_make_it_anew(part_folder, tmp_path):
    source = shutil.copytree(part_folder, tmp_path / "parts")
    bad = sorted((source / "bad").iterdir())
    for path in bad:
        write_labelme(path, right=30)
    create_folders(source, out=tmp_path / "d", grouping="none")
    assert not create_folders(source, out=tmp_path / "d", grouping="none")[1]
    write_labelme(bad[3], right=31)
    dataset, made = create_folders(source, out=tmp_path / "d", grouping="none")
    assert made
    found = read_instances(dataset.folder / "instances.json")["spot/bad_03"]
    assert found[0]["bbox"] == [5, 5, 26, 25]


def write_labelme(image, *, right):
    points = [[5, 5], [right, 5], [right, 30], [5, 30]]
    shape = {"label": "spot", "shape_type": "polygon", "points": points}
    content = {"shapes": [shape], "imagePath": image.name}
    image.with_suffix(".json").write_text(json.dumps(content))


@pytest.mark.parametrize("harm", ["mask lost", "mask changed", "instances.json"])
def test_lost_truth_is_written_again(bottle_mouths, tmp_path, harm):
    dataset, _ = create_folders(bottle_mouths, out=tmp_path)
    before = tree(tmp_path)
    mask = max(dataset.folder.glob("*/ground_truth/*/*.png"))
    if harm == "mask changed":
        write_image(mask, ~read_mask(mask))
    else:
        (mask if harm == "mask lost" else dataset.folder / harm).unlink()
    assert create_folders(bottle_mouths, out=tmp_path)[1]
    assert tree(tmp_path) == before


def test_copies_stay_while_the_source_is_the_same(part_folder, tmp_path):
    """Also where a folder of the source has the name of a copy's mark."""
    source = tmp_path / "parts"
    shutil.copytree(part_folder / "good", source / "good")
    shutil.copytree(part_folder / "bad", source / "copy of good")
    dataset, _ = create_folders(source, out=tmp_path / "d", grouping="none")
    assert not is_copy(dataset.manifest).any()
    num_copies = augment_dataset(dataset.folder, multiplier=1)
    dataset, made = create_folders(source, out=tmp_path / "d", grouping="none")
    assert not made and is_copy(dataset.manifest).sum() == num_copies > 20


def test_leftovers_go_also_when_nothing_is_to_be_done(part_folder, tmp_path):
    create_folders(part_folder, out=tmp_path)
    before = tree(tmp_path)
    for end in ("old", "partial"):
        shutil.copytree(part_folder, tmp_path / f".{part_folder.name}.{end}")
    assert not create_folders(part_folder, out=tmp_path)[1]
    assert tree(tmp_path) == before
    assert len(list(tmp_path.iterdir())) == 1


class Killed(BaseException):
    """Stands for the end of the process."""


def stop_after(monkeypatch, count):
    """Lets the `count`-th file operation and all after it fail."""
    left = [count]

    def counted(function):
        def call(*args, **options):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return function(*args, **options)

        return call

    for module, name in (
        (os, "replace"),
        (os, "rename"),
        (shutil, "copyfile"),
        (shutil, "rmtree"),
        (Path, "unlink"),
    ):
        monkeypatch.setattr(module, name, counted(getattr(module, name)))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Good and bad parts, three each."""
    folder = tmp_path_factory.mktemp("tiny") / "parts"
    for label in ("bad", "good"):
        for number in range(3):
            path = folder / label / f"{number}.png"
            write_image(path, picture([len(label), number]))
            if label == "bad":
                write_labelme(path, right=20)
    return folder


@pytest.mark.parametrize("seed_before", [None, 0, 1])
def test_killed_at_any_file_operation_the_next_run_is_whole(
    tiny, tmp_path, seed_before
):
    create_folders(tiny, out=tmp_path / "expected")
    expected, num_stops = tree(tmp_path / "expected"), 0
    for count in range(100):
        out = tmp_path / str(count)
        if seed_before is not None:
            create_folders(tiny, out=out, seed=seed_before)
            for end in ("old", "partial") if seed_before == 0 else ():
                shutil.copytree(tiny, out / f".parts.{end}")
        with pytest.MonkeyPatch.context() as patch:
            stop_after(patch, count)
            try:
                create_folders(tiny, out=out)
                break
            except Killed:
                num_stops += 1
        if (out / "parts").exists():
            read_dataset(out / "parts", check_files=True)
        create_folders(tiny, out=out)
        assert tree(out) == expected, count
    assert num_stops == 2 if seed_before == 0 else 15 < num_stops < 100


def test_a_full_disk_ends_in_a_line_and_leaves_the_old_data_set(
    tiny, tmp_path, monkeypatch, capsys
):
    create_folders(tiny, out=tmp_path)
    before, left = tree(tmp_path), [4]
    copyfile = shutil.copyfile

    def copy(source, target):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        copyfile(source, target)

    monkeypatch.setattr(shutil, "copyfile", copy)
    with pytest.raises(SystemExit) as end:
        main(["folders", str(tiny), "--out", str(tmp_path), "--seed", "1"])
    lines = capsys.readouterr().err.splitlines()
    assert end.value.code == 2 and len(lines) == 1
    assert "No space left on device" in lines[0] and "parts.partial" in lines[0]
    assert tree(tmp_path) == before and len(list(tmp_path.iterdir())) == 1


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 200 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount).returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_really_full(part_folder, small_disk, tmp_path):
    result = run(part_folder, "--out", small_disk, cwd=tmp_path)
    assert result.returncode == 2 and len(result.stderr.splitlines()) == 1
    assert "No space left on device" in result.stderr
    assert not list(small_disk.iterdir())


def test_a_target_that_cannot_be_written(tiny, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o555)
    open_to_all = os.access(tmp_path / "closed", os.W_OK)  # for an administrator
    out = "/proc/dataset" if open_to_all else tmp_path / "closed"
    result = run(tiny, "--out", out, cwd=tmp_path)
    assert result.returncode == 2 and len(result.stderr.splitlines()) == 1
    assert str(out) in result.stderr


def test_ctrl_c_ends_in_a_line_and_can_be_run_again(part_folder, tmp_path):
    source = tmp_path / part_folder.name
    for number in range(10):
        for path in part_folder.glob("*/*.png"):
            target = source / path.parent.name / f"{number}{path.name}"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes() + bytes([number]))
    command = [sys.executable, str(SCRIPT), str(source), "--grouping", "none"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # a shell's background job ignores SIGINT, and so would this child of it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    partial = tmp_path / "dataset" / f".{source.name}.partial"
    deadline = time.monotonic() + 60
    while not partial.exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.splitlines() == ["Interrupted. Run the same command again."]
    assert not list((tmp_path / "dataset").iterdir())
    create_folders(source, out=tmp_path / "expected", grouping="none")
    create_folders(source, out=tmp_path / "dataset", grouping="none")
    assert tree(tmp_path / "dataset") == tree(tmp_path / "expected")
