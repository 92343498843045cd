"""Which files are masks of which images, and what their pixels mean."""

import numpy as np
import pytest
from import_helpers import labels, mask, picture, reasons
from PIL import Image

from goodparts.command import InputError
from preprocessing.images import looks_like_mask, read_mask, write_image
from preprocessing.importing.layouts import read_source
from preprocessing.importing.mask_values import read_masks

VOC = [0, 0, 0, 128, 0, 0, 0, 128, 0, *[0] * 15, 64, 0, 0]  # 8 is (64, 0, 0)


def photo(path, seed=0):
    pixels = np.random.default_rng(seed).integers(40, 200, (64, 64, 3), np.uint8)
    write_image(path, pixels)


def save(path, pixels, palette=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    if palette is not None:
        image.putpalette(palette)
    image.save(path)


def blank():
    return np.zeros((64, 64), np.uint8)


# Values


@pytest.mark.parametrize("suffix", [".png", ".gif", ".bmp"])
def test_a_palette_is_read_by_index(tmp_path, suffix):
    pixels = blank()
    pixels[5:8, 5:8], pixels[20:24, 20:24] = 1, 8  # dark colours
    save(tmp_path / f"1{suffix}", pixels, VOC + [0] * (768 - len(VOC)))

    assert read_mask(tmp_path / f"1{suffix}").sum() == 9 + 16


def test_a_palette_of_black_and_white_is_read_by_its_colours(tmp_path):
    pixels = np.ones((64, 64), np.uint8)
    pixels[5:8, 5:8] = 0
    save(tmp_path / "1.png", pixels, [255, 255, 255, 0, 0, 0])  # 0 is white

    assert read_mask(tmp_path / "1.png").sum() == 9


def test_black_is_the_background_of_any_palette(tmp_path):
    pixels = np.ones((64, 64), np.uint8)
    pixels[5:8, 5:8] = 0
    save(tmp_path / "1.png", pixels, [200, 0, 0, 0, 0, 0])

    assert read_mask(tmp_path / "1.png").sum() == 9


@pytest.mark.parametrize("values", [(1, 2), (60, 200), (1, 255), (100, 128)])
def test_levels_of_grey_are_classes(tmp_path, values):
    pixels = blank()
    pixels[5:8, 5:8], pixels[20:24, 20:24] = values
    save(tmp_path / "1.png", pixels)

    assert read_mask(tmp_path / "1.png").sum() == 9 + 16


def test_dark_colours_count_and_the_void_of_voc_does_not(tmp_path):
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[5:8, 5:8] = (0, 64, 0)
    pixels[20:24, 20:24] = (224, 224, 192)
    save(tmp_path / "1.png", pixels)

    assert read_mask(tmp_path / "1.png").sum() == 9


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_masks_of_other_types(tmp_path, dtype):
    pixels = np.zeros((64, 64), dtype)
    pixels[5:8, 5:8] = 1
    save(tmp_path / "1.tif", pixels)

    assert read_mask(tmp_path / "1.tif").sum() == 9


def test_what_is_drawn_on_a_transparent_layer(tmp_path):
    pixels = np.full((64, 64, 4), 255, np.uint8)
    pixels[:, :, 3] = 0
    save(tmp_path / "empty.png", pixels)
    pixels[5:8, 5:8, 3] = 255
    save(tmp_path / "drawn.png", pixels)

    assert read_mask(tmp_path / "drawn.png").sum() == 9
    assert not read_mask(tmp_path / "empty.png").any()


def write_ignored(folder):
    """Masks of 1 with a rim of 255, one of 255 alone, and an empty one."""
    for stem in "123":
        picture(folder / f"images/{stem}.jpg")
    rim = blank()
    rim[4:9, 4:9], rim[5:8, 5:8] = 255, 1
    save(folder / "masks/1.png", rim)
    save(folder / "masks/2.png", np.where(rim == 255, rim, 0).astype(np.uint8))
    save(folder / "masks/3.png", blank())


def test_255_beside_class_indices_does_not_count(tmp_path):
    write_ignored(tmp_path)

    source = read_source(tmp_path)

    assert labels(source) == {"images/1.jpg": "defect", "images/3.jpg": "good"}
    assert "marks only pixels that are ignored" in reasons(source)["images/2.jpg"]
    (first, _) = source.images
    marked, ignored = read_masks(first.mask_paths, first.mask_ignore)
    assert marked.sum() == 9 and ignored.sum() == 16


def test_255_counts_where_no_mask_mixes_it_with_indices(tmp_path):
    for stem, value in (("1", 1), ("2", 255), ("3", 0)):
        picture(tmp_path / f"images/{stem}.jpg")
        pixels = blank()
        pixels[5:8, 5:8] = value
        save(tmp_path / f"masks/{stem}.png", pixels)

    assert [*labels(read_source(tmp_path)).values()] == ["defect", "defect", "good"]


# Names


@pytest.mark.parametrize(
    "name",
    [
        "{}_label.bmp",
        "{}_labels.png",
        "{}_masks.png",
        "{}-mask.png",
        "{}.mask.png",
        "{}_seg.png",
        "{}_anno.png",
        "{}_annotation.tif",
        "{}_Ground_Truth.png",
        "{}_mask_0.png",
        "mask_{}.png",
        "masks/{}/000.png",
        "Label/{}_label.png",
        "gt/{}.bmp",
    ],
)
@pytest.mark.parametrize("inner", ["", "images/"])
def test_masks_never_become_parts(tmp_path, name, inner):
    for stem, defect in (("7", True), ("8", False)):
        photo(tmp_path / f"{inner}{stem}.jpg", int(stem))
        place = "" if "/" in name else inner
        mask(tmp_path / f"{place}{name.format(stem)}", defect=defect)

    source = read_source(tmp_path)

    assert source.layout == "image_mask_pairs"
    assert labels(source) == {f"{inner}7.jpg": "defect", f"{inner}8.jpg": "good"}
    assert source.rejected == []


def test_a_mask_ending_without_a_twin_is_the_name_of_a_part(tmp_path):
    photo(tmp_path / "good/side_label.jpg", 1)
    photo(tmp_path / "bad/side_label.jpg", 2)

    source = read_source(tmp_path)

    assert source.layout == "class_folders" and len(source.images) == 2


def test_several_masks_of_one_image_are_united(tmp_path):
    for stem in "12":
        photo(tmp_path / f"{stem}.jpg", int(stem))
        for part in range(2):
            pixels = blank()
            pixels[5 + 20 * part : 8 + 20 * part, 5:8] = 255 * (stem == "1")
            save(tmp_path / f"{stem}_mask_{part}.png", pixels)

    source = read_source(tmp_path)

    assert labels(source) == {"1.jpg": "defect", "2.jpg": "good"}
    assert read_masks(source.images[0].mask_paths)[0].sum() == 18


def test_mask_folders_per_image_in_mvtec_loco(tmp_path):
    photo(tmp_path / "train/good/000.png", 1)
    photo(tmp_path / "test/good/000.png", 2)
    photo(tmp_path / "test/logical/000.png", 3)
    for number in range(2):
        pixels = blank()
        pixels[5 + 20 * number : 8 + 20 * number, 5:8] = 250 + number
        save(tmp_path / f"ground_truth/logical/000/{number:03d}.png", pixels)

    source = read_source(tmp_path)

    assert source.layout == "mvtec" and source.rejected == []
    (found,) = [image for image in source.images if image.mask_paths]
    assert found.label == "logical"
    assert read_masks(found.mask_paths)[0].sum() == 18


def test_masks_among_the_images_of_mvtec(tmp_path):
    photo(tmp_path / "train/good/000.png", 1)
    photo(tmp_path / "test/crack/000.png", 2)
    mask(tmp_path / "test/crack/000_mask.png")

    source = read_source(tmp_path)

    assert labels(source) == {
        "train/good/000.png": "good",
        "test/crack/000.png": "crack",
    }
    assert len(source.images[0].mask_paths) == 1


def test_folders_with_marked_and_empty_masks_are_parts_not_classes(tmp_path):
    for part in "abc":
        for number in range(2):
            photo(tmp_path / f"part {part}/{number}.jpg", number)
            mask(tmp_path / f"part {part}/{number}_label.bmp", defect=number == 1)

    source = read_source(tmp_path)

    assert {*labels(source).values()} == {"good", "defect"}
    assert all(
        image.label == "defect" for image in source.images if "1" in image.source
    )
    assert "--grouping pattern" in source.notes[0]


def test_a_marked_mask_in_the_folder_of_good_parts(tmp_path):
    for label in ("good", "crack"):
        for number in range(2):
            photo(tmp_path / f"{label}/{number}.jpg", number)
            mask(tmp_path / f"{label}/{number}.png", defect=number == 1)

    source = read_source(tmp_path)

    assert [*labels(source)] == ["crack/0.jpg", "crack/1.jpg", "good/0.jpg"]
    assert "its mask marks a defect" in reasons(source)["good/1.jpg"]
    assert "its mask is empty; the image is kept" in reasons(source)["crack/0.jpg"]


@pytest.mark.parametrize("name", ["{}_binary.bmp", "{}.bmp", "{}.gif"])
def test_black_and_white_files_beside_a_twin_are_no_images(tmp_path, name):
    for label in ("good", "crack"):
        photo(tmp_path / f"{label}/1.jpg", len(label))
        pixels = blank()
        pixels[5:20, 5:20] = 255
        save(tmp_path / label / name.format("1"), pixels)

    source = read_source(tmp_path, layout="class_folders")

    assert labels(source) == {"crack/1.jpg": "crack", "good/1.jpg": "good"}
    assert "looks like the mask of" in reasons(source)["good/" + name.format("1")]


def test_a_folder_of_black_and_white_files_is_no_class(tmp_path):
    for label in ("good", "crack"):
        photo(tmp_path / f"{label}/1.jpg", len(label))
    mask(tmp_path / "crack_bin/1.png")

    source = read_source(tmp_path)

    assert {*labels(source).values()} == {"good", "crack"}
    assert "masks, not images" in reasons(source)["crack_bin/1.png"]
    photo(tmp_path / "crack_bin/2.png")
    assert looks_like_mask(tmp_path / "crack_bin/1.png")
    assert not looks_like_mask(tmp_path / "crack_bin/2.png")


def test_photographs_that_are_named_as_masks_are_refused(tmp_path):
    for label in ("good", "bad"):
        photo(tmp_path / f"{label}/1.jpg", 1)
        photo(tmp_path / f"{label}/1_label.jpg", 2)
    (first, _) = read_source(tmp_path).images
    with pytest.raises(InputError, match="photograph, not a mask"):
        read_masks(first.mask_paths)
