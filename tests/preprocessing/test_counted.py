"""What becomes good without a mark, and what is missing, is counted and said."""

import numpy as np
import pytest
from import_helpers import BOX, coco, labels, reasons, shape, write_json, write_labelme

from preprocessing.create_folders import create_folders
from preprocessing.describe_dataset import describe
from preprocessing.images import write_image
from preprocessing.importing.found_image import EMPTY_ENTRY, NO_ENTRY
from preprocessing.importing.layouts import read_source


def photo(path):
    """A picture of its own."""
    random = np.random.default_rng(list(path.name.encode()))
    write_image(path, random.integers(0, 256, (64, 64, 3), dtype=np.uint8))


def unmarked(source):
    return {image.source: image.unmarked for image in source.images if image.unmarked}


def said(folder, tmp_path):
    dataset, _ = create_folders(folder, out=tmp_path / "out", grouping="none")
    return describe(dataset), dataset


def test_coco_whose_images_are_elsewhere_or_missing(tmp_path):
    folder = tmp_path / "parts"
    for number in range(8):
        photo(folder / f"images/{number}.png")
    photo(folder / "second/8.png")
    photo(folder / "third/unlisted.png")
    names = [f"{number}.png" for number in range(9)]
    missing = ["20.png", "21.png", "gone/22.png"]
    boxes = [(1, 1, BOX), (2, 1, BOX), (3, 1, BOX), (9, 1, BOX), (10, 1, BOX)]
    content = coco([*names, *missing], boxes)
    write_json(folder / "images/instances.json", content)

    source = read_source(folder)

    found = labels(source)
    assert sorted(found.values()) == ["good"] * 5 + ["hole"] * 4
    assert found["second/8.png"] == "hole" and "third/unlisted.png" not in found
    why = reasons(source)
    assert "although good images have one too" in why["third/unlisted.png"]
    for name in missing:
        told = f"refers to the image '{name}', which does not exist"
        assert told in why["images/instances.json"]
    text, _ = said(folder, tmp_path)
    assert (
        "images that the annotations refer to, but that do not exist: 3 (1 of them "
        "with a defect or another label)"
    ) in text
    assert (
        "images without an annotation, used as good parts: 5 (5 of them have an entry "
        "without a defect)"
    ) in text


def test_no_image_becomes_good_in_place_of_a_missing_one(tmp_path):
    for number in range(6):
        photo(tmp_path / f"{number}.png")
    content = coco(["0.png", "1.png", "away/x.png"], [(n, 1, BOX) for n in (1, 2, 3)])
    write_json(tmp_path / "instances.json", content)

    source = read_source(tmp_path)

    assert labels(source) == {"0.png": "hole", "1.png": "hole"}
    assert "does not exist and may be this image" in reasons(source)["2.png"]


@pytest.mark.parametrize("num_files", [1, 2, 3])
def test_unmarked_images_are_counted_over_all_coco_files(tmp_path, num_files):
    folder = tmp_path / "parts"
    names = [f"{number}.png" for number in range(12)]
    for name in names:
        photo(folder / name)
    for number in range(num_files):  # each knows a part of the defects, all may list 5
        own = [name for i, name in enumerate(names[:5]) if i % num_files == number]
        content = coco([*own, "5.png"], [(i, 1, BOX) for i in range(1, len(own) + 1)])
        if number == 0:
            content["annotations"].append(
                {"id": 99, "image_id": len(own) + 1, "category_id": 1, **BOX}
            )
        write_json(folder / f"part{number}.json", content)

    source = read_source(folder)

    assert labels(source) == {
        name: "hole" if i < 6 else "good" for i, name in enumerate(names)
    }
    assert unmarked(source) == dict.fromkeys(sorted(names[6:]), NO_ENTRY)
    text, dataset = said(folder, tmp_path)
    assert "images without an annotation, used as good parts: 6\n" in text + "\n"
    assert (dataset.manifest["label"] == "good").sum() == 6


def test_labelme_files_without_a_shape_are_counted_and_flags_are_not(tmp_path):
    folder = tmp_path / "parts"
    for number in range(12):
        photo(folder / f"{number}.png")
    for number in range(4):
        write_labelme(folder / f"{number}.json", f"{number}.png", shape())
    for number in (4, 5, 6):
        write_labelme(folder / f"{number}.json", f"{number}.png")
    flags = {"good": True}
    write_labelme(folder / "7.json", "7.png", flags=flags)

    source = read_source(folder)

    assert unmarked(source) == {
        **{f"{number}.png": EMPTY_ENTRY for number in (4, 5, 6)},
        **{f"{number}.png": NO_ENTRY for number in (8, 9, 10, 11)},
    }
    text, _ = said(folder, tmp_path)
    assert "used as good parts: 7 (3 of them have an entry without a defect)" in text


def test_images_that_are_left_out_later_are_not_counted(tmp_path):
    folder = tmp_path / "parts"
    for number in range(9):
        photo(folder / f"{number}.png")
        if number < 4:
            write_labelme(folder / f"{number}.json", f"{number}.png", shape())
    (folder / "9.png").write_bytes((folder / "8.png").read_bytes())  # a duplicate
    (folder / "broken.png").write_bytes(b"no image")

    text, dataset = said(folder, tmp_path)

    assert "images without an annotation, used as good parts: 5\n" in text + "\n"
    assert (dataset.manifest["label"] == "good").sum() == 5
