import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodparts.command import InputError
from preprocessing.instances import (
    decode_mask,
    encode_mask,
    instance_mask,
    mask_instances,
    read_instances,
    read_truth_mask,
    write_instances,
)


def test_boxes_of_parts_are_exact_and_in_order():
    mask = np.zeros((20, 30), bool)
    mask[10:13, 4:9] = True  # 3 rows, 5 columns
    mask[2, 7] = True  # a single pixel
    mask[2:5, 29] = True  # a line at the border
    assert [each["bbox"] for each in mask_instances(mask, "crack")] == [
        [7, 2, 1, 1],
        [29, 2, 1, 3],
        [4, 10, 5, 3],
    ]


def test_an_empty_mask_has_no_instances():
    assert mask_instances(np.zeros((5, 5), bool), "crack") == []


def test_pixels_that_touch_at_a_corner_are_one_part():
    mask = np.eye(4, dtype=bool)
    (instance,) = mask_instances(mask, "crack")
    assert instance["bbox"] == [0, 0, 4, 4]


@pytest.mark.parametrize("seed", range(10))
def test_polygons_give_the_part_back(seed):
    rng = np.random.default_rng(seed)
    blobs = rng.random((12, 15)) > 0.6
    mask = np.kron(blobs, np.ones((2, 3))).astype(bool)
    drawn = np.zeros_like(mask)
    for each in mask_instances(mask, "crack"):
        part = instance_mask(each, mask.shape)
        x, y, width, height = each["bbox"]
        rows, columns = np.nonzero(part)
        assert (columns.min(), rows.min()) == (x, y)
        assert (columns.max() + 1, rows.max() + 1) == (x + width, y + height)
        drawn |= part
    assert (drawn >= mask).all()
    holes = drawn & ~mask  # only what is enclosed may be added
    assert not (holes[0].any() or holes[-1].any() or holes[:, 0].any())


def test_a_box_without_polygons_is_filled():
    box = {"label": "hole", "bbox": [2, 1, 3, 2], "polygons": []}
    mask = instance_mask(box, (4, 6))
    assert mask.sum() == 6 and mask[1:3, 2:5].all()


def test_what_is_written_is_read_again(tmp_path):
    mask = np.zeros((8, 9), bool)
    mask[1:4, 2:8] = True
    cracks = mask_instances(mask, "crack")
    foreign = {"label": "Scratch", "bbox": [0.5, 1.0, 2.0, 2.5], "polygons": []}
    samples = [
        {"sample_id": "good/1", "path": "a.png", "size": (8, 9), "instances": []},
        {
            "sample_id": "crack/1",
            "path": "b.png",
            "size": (8, 9),
            "instances": [*cracks, foreign],
        },
    ]
    path = tmp_path / "instances.json"
    write_instances(path, samples, ["crack", "good"])
    found = read_instances(path)
    assert found == {"good/1": [], "crack/1": [*cracks, foreign]}
    coco = json.loads(path.read_text())
    assert [each["name"] for each in coco["categories"]] == ["crack", "good", "Scratch"]
    assert coco["images"][1] == {
        "id": 2,
        "file_name": "b.png",
        "sample_id": "crack/1",
        "width": 9,
        "height": 8,
    }
    first, second = coco["annotations"]
    assert (first["id"], first["image_id"], first["category_id"]) == (1, 2, 1)
    assert first["area"] == 18  # 3 rows of 6 pixels
    assert (second["id"], second["category_id"], second["segmentation"]) == (2, 3, [])


def test_a_single_pixel_has_the_three_points_that_coco_wants(tmp_path):
    mask = np.zeros((3, 3), bool)
    mask[1, 2] = True
    (instance,) = mask_instances(mask, "crack")
    assert instance["polygons"] == [[2, 1, 2, 1, 2, 1]]
    assert (instance_mask(instance, mask.shape) == mask).all()


def test_without_the_file_there_are_no_instances(tmp_path):
    assert read_instances(tmp_path / "instances.json") == {}


@pytest.mark.parametrize("text", ["{", "[]", '{"images": []}'])
def test_a_damaged_file_is_named(tmp_path, text):
    path = tmp_path / "instances.json"
    path.write_text(text)
    with pytest.raises(
        InputError, match="instances.json was changed after it was written"
    ):
        read_instances(path)


def test_a_mask_of_another_size_is_named(tmp_path, make_dataset):
    folder = make_dataset(tmp_path / "parts")
    with pytest.raises(
        InputError, match="0_mask.png is 48x40 pixels, but its image is 50x40"
    ):
        read_truth_mask(folder, "train/ground_truth/crack/0_mask.png", (40, 50))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_masks_survive_the_run_length_form(height, width, seed):
    random = np.random.default_rng(seed)
    mask = random.random((height, width)) < random.random()
    encoded = encode_mask(mask)
    assert encoded["size"] == [height, width]
    assert (decode_mask(encoded) == mask).all()


def test_run_lengths_are_those_of_coco():
    """The text is what pycocotools 2.0.11 writes for these masks."""
    mask = np.zeros((40, 5), bool)
    mask[5:30, 1:4] = mask[:, 4] = True
    encoded = encode_mask(mask)
    assert encoded == {"size": [40, 5], "counts": "]1i0?000K?"}
    mask = np.zeros((4, 60), bool)
    mask[1:3, 2:50] = True
    encoded = encode_mask(mask)
    assert encoded["counts"].startswith("92200") and len(encoded["counts"]) < 110
    with pytest.raises(ValueError, match="do not add up to 4 x 61 pixels"):
        decode_mask({**encoded, "size": [4, 61]})
