"""What is read of the training images, and what gets a clear line."""

import shutil

import numpy as np
import pytest

from goodparts.command import InputError
from goodparts.files import read_json, write_json
from preprocessing.augmenting.augmentation import geometry_and_light
from preprocessing.images import write_image
from preprocessing.instances import mask_instances
from preprocessing.manifest import read_dataset
from segmentation.train import train
from segmentation.truth import (
    Truth,
    TruthStore,
    augmented,
    box_sides,
    read_truth,
    training_rows,
)

LABELS = ["hole", "scratch"]


@pytest.fixture
def folder(holes, tmp_path):
    """A copy of the data set of its own."""
    return shutil.copytree(holes, tmp_path / "holes")


def change_instances(folder, change):
    path = folder / "instances.json"
    coco = read_json(path)
    coco["annotations"] = [
        new for each in coco["annotations"] if (new := change(each)) is not None
    ]
    write_json(path, coco)


def test_good_parts_are_kept_as_negatives(holes):
    dataset = read_dataset(holes)
    found = training_rows(dataset)
    assert found.labels == LABELS
    assert len(found.rows) == len(dataset.rows("train"))
    for label, instances in zip(found.rows["label"], found.instances, strict=True):
        assert [each["label"] for each in instances] == [label] * (label != "good")


def test_images_with_an_unknown_position_are_left_out(folder, capsys):
    change_instances(folder, lambda each: None if each["category_id"] == 2 else each)
    found = training_rows(read_dataset(folder))
    assert set(found.rows["label"]) == {"good", "scratch"}
    said = capsys.readouterr().out
    num_holes = (read_dataset(folder).rows("train")["label"] == "hole").sum()
    assert f"{num_holes} images of train have a defect, but no instance" in said
    assert "train has no instance of hole" in said


def test_labels_that_are_no_class_are_named(folder, capsys):
    coco = read_json(folder / "instances.json")
    coco["categories"][1]["name"] = "pore"
    write_json(folder / "instances.json", coco)
    assert training_rows(read_dataset(folder)).labels == ["pore", "scratch"]
    assert "instances are labelled pore, which is no class" in capsys.readouterr().out


def boxes_only(each):
    return {**each, "segmentation": []}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda each: None, "has no instances, but mask_rcnn learns from outlines"),
        (boxes_only, "has only boxes, but mask_rcnn learns from outlines"),
    ],
)
def test_nothing_to_learn_from(folder, change, text, tmp_path):
    change_instances(folder, change)
    with pytest.raises(InputError, match=text) as error:
        train(data=folder, weights="none", runs=tmp_path / "runs")
    assert "\n" not in str(error.value) and not (tmp_path / "runs").exists()


def test_classes_only_is_refused(folder):
    about = read_json(folder / "dataset.json")
    write_json(folder / "dataset.json", {**about, "normal_class": None})
    with pytest.raises(InputError, match="which images show no defect"):
        train(data=folder, weights="none")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"image_size": (100, 128)}, "multiples of 32 from 64 to 4096.*Give 96 128"),
        ({"image_size": (32, 128)}, "Give 64 128"),
        ({"anchors": (8, 16, 16, 32, 64)}, "five sizes in pixels that increase"),
        ({"alpha": 0.4}, "--alpha of mobilenetv2 must be one of"),
        ({"weights": "missing.h5"}, "imagenet, none or a file"),
    ],
)
def test_options_that_do_not_fit(holes, tmp_path, options, text):
    options = {"weights": "none"} | options
    with pytest.raises(InputError, match=text):
        train(data=holes, runs=tmp_path / "runs", **options)
    assert not (tmp_path / "runs").exists()


def written(tmp_path, mask):
    path = tmp_path / "part.png"
    image = np.zeros((*mask.shape, 3), np.uint8)
    image[mask] = 200
    write_image(path, image)
    return path, mask_instances(mask, "scratch")


def test_touching_instances_stay_apart(tmp_path):
    left, right = np.zeros((2, 40, 40), bool)
    left[10:20, 5:15] = True
    right[10:20, 15:30] = True
    path, _ = written(tmp_path, left | right)
    instances = [*mask_instances(left, "scratch"), *mask_instances(right, "hole")]
    truth = read_truth(path, instances, LABELS, (80, 80))
    assert truth.labels.tolist() == [2, 1]
    assert truth.boxes().tolist() == [[10, 20, 30, 40], [30, 20, 60, 40]]
    assert not (truth.masks[0] & truth.masks[1]).any()


def test_what_shrinks_below_a_pixel_is_dropped(tmp_path):
    mask = np.zeros((400, 400), bool)
    mask[100:102, 100:300] = True  # half a pixel high on the canvas
    mask[200:280, 200:240] = True
    path, instances = written(tmp_path, mask)
    truth = read_truth(path, instances, LABELS, (100, 100))
    assert truth.boxes().tolist() == [[50, 50, 60, 70]]


def test_a_single_pixel_is_kept(tmp_path):
    mask = np.zeros((64, 64), bool)
    mask[63, 0] = True
    path, instances = written(tmp_path, mask)
    truth = read_truth(path, instances, LABELS, (64, 96))
    assert truth.boxes().tolist() == [[0, 63, 1, 64]]


def test_boxes_without_outline_are_marked(tmp_path):
    mask = np.zeros((64, 64), bool)
    mask[10:20, 5:15] = True
    path, instances = written(tmp_path, mask)
    instances = [{**each, "polygons": []} for each in instances]
    truth = read_truth(path, instances, LABELS, (64, 64))
    assert truth.has_outline.tolist() == [False]
    assert truth.boxes().tolist() == [[5, 10, 15, 20]]


def test_the_store_says_what_was_dropped(holes):
    dataset = read_dataset(holes)
    training = training_rows(dataset)
    store = TruthStore(dataset, training, (64, 96))
    assert store.num_dropped() == 0 and store.most_instances == 1
    assert len(store) == len(training.rows)
    sides = box_sides(dataset, training, (64, 96))
    truths = [store.get(index) for index in range(len(store))]
    boxes = np.concatenate([truth.boxes() for truth in truths])
    assert np.allclose(boxes[:, 2:] - boxes[:, :2], sides, atol=1.01)


def test_too_large_for_memory_is_read_again(holes, monkeypatch):
    dataset = read_dataset(holes)
    training = training_rows(dataset)
    kept = TruthStore(dataset, training, (64, 96)).get(20)
    monkeypatch.setattr("segmentation.truth.memory_budget", lambda: 0)
    store = TruthStore(dataset, training, (64, 96))
    assert store.num_dropped() is None
    assert all(np.array_equal(a, b) for a, b in zip(kept, store.get(20), strict=True))


@pytest.mark.parametrize("flip", ["horizontal", "vertical"])
def test_masks_and_boxes_move_with_the_image(flip):
    mask = np.zeros((1, 40, 60), bool)
    mask[0, 5:10, 20:50] = True
    image = np.where(mask[0, ..., None], 200, 0).astype(np.uint8).repeat(3, 2)
    truth = Truth(image, np.array([2], np.int32), mask, np.ones(1, bool))
    flips = geometry_and_light(flips=(flip,), rotation=0, brightness=(1, 1))
    found = augmented(truth, flips, 0)
    assert ((found.image[..., 0] > 100) == found.masks[0]).all()
    expected = [10, 5, 40, 10] if flip == "horizontal" else [20, 30, 50, 35]
    assert found.boxes().tolist() == [expected] and found.labels.tolist() == [2]


def test_what_is_turned_out_of_the_image_is_dropped():
    mask = np.zeros((2, 40, 60), bool)
    mask[0, 0, 0] = mask[1, 15:25, 25:35] = True
    truth = Truth(
        np.zeros((40, 60, 3), np.uint8),
        np.array([1, 2], np.int32),
        mask,
        np.ones(2, bool),
    )
    turned = geometry_and_light(flips=("none",), rotation=60, brightness=(1, 1))
    found = [augmented(truth, turned, seed) for seed in range(12)]
    assert {tuple(each.labels.tolist()) for each in found} >= {(2,)}
    assert all(len(each.boxes()) == len(each.labels) for each in found)
