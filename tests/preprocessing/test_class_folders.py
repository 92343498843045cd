"""Class folders as they are chosen: with masks beside them, with splits in a table."""

import numpy as np
import pandas as pd
import pytest
from import_helpers import labels, mask, picture, reasons

from goodparts.command import InputError
from preprocessing.create_folders import create_folders
from preprocessing.describe_dataset import describe
from preprocessing.images import write_image
from preprocessing.importing.layouts import read_source

CHOSEN = [None, "class_folders"]


def photo(path):
    """A picture of its own."""
    random = np.random.default_rng(list(str(path)[-9:].encode()))
    write_image(path, random.integers(0, 256, (64, 64, 3), dtype=np.uint8))


def masks_of(source):
    return {
        image.source: [str(path).split("/")[-1] for path in image.mask_paths]
        for image in source.images
        if image.mask_paths
    }


@pytest.mark.parametrize("layout", CHOSEN)
@pytest.mark.parametrize("names", [("OK", "NOK"), ("ok", "nok"), ("IO", "NIO")])
def test_ok_and_nok(tmp_path, layout, names):
    good, bad = names
    for label in names:
        for number in range(8):
            photo(tmp_path / f"p/{label}/{number}.png")

    dataset, _ = create_folders(
        tmp_path / "p", out=tmp_path / "d", layout=layout, grouping="none"
    )

    assert dataset.normal_class == good and set(dataset.classes) == {good, bad}
    assert dataset.info["layout"] == "class_folders"


@pytest.mark.parametrize("layout", CHOSEN)
@pytest.mark.parametrize(
    "image, mask_name",
    [
        ("{label}/{n}.jpg", "masks/{label}/{n}.png"),
        ("{label}/{n}.jpg", "ground_truth/{label}/{n}_mask.png"),
        ("images/{label}/{n}.jpg", "masks/{label}/{n}.png"),
        ("images/{label}/{n}.jpg", "ground_truth/{label}/{n}_mask.png"),
        ("{label}/images/{n}.jpg", "{label}/masks/{n}.png"),
    ],
)
def test_masks_in_folders_beside_the_classes(tmp_path, layout, image, mask_name):
    for label in ("OK", "NOK"):
        for n in range(3):
            picture(tmp_path / image.format(label=label, n=n))
            if label == "NOK":
                mask(tmp_path / mask_name.format(label=label, n=n))

    source = read_source(tmp_path, layout=layout)

    assert sorted(labels(source).values()) == ["NOK"] * 3 + ["OK"] * 3
    assert len(masks_of(source)) == 3
    for name, found in masks_of(source).items():
        assert "NOK" in name
        number = name.split("/")[-1].split(".")[0]
        assert found[0].startswith(number)


def test_a_mask_that_speaks_against_its_class_folder(tmp_path):
    for label in ("OK", "NOK"):
        for n in range(3):
            picture(tmp_path / f"{label}/{n}.jpg")
            mask(tmp_path / f"masks/{label}/{n}.png", defect=(label, n) != ("NOK", 0))
    mask(tmp_path / "masks/NOK/9.png")

    source = read_source(tmp_path, layout="class_folders")

    assert set(labels(source).values()) == {"NOK"}  # the masks of all OK parts mark
    why = reasons(source)
    assert "its mask marks a defect" in why["OK/1.jpg"]
    assert "its mask is empty" in why["NOK/0.jpg"]
    assert why["masks/NOK/9.png"] == "is a mask without an image"


def test_a_class_with_the_name_of_a_mask_folder_is_a_class(tmp_path):
    """Whether the label sticks on the bottle."""
    for label in ("label", "no_label"):
        for n in range(3):
            photo(tmp_path / f"{label}/{n}.png")

    source = read_source(tmp_path, layout="class_folders", normal_name="label")

    assert sorted(labels(source).values()) == ["label"] * 3 + ["no_label"] * 3


def test_images_of_one_name_are_no_masks_where_folders_are_chosen(tmp_path):
    for label in ("OK", "NOK"):
        for n in range(3):
            photo(tmp_path / f"{label}/{n}.jpg")
            photo(tmp_path / f"{label}/{n}.png")

    assert len(labels(read_source(tmp_path, layout="class_folders"))) == 12


# Splits in a table

WORDS = {"train": "Train", "validate": "val", "test": "test"}


def split_of(n):
    return ("train", "train", "train", "validate", "test", "test")[n % 6]


def parts_with_a_table(folder, *, layout, has_validate=True, left_out=()):
    """18 images of each class; every third test image may lack its split."""
    rows = []
    for label in ("good", "hole"):
        for n in range(18):
            name = f"{label}{n:02d}.png"
            photo(folder / (name if layout == "csv" else f"{label}/{name}"))
            split = split_of(n)
            split = "train" if split == "validate" and not has_validate else split
            word = "" if name in left_out else WORDS[split]
            rows.append({"file": name, "label": label, "split": word})
    table = pd.DataFrame(rows)
    if layout != "csv":
        table = table.drop(columns="label")
    table.to_csv(folder / "labels.csv", index=False)
    return {row["file"]: row["split"] for row in rows}


@pytest.mark.parametrize("layout", ["csv", "class_folders"])
@pytest.mark.parametrize("has_validate", [True, False])
def test_a_column_of_splits_is_kept_and_said(tmp_path, layout, has_validate):
    folder = tmp_path / "p"
    given = parts_with_a_table(folder, layout=layout, has_validate=has_validate)

    kept, _ = create_folders(folder, out=tmp_path / "kept", protocol="official")
    pooled, _ = create_folders(folder, out=tmp_path / "pooled", grouping="none")

    assert kept.info["layout"] == layout
    split = dict(
        zip(
            kept.manifest["source"].str.split("/").str[-1],
            kept.manifest["split"],
            strict=True,
        )
    )
    assert {x for x in split if split[x] == "test"} == {
        x for x in given if given[x] == "test"
    }
    if has_validate:
        assert {x for x in split if split[x] == "validate"} == {
            x for x in given if given[x] == "val"
        }
    assert set(split) == set(given) and set(split.values()) == set(WORDS)
    said = "the column 'split' of labels.csv assigns images to splits (test 12, train"
    assert said in describe(kept) and said in describe(pooled)
    assert "all images are pooled and split anew; --protocol off" in describe(pooled)
    assert "the source has no test set" not in describe(kept)
    assert not create_folders(folder, out=tmp_path / "kept", protocol="official")[1]


def test_images_without_a_split_are_left_out_and_counted(tmp_path):
    folder = tmp_path / "p"
    without = ("good00.png", "hole05.png")
    parts_with_a_table(folder, layout="csv", left_out=without)

    dataset, _ = create_folders(folder, out=tmp_path / "d", protocol="official")

    assert len(dataset.manifest) == 34 and dataset.info["num_left_out"] == 2
    assert "2 images have no split there" in describe(dataset)
    rejected = pd.read_csv(dataset.folder / "rejected.csv").set_index("path")["reason"]
    assert all("has no split in the source" in rejected[name] for name in without)


@pytest.mark.parametrize(
    "table",
    [
        "file,label,split\n0.png,good,train\n1.png,hole,3\n2.png,hole,test\n",
        "file,label,set\n0.png,good,A\n1.png,hole,B\n2.png,hole,A\n",
        "file,label,split,subset\n0.png,good,train,train\n1.png,hole,test,train\n"
        "2.png,hole,train,train\n",
    ],
)
def test_what_is_no_column_of_splits_is_not_used(tmp_path, table):
    for stem in "012":
        picture(tmp_path / f"{stem}.png")
    (tmp_path / "labels.csv").write_text(table)

    source = read_source(tmp_path)

    assert len(source.images) == 3 and source.notes == ()
    assert {image.table_split for image in source.images} == {""}


def test_a_column_of_splits_alone_is_no_label(tmp_path):
    for stem in "0123":
        picture(tmp_path / f"{stem}.png")
    table = "file,split\n0.png,train\n1.png,test\n2.png,train\n3.png,test\n"
    (tmp_path / "labels.csv").write_text(table)

    with pytest.raises(InputError, match="the column with the labels is not clear"):
        read_source(tmp_path)


def test_two_tables_of_splits_are_not_used(tmp_path):
    for label in ("good", "hole"):
        for n in range(3):
            picture(tmp_path / f"{label}/{label}{n}.png")
    for name in ("a.csv", "b.csv"):
        rows = "good0.png,train\ngood1.png,train\ngood2.png,test\nhole0.png,test\n"
        (tmp_path / name).write_text(f"file,split\n{rows}")

    source = read_source(tmp_path)

    assert "a.csv and b.csv both assign images to splits" in source.notes[0]
    assert len(source.images) == 6
    assert {image.table_split for image in source.images} == {""}


def test_without_any_split_official_is_refused(tmp_path):
    for label in ("good", "hole"):
        for n in range(8):
            photo(tmp_path / f"p/{label}/{n}.png")
    with pytest.raises(InputError, match="or a table with a column named split"):
        create_folders(tmp_path / "p", out=tmp_path / "d", protocol="official")
