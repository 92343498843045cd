import pandas as pd
import pytest

from goodparts import files
from goodparts.command import InputError
from goodparts.files import read_json, write_json
from preprocessing.manifest import (
    MARKER,
    NEXT,
    check_classes,
    copy_source,
    find_normal_class,
    image_source,
    is_copy,
    original_of,
    read_dataset,
    write_dataset,
)


def edit(folder, old, new, *, count=1):
    path = folder / "manifest.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count))


def test_a_data_set_reads_back(small_dataset):
    dataset = read_dataset(small_dataset, check_files=True)
    assert dataset.classes == ["bad", "good"] and dataset.normal_class == "good"
    assert set(dataset.rows("train", "test")["split"]) == {"train", "test"}
    assert read_dataset(small_dataset / "manifest.csv").name == dataset.name


@pytest.mark.parametrize(
    "old, new, message",
    [
        (",train,", ",tarin,", r"line \d+: split must be one of .* Received: 'tarin'"),
        ("sample_id,path", "sample,path", "lacks the column"),
        (",clip,", ",", r"lacks the column\(s\) clip. Run goodparts folders again."),
        (",good,train,", ",god,train,", r"line \d+: label 'god' is not one of"),
    ],
)
def test_nonsense_names_the_row(small_dataset, old, new, message):
    edit(small_dataset, old, new)
    with pytest.raises(InputError, match=message):
        read_dataset(small_dataset)


def test_an_edit_that_looks_right_is_noticed_too(small_dataset):
    lines = (small_dataset / "manifest.csv").read_text().splitlines()
    (small_dataset / "manifest.csv").write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(InputError, match="was changed after .* Undo the change, or"):
        read_dataset(small_dataset)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda info: {}, "lacks name, classes, normal_class, manifest_sha256"),
        (lambda info: [], "lacks name"),
        (lambda info: {**info, "classes": "good"}, "lacks classes"),
        (
            lambda info: {**info, "normal_class": "gut"},
            "normal_class 'gut'.* bad, good",
        ),
    ],
)
def test_nonsense_in_dataset_json_is_named(small_dataset, change, message):
    about = small_dataset / "dataset.json"
    write_json(about, change(read_json(about)))
    with pytest.raises(InputError, match=f"dataset.json .*{message}"):
        read_dataset(small_dataset)


def test_killed_between_manifest_and_json_it_still_reads(small_dataset, monkeypatch):
    dataset = read_dataset(small_dataset)
    shorter = dataset.manifest[:-1]
    write, left = files.write_bytes, []

    def die(path, content):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        write(path, content)

    monkeypatch.setattr(files, "write_bytes", die)
    for num_writes, rows in ((1, 42), (2, 41), (1, 41), (2, 41)):
        left[:] = [num_writes]
        with pytest.raises(KeyboardInterrupt):
            write_dataset(small_dataset, shorter, dataset.info)
        assert len(read_dataset(small_dataset).manifest) == rows
    left[:] = [3]
    write_dataset(small_dataset, shorter, read_dataset(small_dataset).info)
    assert NEXT not in read_dataset(small_dataset).info


def test_a_copy_is_told_by_its_mark_alone():
    """A source path that is the sample_id of another row, or has the mark itself."""
    sources = ["good/1", "copy of good/1", image_source("copy of a/7.png")]
    ids = ["good/1.png", "good/1__aug001", "a/7"]
    table = pd.DataFrame({"sample_id": ids, "source": sources})
    table.loc[len(table)] = ["good/1", copy_source("good/1")]
    assert is_copy(table).tolist() == [False, True, False, True]
    assert original_of(table).tolist() == ["good/1.png", "good/1", "a/7", "good/1"]


def test_a_group_in_two_splits_is_refused(small_dataset):
    lines = (small_dataset / "manifest.csv").read_text().splitlines()
    train = next(line.split(",") for line in lines if ",train," in line)
    number = next(i for i, line in enumerate(lines) if ",test," in line)
    cells = lines[number].split(",")
    cells[4] = train[4]
    lines[number] = ",".join(cells)
    (small_dataset / "manifest.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match="must be in one split only"):
        read_dataset(small_dataset)


def test_a_classifier_needs_every_class_in_train(small_dataset):
    dataset = read_dataset(small_dataset)
    check_classes(dataset)
    rows = dataset.manifest
    goods = rows[(rows["label"] == "good") | (rows["split"] != "train")]
    with pytest.raises(
        InputError,
        match="train split of .*washers has no images of bad, so a classifier",
    ):
        check_classes(dataset._replace(manifest=goods))
    alone = dataset._replace(
        manifest=rows[rows["label"] == "good"],
        info={**dataset.info, "classes": ["good"]},
    )
    with pytest.raises(
        InputError, match=r"has only good parts \('good'\), but a class"
    ):
        check_classes(alone)


def test_changed_and_missing_files_are_named(small_dataset):
    dataset = read_dataset(small_dataset)
    path = small_dataset / dataset.manifest["path"][3]
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(InputError, match=r"line 5: .* was changed"):
        read_dataset(small_dataset, check_files=True)
    path.unlink()
    with pytest.raises(InputError, match=r"line 5: .* is missing"):
        read_dataset(small_dataset, check_files=True)


def test_a_folder_without_manifest_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match="goodparts folders"):
        read_dataset(tmp_path)


def test_the_normal_class_is_found_or_asked_for():
    assert find_normal_class(["MT_Free", "MT_Crack"]) == "MT_Free"
    assert find_normal_class(["a", "b"], "b") == "b"
    with pytest.raises(InputError, match="--normal-class NAME"):
        find_normal_class(["a", "b"])
    with pytest.raises(InputError, match="Did you mean 'good'"):
        find_normal_class(["good", "bad"], "goood")


def test_an_interrupted_augmentation_is_not_trained_on(small_dataset):
    (small_dataset / MARKER).touch()
    with pytest.raises(InputError, match="was interrupted.*augment"):
        read_dataset(small_dataset, check_files=True)
