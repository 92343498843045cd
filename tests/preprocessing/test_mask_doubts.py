"""Masks that find no image, or are not read, never leave their image good."""

import unicodedata

import numpy as np
import pytest
from import_helpers import labels, mask, picture, reasons
from PIL import Image

from goodparts.command import InputError
from preprocessing.images import write_image
from preprocessing.importing.layouts import read_source

HOLE = np.zeros((64, 64), np.uint8)
HOLE[10:20, 10:20] = 255


def write_stray(folder, values):
    """Masks of 0 and 255, the first with one pixel of each of the values."""
    pixels = HOLE.copy()
    pixels[0, : len(values)] = values
    for stem in "0123":
        picture(folder / f"{stem}.jpg")
        write_image(folder / f"{stem}_mask.png", HOLE if stem != "0" else pixels)


@pytest.mark.parametrize("value", [1, 7, 32])
def test_a_stray_value_in_one_mask_empties_no_other(tmp_path, value):
    write_stray(tmp_path / "good", [value])
    write_stray(tmp_path / "hole", [])

    source = read_source(tmp_path)

    assert [*labels(source)] == [f"hole/{stem}.jpg" for stem in "0123"]
    assert all(image.mask_ignore is None for image in source.images)
    assert all(
        "its mask marks a defect" in reasons(source)[f"good/{stem}.jpg"]
        for stem in "0123"
    )


def test_a_mask_of_what_does_not_count_is_always_named(tmp_path):
    for label in ("good", "hole"):
        picture(tmp_path / f"{label}/1.jpg")
        write_image(tmp_path / f"{label}/1_mask.png", HOLE)
    for stem in "234":
        picture(tmp_path / f"hole/{stem}.jpg")
        pixels = HOLE.copy()
        pixels[12:15, 12:15] = 1
        write_image(tmp_path / f"hole/{stem}_mask.png", pixels)

    source = read_source(tmp_path)

    assert "good/1.jpg" not in labels(source)
    assert "pixels that are ignored" in reasons(source)["good/1.jpg"]
    assert "kept as hole" in reasons(source)["hole/1.jpg"]


@pytest.mark.parametrize(
    ("image", "name"),
    [("part2", "Part2"), ("\u00fc2", unicodedata.normalize("NFD", "\u00fc2"))],
)
def test_masks_are_found_in_any_case_and_form(tmp_path, image, name):
    picture(tmp_path / "images/1.jpg")
    picture(tmp_path / f"images/{image}.jpg")
    mask(tmp_path / f"masks/{name}.png")

    source = read_source(tmp_path, layout="image_mask_pairs")

    assert labels(source) == {
        "images/1.jpg": "good",
        f"images/{image}.jpg": "defect",
    }


@pytest.mark.parametrize("name", ["masks/002.png", "masks/2_defect.png"])
def test_a_mask_without_an_image_may_be_that_of_any(tmp_path, name):
    for stem in "123":
        picture(tmp_path / f"images/{stem}.jpg")
    mask(tmp_path / "masks/1.png")
    mask(tmp_path / name)

    source = read_source(tmp_path)

    assert labels(source) == {"images/1.jpg": "defect"}
    assert f"{name} is a mask without an image" in reasons(source)["images/2.jpg"]


def test_an_empty_mask_without_an_image_says_nothing(tmp_path):
    for stem in "12":
        picture(tmp_path / f"images/{stem}.jpg")
    mask(tmp_path / "masks/1.png")
    mask(tmp_path / "masks/9.png", defect=False)

    assert labels(read_source(tmp_path))["images/2.jpg"] == "good"


@pytest.mark.parametrize("folder", ["", "good/"])
def test_a_mask_that_is_not_read(tmp_path, folder):
    for stem in "123":
        picture(tmp_path / f"images/{folder}{stem}.jpg")
    picture(tmp_path / "images/hole/4.jpg" if folder else tmp_path / "images/4.jpg")
    mask(tmp_path / ("masks/hole/4.png" if folder else "masks/4.png"))
    np.save(tmp_path / "2.npy", HOLE)
    target = tmp_path / f"masks/{folder}2.npy"
    target.parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "2.npy").rename(target)

    source = read_source(tmp_path)

    assert f"images/{folder}2.jpg" not in labels(source)
    assert labels(source)[f"images/{folder}1.jpg"] == "good"
    assert "is not read; save it as PNG" in reasons(source)[f"images/{folder}2.jpg"]


def test_the_mask_of_another_class_in_mvtec(tmp_path):
    picture(tmp_path / "train/good/001.png")
    for stem in ("001", "002"):
        picture(tmp_path / f"test/good/{stem}.png")
    picture(tmp_path / "test/hole/000.png")
    mask(tmp_path / "ground_truth/hole/000_mask.png")
    mask(tmp_path / "ground_truth/hole/001_mask.png")

    source = read_source(tmp_path)

    assert "test/good/001.png" not in labels(source)
    assert {"train/good/001.png", "test/good/002.png"} <= labels(source).keys()
    assert "has the same name" in reasons(source)["test/good/001.png"]


def test_black_and_white_files_beside_their_image_are_masks(tmp_path):
    for stem in "123":
        random = np.random.default_rng(int(stem))
        write_image(
            tmp_path / f"{stem}.png", random.integers(40, 200, (64, 64, 3), np.uint8)
        )
    mask(tmp_path / "1_mask.png")
    mask(tmp_path / "2_hole.png")

    source = read_source(tmp_path)

    assert labels(source) == {"1.png": "defect", "2.png": "defect", "3.png": "good"}


@pytest.mark.parametrize(
    ("orientation", "size", "is_unclear"),
    [
        (6, (64, 64), True),
        (3, (64, 32), True),
        (6, (64, 32), False),
        (1, (64, 64), False),
    ],
)
def test_masks_of_images_turned_by_exif(tmp_path, orientation, size, is_unclear):
    exif = Image.Exif()
    exif[0x0112] = orientation
    for stem in "12":
        path = tmp_path / f"images/{stem}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", size).save(path, exif=exif)
    mask(tmp_path / "masks/1.png", size=size if orientation == 6 else size[::-1])

    source = read_source(tmp_path)

    assert len(source.images) == 2
    said = reasons(source).get("images/1.jpg", "")
    assert ("whether its masks were drawn" in said) is is_unclear


def test_a_mask_of_raw_pixels_is_refused_by_its_size(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "images").mkdir()
    Image.new("RGB", (64, 32)).save(tmp_path / "images/1.jpg", exif=exif)
    mask(tmp_path / "masks/1.png", size=(32, 64))

    with pytest.raises(InputError, match="but its mask"):
        read_source(tmp_path)
