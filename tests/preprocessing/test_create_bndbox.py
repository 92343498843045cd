from xml.etree import ElementTree

import numpy as np
import pytest

from goodparts.cli import main
from goodparts.command import InputError
from preprocessing.create_bndbox import create_boxes, find_datasets
from preprocessing.images import read_mask, write_image
from preprocessing.instances import mask_instances, read_instances, write_instances
from preprocessing.manifest import read_dataset, write_dataset


@pytest.fixture
def folder(tmp_path, make_dataset):
    return make_dataset(tmp_path / "parts")


def voc_boxes(path):
    root = ElementTree.parse(path).getroot()
    return [
        (
            entry.findtext("name"),
            *(
                int(entry.findtext(f"bndbox/{side}"))
                for side in ("xmin", "ymin", "xmax", "ymax")
            ),
        )
        for entry in root.iter("object")
    ]


def test_voc_boxes_hold_the_mask_exactly(folder):
    create_boxes(folder)
    for stem, split in (("0", "train"), ("1", "train"), ("2", "validate")):
        mask = read_mask(folder / split / "ground_truth/crack" / f"{stem}_mask.png")
        boxes = voc_boxes(folder / split / "boxes/crack" / f"{stem}.xml")
        ((name, left, top, right, bottom),) = boxes
        assert name == "crack"
        assert mask[top:bottom, left:right].all() and mask.sum() == 120  # 12 x 10
        assert (right - left, bottom - top) == (10, 12)


def test_voc_has_what_its_readers_want(folder):
    create_boxes(folder)
    root = ElementTree.parse(folder / "test/boxes/crack/3.xml").getroot()
    assert root.tag == "annotation"
    assert root.findtext("folder") == "crack"
    assert root.findtext("filename") == "3.png"
    size = [root.findtext(f"size/{side}") for side in ("width", "height", "depth")]
    assert size == ["48", "40", "3"]
    (entry,) = root.iter("object")
    assert [child.tag for child in entry] == [
        "name",
        "pose",
        "truncated",
        "difficult",
        "bndbox",
    ]


def test_one_file_per_image_with_defects_and_all_boxes_counted(folder, capsys):
    # 4 cracks with masks, 4 holes with annotated boxes, 6 good ones with nothing
    assert create_boxes(folder) == 8
    assert len(list(folder.glob("*/boxes/*/*.xml"))) == 8
    assert not list(folder.glob("*/boxes/good"))
    assert "parts: 8 boxes in 8 images" in capsys.readouterr().out


def test_instances_of_images_without_mask_stay(folder):
    before = read_instances(folder / "instances.json")
    create_boxes(folder)
    assert read_instances(folder / "instances.json") == before


def test_the_mask_wins_over_other_instances(folder):
    mask = np.zeros((40, 48), bool)
    mask[3:5, 3:9] = True
    mask[30:33, 20:21] = True
    write_image(folder / "train/ground_truth/crack/0_mask.png", mask)
    create_boxes(folder)
    found = read_instances(folder / "instances.json")["crack/0"]
    assert [each["bbox"] for each in found] == [[3, 3, 6, 2], [20, 30, 1, 3]]


def test_annotated_instances_that_touch_are_not_merged(folder):
    dataset = read_dataset(folder)
    left, right = np.zeros((2, 40, 48), bool)
    left[10:20, 10:20] = True
    right[10:20, 20:30] = True
    write_image(folder / "train/ground_truth/crack/0_mask.png", left | right)
    two = mask_instances(left, "crack") + mask_instances(right, "crack")
    samples = [
        {**row, "size": (40, 48), "instances": two * (row["sample_id"] == "crack/0")}
        for row in dataset.manifest.to_dict("records")
    ]
    write_instances(folder / "instances.json", samples, dataset.classes)
    create_boxes(folder)
    assert read_instances(folder / "instances.json")["crack/0"] == two


def test_twice_gives_the_same_bytes(folder, read_tree):
    create_boxes(folder)
    once = read_tree(folder)
    create_boxes(folder)
    assert read_tree(folder) == once


def test_files_of_images_that_are_gone_are_removed(folder):
    create_boxes(folder)
    dataset = read_dataset(folder)
    gone = dataset.manifest["label"] == "hole"
    write_dataset(folder, dataset.manifest[~gone], dataset.info)
    partial = folder / "train/boxes/crack/.0.xml.partial"
    partial.write_text("half")
    assert create_boxes(folder) == 4
    assert not list(folder.glob("*/boxes/hole")) and not partial.exists()


def test_good_parts_alone_have_nothing_to_draw(one_class_dataset, capsys):
    assert create_boxes(one_class_dataset) == 0
    assert capsys.readouterr().out == (
        "good_parts: no boxes, because no image has a mask or an annotated defect\n"
    )
    assert not list(one_class_dataset.glob("*/boxes/*"))


def test_a_mask_of_another_size_is_refused(folder):
    write_image(folder / "train/ground_truth/crack/1_mask.png", np.ones((3, 4), bool))
    with pytest.raises(
        InputError, match="1_mask.png is 4x3 pixels, but its image is 48x40"
    ):
        create_boxes(folder)


def test_without_arguments_every_data_set_is_done(tmp_path, make_dataset, monkeypatch):
    for name in ("a", "b"):
        make_dataset(tmp_path / "dataset" / name)
    (tmp_path / "dataset" / "raw").mkdir()
    monkeypatch.chdir(tmp_path)
    main(["boxes"])
    for name in ("a", "b"):
        assert list((tmp_path / "dataset" / name).glob("train/boxes/crack/*.xml"))


def test_without_any_data_set_the_first_step_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="goodparts folders"):
        find_datasets([])
