"""No file is left out in silence, and images begin where people have them."""

import os

import numpy as np
import pandas as pd
import pytest
from import_helpers import labels, picture, reasons, shape, write_json, write_labelme
from PIL import Image

from goodparts.command import InputError
from preprocessing.create_folders import create_folders
from preprocessing.describe_dataset import describe
from preprocessing.images import read_image
from preprocessing.importing.layouts import read_source

READ = "png jpg jpe jfif gif avif webp jp2 bmp dib tif pbm pgm ppm pnm tga pcx".split()


def photo(seed):
    pixels = np.random.default_rng(seed).integers(0, 255, (5, 6, 3), np.uint8)
    return Image.fromarray(pixels).resize((48, 40))


def classes(folder, names=("good", "hole"), number=6):
    for seed in range(2 * number):
        path = folder / names[seed % 2] / f"{seed}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        photo(seed).save(path)


@pytest.mark.parametrize("suffix", READ)
def test_every_usual_suffix_is_read(tmp_path, suffix):
    forms = {"jfif": "JPEG", "jpe": "JPEG", "dib": "DIB", "pnm": "PPM"}
    image = photo(1).convert("1" if suffix == "pbm" else "RGB")
    (tmp_path / "good").mkdir()
    image.save(tmp_path / f"good/1.{suffix}", format=forms.get(suffix))

    (found,) = read_source(tmp_path).images

    assert found.source == f"good/1.{suffix}"
    assert read_image(found.path).shape == (40, 48, 3)


def test_of_several_frames_the_first_is_read(tmp_path):
    first, second = photo(1), photo(2)
    first.save(tmp_path / "1.gif", save_all=True, append_images=[second])

    expected = np.asarray(first.quantize().convert("RGB"), int)
    assert np.abs(read_image(tmp_path / "1.gif") - expected).mean() < 8


def test_other_files_are_counted_by_suffix(tmp_path):
    classes(tmp_path / "parts")
    for name in ("good/1.heic", "good/2.HEIC", "good/notes.txt", "README", "a.json"):
        (tmp_path / "parts" / name).write_text("{}")
    for name in ("Thumbs.db", ".DS_Store", "__MACOSX/1.png"):
        (tmp_path / "parts" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "parts" / name).write_text("of the system")

    dataset, _ = create_folders(tmp_path / "parts", out=tmp_path / "out")

    said = pd.read_csv(dataset.folder / "rejected.csv").set_index("path")["reason"]
    assert said.to_dict() == {
        "* without an extension": "1 file not used",
        "*.heic": "2 files not used",
        "*.json": "1 file not used",
        "*.txt": "1 file not used",
    }
    assert "files that were not used: 5 (.heic 2, " in describe(dataset)
    assert dataset.info["num_rejected"] == 0


def test_pipes_are_named_and_not_opened(tmp_path):
    for label in ("good", "bad"):
        picture(tmp_path / f"{label}/1.jpg")
    for name in ("good/2.jpg", "good/1.json", "labels.csv"):
        os.mkfifo(tmp_path / name)

    source = read_source(tmp_path)

    assert [*labels(source)] == ["bad/1.jpg", "good/1.jpg"]
    assert reasons(source).keys() == {"good/2.jpg", "good/1.json", "labels.csv"}
    assert "is not a regular file" in reasons(source)["good/2.jpg"]


def test_a_broken_json_is_named_in_any_layout(tmp_path):
    classes(tmp_path)
    (tmp_path / "labels.json").write_text('{"images": [')

    (said,) = read_source(tmp_path).rejected

    assert said.path == "labels.json" and "cannot be read" in said.reason


def test_broken_annotations_beside_class_folders_are_asked_about(tmp_path):
    classes(tmp_path)
    (tmp_path / "labels.json").write_text('{"annotations": [')

    with pytest.raises(InputError, match="labels.json, which cannot.*class_folders"):
        read_source(tmp_path)
    assert len(read_source(tmp_path, layout="class_folders").images) == 12


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("labels.csv", "a,b\n1,2\n", "labels.csv"),
        ("labels.parquet", "PAR1", r"labels.parquet \(save it as CSV\)"),
        ("p1.txt", "0 0.5 0.5 0.1 0.1\n", "1 text files like those of YOLO in"),
        ("via.json", '{"_via_img_metadata": {}}', "the first is via.json"),
        ("coco.json", '{"images": [', "coco.json, which cannot be read"),
    ],
)
def test_an_unknown_layout_names_what_was_seen(tmp_path, name, content, said):
    picture(tmp_path / "p1.png")
    (tmp_path / name).write_text(content)

    with pytest.raises(InputError, match=f"Found, but not read: .*{said}"):
        read_source(tmp_path)


def test_a_folder_without_images_says_what_is_there(tmp_path):
    (tmp_path / "parts.zip").write_text("")

    with pytest.raises(InputError, match="It contains: .zip 1. Unpack archives first"):
        read_source(tmp_path)


def test_errors_name_the_first_image_that_is_left_out(tmp_path):
    for seed in range(6):
        photo(seed).save(tmp_path / f"{seed}.png")
        points = [[1, 1]] if seed else [[1, 1], [9, 1], [9, 9]]
        kind = "point" if seed else "polygon"
        write_labelme(
            tmp_path / f"{seed}.json", f"{seed}.png", shape(kind=kind, points=points)
        )

    with pytest.raises(
        InputError, match="5 images were left out, the first is 1.png: .*unkn"
    ):
        create_folders(tmp_path, out=tmp_path.parent / "out", name="x")


def test_unannotated_images_that_become_good_are_counted(tmp_path):
    for seed in range(12):
        photo(seed).save(tmp_path / f"{seed}.png")
        if seed < 6:
            write_labelme(tmp_path / f"{seed}.json", f"{seed}.png", shape())

    dataset, _ = create_folders(tmp_path, out=tmp_path.parent / "out", name="x")

    assert "images without an annotation, used as good parts: 6" in describe(dataset)


# Where images begin


def test_folders_that_hold_one_folder_alone_are_left_behind(tmp_path):
    classes(tmp_path / "archive/my parts", ("OK_parts", "hole"))
    (tmp_path / "__MACOSX/archive").mkdir(parents=True)
    (tmp_path / "archive/read me.txt").write_text("")

    assert {*labels(read_source(tmp_path)).values()} == {"OK_parts", "hole"}


@pytest.mark.parametrize("name", ["good", "scratch", "images", "train"])
def test_a_folder_that_says_something_is_no_wrapping(tmp_path, name):
    picture(tmp_path / name / "cam 1/1.png")
    picture(tmp_path / name / "cam 2/2.png")

    try:
        source = read_source(tmp_path, normal_name="scratch", layout="class_folders")
    except InputError:
        assert name == "train"
    else:
        assert {*labels(source).values()} == {name}


# YOLO


def write_yolo(folder, rows, *, names="names: [hole, 'dent']\n"):
    for stem, row in rows.items():
        picture(folder / f"images/train/{stem}.png")
        path = folder / f"labels/train/{stem}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        if row is not None:
            path.write_text(row)
    (folder / "data.yaml").write_text(names)


@pytest.mark.parametrize(
    "names",
    [
        "names: [hole, 'dent']",
        "nc: 2\nnames:\n  - hole\n  - dent\ntrain: x\n",
        'names:\n  0: hole # round\n  1: "dent"\n',
        "names: {0: hole, 1: dent}",
    ],
)
def test_yolo_boxes_and_outlines(tmp_path, names):
    rows = {
        "1": "0 0.5 0.25 0.25 0.125\n",
        "2": "1 0.1 0.1 0.5 0.1 0.5 0.5\n",
        "3": "",
    }
    write_yolo(tmp_path, rows, names=names)

    source = read_source(tmp_path)

    assert source.layout == "yolo"
    assert [*labels(source).values()] == ["hole", "dent", "good"]
    (box,), (outline,) = (image.instances for image in source.images[:2])
    assert box["bbox"] == [24, 12, 16, 8]  # of 64 pixels
    assert outline["polygons"] == [pytest.approx([6.4, 6.4, 32, 6.4, 32, 32])]


@pytest.mark.parametrize(
    ("names", "second"),
    [
        ("names: ['good', 'type #1']\n", "type #1"),
        ('names: ["good","hole [big]"]\n', "hole [big]"),
        ("names: ['good', 'operator''s hole']\n", "operator's hole"),
        ("names:\n  0: good # all\n  1: no\n", "no"),
        ("names: [\n  good,\n  'a, b',\n]\n", "a, b"),
    ],
)
def test_yolo_names_are_read_as_yaml(tmp_path, names, second):
    write_yolo(tmp_path, {"1": "1 0.5 0.5 0.1 0.1\n", "2": ""}, names=names)

    assert [*labels(read_source(tmp_path)).values()] == [second, "good"]


@pytest.mark.parametrize(
    "names",
    ["names: [a, b\n", "names: {0: a, 0: b}\n", "names: [a, [b]]\n", "names: a\n"],
)
def test_yolo_names_that_are_broken_are_none(tmp_path, names):
    write_yolo(tmp_path, {"1": "0 0.5 0.5 0.1 0.1\n"}, names=names)

    with pytest.raises(InputError, match="no class names"):
        read_source(tmp_path, layout="yolo")


@pytest.mark.parametrize("names", ["# mine\ngood\nhole\n", "good\n\nhole\n"])
def test_yolo_names_with_a_line_that_has_none_are_refused(tmp_path, names):
    write_yolo(tmp_path, {"1": "1 0.5 0.5 0.1 0.1\n"}, names="")
    (tmp_path / "classes.txt").write_text(names)

    with pytest.raises(InputError, match="Line [12] of classes.txt has no class name"):
        read_source(tmp_path)
    (tmp_path / "classes.txt").write_text("good\nhole\n\n")
    assert [*labels(read_source(tmp_path)).values()] == ["hole"]


def test_yolo_that_is_not_understood_is_not_good(tmp_path):
    box = "0.5 0.5 0.1 0.1"
    rows = {
        "1": f"0 {box}\n",
        "2": f"7 {box}\n",
        "3": "0 320 240 10 10\n",
        "4": f"0 {box} 0.9\n",
        "5": "",
        "6": None,
        "7": "hole\n",
    }
    write_yolo(tmp_path, rows)

    source = read_source(tmp_path)

    assert [*labels(source).values()] == ["hole", "good"]
    said = "\n".join(reason for _, reason in source.rejected)
    assert (
        "class 7 has no name" in said and "must be fractions of the image size" in said
    )


def test_yolo_without_names_says_what_is_missing(tmp_path):
    write_yolo(tmp_path, {"1": "0 0.5 0.5 0.1 0.1\n"}, names="nc: 1\n")

    with pytest.raises(InputError, match="add data.yaml, or classes.txt"):
        read_source(tmp_path, layout="yolo")


# Tables


@pytest.mark.parametrize(
    "head", ["file,label", "id;image;class;operator", "n\tpath\tresult", "1.png,hole"]
)
def test_labels_in_one_table(tmp_path, head):
    mark = next(sign for sign in ";\t," if sign in head)
    lines = [head]
    for stem, label in (("1", "hole"), ("2", "OK"), ("3", "dent")):
        picture(tmp_path / f"{stem}.png")
        cells = {"file": f"{stem}.png", "label": label, "image": f"C:\\x\\{stem}.png"}
        cells |= {"path": f"{stem}.png", "class": label, "result": label}
        names = head.split(mark) if "1" not in head else ["file", "label"]
        if "1" not in head or stem != "1":
            lines.append(mark.join(cells.get(name, "9") for name in names))
    (tmp_path / "parts.csv").write_text("\n".join(lines))

    source = read_source(tmp_path)

    assert source.layout == "csv"
    assert [*labels(source).values()] == ["hole", "good", "dent"]


def test_rows_that_decide_nothing(tmp_path):
    for stem in "12345":
        picture(tmp_path / f"{stem}.png")
    rows = "1.png,hole\n2.png,good\n2.png,hole\n3.png,\n9.png,hole\n4.png,good\n"
    (tmp_path / "parts.csv").write_text("file,label\n" + rows)

    source = read_source(tmp_path)

    assert labels(source) == {"1.png": "hole", "4.png": "good"}
    said = {rejected.path for rejected in source.rejected}
    assert said == {"2.png", "3.png", "5.png", "parts.csv"}


def test_two_columns_of_labels_are_asked_about(tmp_path):
    picture(tmp_path / "1.png")
    (tmp_path / "parts.csv").write_text("file,label,class\n1.png,hole,good\n")

    with pytest.raises(InputError, match="the column with the labels is not clear"):
        read_source(tmp_path)


# Own splits


@pytest.mark.parametrize("validation", ["val", "valid", None])
def test_own_splits_are_pooled_with_a_word_or_kept(tmp_path, validation):
    names = [name for name in ("train", validation, "test") if name]
    for place, name in enumerate(names):
        for seed in range(12):
            path = tmp_path / f"p/{name}/{('good', 'hole')[seed % 2]}/{seed}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            photo(100 * place + seed).save(path)

    pooled, _ = create_folders(tmp_path / "p", out=tmp_path / "pooled")
    kept, _ = create_folders(
        tmp_path / "p", out=tmp_path, name="k", protocol="official"
    )

    assert "--protocol official keeps" in describe(pooled)
    tops = kept.manifest["source"].str.split("/").str[0]
    assert (kept.manifest["split"] == "test").equals(tops == "test")
    if validation:
        assert (kept.manifest["split"] == "validate").equals(tops == validation)
    assert kept.manifest.groupby("split")["label"].nunique().eq(2).all()


def test_shares_may_be_in_percent(tmp_path):
    classes(tmp_path / "p")

    dataset, _ = create_folders(
        tmp_path / "p", out=tmp_path, name="x", shares=(70, 15, 15)
    )

    assert dataset.info["shares"] == {"train": 0.7, "validate": 0.15, "test": 0.15}
    with pytest.raises(InputError, match="shares"):
        create_folders(tmp_path / "p", out=tmp_path, name="y", shares=(70, 15, 25))


def test_json_of_every_kind_of_nonsense(tmp_path):
    for stem in "12":
        picture(tmp_path / f"{stem}.png")
    write_labelme(tmp_path / "1.json", "1.png", shape())
    for number, content in enumerate([None, 5, "x", [], {}, {"shapes": None}]):
        write_json(tmp_path / f"x{number}.json", content)

    assert labels(read_source(tmp_path))["1.png"] == "hole"
