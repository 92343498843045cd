import json
import os
import unicodedata
from collections import Counter

import numpy as np
import pytest

from goodparts.command import InputError
from preprocessing.images import write_image
from preprocessing.importing.coco_files import read_coco
from preprocessing.importing.found_image import SourceImage
from preprocessing.importing.layouts import LAYOUTS, read_source
from preprocessing.instances import draw_instances, instance_area

SQUARE = [[10, 20], [30, 20], [30, 40], [10, 40]]


def picture(path, size=(64, 64)):
    write_image(path, np.full((*size, 3), 90, np.uint8))


def mask(path, *, defect=True, size=(64, 64)):
    pixels = np.zeros(size, bool)
    pixels[10:20, 10:20] = defect
    write_image(path, pixels)


def labels(source):
    return {image.source: image.label for image in source.images}


def masks(source, folder):
    return {
        image.source: "+".join(
            path.relative_to(folder).as_posix() for path in image.mask_paths
        )
        for image in source.images
    }


def reasons(source):
    return {rejected.path: rejected.reason for rejected in source.rejected}


def write_labelme(path, image, *shapes, size=(64, 64)):
    content = {
        "shapes": [
            {"label": label, "shape_type": kind, "points": points}
            for label, kind, points in shapes
        ],
        "imagePath": image,
        "imageHeight": size[0],
        "imageWidth": size[1],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_coco(path, images, annotations, names=("crack", "dent")):
    content = {
        "images": [
            {"id": number, "file_name": name, "height": 64, "width": 64}
            for number, name in enumerate(images)
        ],
        "annotations": [
            {"id": number, "image_id": image, "category_id": category, **shape}
            for number, (image, category, shape) in enumerate(annotations)
        ],
        "categories": [
            {"id": number, "name": name} for number, name in enumerate(names)
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_voc(path, image, *objects):
    boxes = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{box[0]}</xmin><ymin>{box[1]}</ymin>"
        f"<xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox></object>"
        for name, box in objects
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"<annotation><filename>{image}</filename>{boxes}</annotation>", "utf-8"
    )


# MVTec


@pytest.fixture
def mvtec(tmp_path):
    for name in ("train/good/000.png", "train/good/001.png", "test/good/000.png"):
        picture(tmp_path / name)
    for stem in ("000", "001"):
        picture(tmp_path / f"test/scratch neck/{stem}.png")
        mask(tmp_path / f"ground_truth/scratch neck/{stem}_mask.png")
    (tmp_path / "license.txt").write_text("free")
    return tmp_path


def test_mvtec_keeps_classes_masks_and_official_splits(mvtec):
    source = read_source(mvtec)

    assert source.layout == "mvtec"
    assert source.rejected == []
    assert [image.source for image in source.images] == [
        "test/good/000.png",
        "test/scratch neck/000.png",
        "test/scratch neck/001.png",
        "train/good/000.png",
        "train/good/001.png",
    ]
    assert source.images[1] == SourceImage(
        path=mvtec / "test/scratch neck/000.png",
        source="test/scratch neck/000.png",
        label="scratch neck",
        mask_paths=(mvtec / "ground_truth/scratch neck/000_mask.png",),
        official_split="test",
    )
    assert [image.official_split for image in source.images] == ["test"] * 3 + [
        "train"
    ] * 2
    assert source.images[3].mask_paths == ()


def test_mvtec_mask_belongs_to_the_test_image_of_the_same_name(mvtec):
    picture(mvtec / "train/scratch neck/000.png")

    found = masks(read_source(mvtec), mvtec)

    assert found["train/scratch neck/000.png"] == ""
    assert found["test/scratch neck/000.png"].endswith("neck/000_mask.png")


def test_mvtec_mask_may_have_the_stem_of_its_jpg(tmp_path):
    picture(tmp_path / "Train/good/1.jpg")
    picture(tmp_path / "Test/colour/2.JPG")
    mask(tmp_path / "ground_truth/colour/2.png")

    source = read_source(tmp_path)

    assert source.layout == "mvtec"
    assert masks(source, tmp_path)["Test/colour/2.JPG"] == "ground_truth/colour/2.png"


def test_mvtec_says_what_is_wrong_and_goes_on(mvtec):
    mask(mvtec / "ground_truth/scratch neck/009_mask.png")
    picture(mvtec / "test/scratch neck/002.png")
    picture(mvtec / "test/overview.png")
    mask(mvtec / "ground_truth/scratch neck/001_mask.png", size=(64, 32))
    (mvtec / "ground_truth/scratch neck/000_mask.png").write_bytes(b"no png")

    source = read_source(mvtec)
    found = reasons(source)

    assert found.keys() == {
        "ground_truth/scratch neck/009_mask.png",
        "ground_truth/scratch neck/000_mask.png",
        "test/scratch neck/001.png",
        "test/overview.png",
    }
    assert "without an image" in found["ground_truth/scratch neck/009_mask.png"]
    assert "kept without its mask" in found["ground_truth/scratch neck/000_mask.png"]
    assert "64 x 64 pixels" in found["test/scratch neck/001.png"]
    assert "32 x 64" in found["test/scratch neck/001.png"]
    assert "test/scratch neck/000.png" in labels(source)
    assert "test/scratch neck/001.png" not in labels(source)


def test_a_defect_image_without_mask_is_kept_and_named(mvtec):
    picture(mvtec / "test/scratch neck/002.png")
    picture(mvtec / "test/dent/000.png")  # no dent has a mask: nothing to be said

    source = read_source(mvtec)

    assert labels(source)["test/scratch neck/002.png"] == "scratch neck"
    assert reasons(source).keys() == {"test/scratch neck/002.png"}
    assert "kept" in reasons(source)["test/scratch neck/002.png"]


def test_a_folder_of_several_mvtec_data_sets_is_refused(tmp_path):
    for name in ("screw", "bottle"):
        picture(tmp_path / name / "train/good/0.png")
        picture(tmp_path / name / "test/bad/0.png")

    with pytest.raises(InputError, match="data sets: bottle, screw. Give one"):
        read_source(tmp_path)


# Class folders


def test_class_folders_at_any_depth_with_any_name(tmp_path):
    names = {
        "gut/-1.JPG": "gut",
        "gut/Montag früh/cam 1/ä.png": "gut",
        "--kaputt/1.bmp": "--kaputt",
    }
    for name in names:
        picture(tmp_path / name)
    for name in (".hidden/1.png", "gut/.2.png", "gut/Thumbs.db", "gut/notes.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"{}")

    source = read_source(tmp_path)

    assert source.layout == "class_folders"
    assert labels(source) == names
    assert source.rejected == []
    assert all(image.path.is_file() for image in source.images)


def test_an_image_in_no_class_folder_is_named(tmp_path):
    picture(tmp_path / "good/1.jpg")
    picture(tmp_path / "overview.jpg")

    source = read_source(tmp_path)

    assert labels(source) == {"good/1.jpg": "good"}
    assert reasons(source) == {"overview.jpg": "is not in a class folder"}


def test_linked_folders_are_read_but_loops_are_not_followed(tmp_path):
    picture(tmp_path / "elsewhere/1.png")
    source = tmp_path / "source"
    picture(source / "good/1.png")
    (source / "bad").symlink_to(tmp_path / "elsewhere")
    (source / "good/loop").symlink_to(source)

    assert labels(read_source(source)) == {"good/1.png": "good", "bad/1.png": "bad"}


# Images with masks


def test_a_png_is_the_mask_of_the_jpg_with_its_stem(tmp_path):
    for label in ("MT_Free", "MT_Crack"):
        picture(tmp_path / label / "1.jpg")
        mask(tmp_path / label / "1.png", defect=label == "MT_Crack")

    source = read_source(tmp_path)

    assert source.layout == "image_mask_pairs"
    assert labels(source) == {"MT_Crack/1.jpg": "MT_Crack", "MT_Free/1.jpg": "MT_Free"}
    assert masks(source, tmp_path)["MT_Crack/1.jpg"] == "MT_Crack/1.png"


@pytest.mark.parametrize(
    ("image_name", "mask_name"),
    [
        ("crack/1.png", "crack/1_mask.png"),
        ("images/crack/1.png", "masks/crack/1.png"),
        ("images/crack/1.jpg", "ground_truth/crack/1_mask.png"),
        ("crack/images/1.jpg", "crack/labels/1.png"),
        ("crack/1.tif", "ground_truth/crack/1.png"),
    ],
)
def test_masks_beside_or_in_a_parallel_folder(tmp_path, image_name, mask_name):
    picture(tmp_path / image_name)
    mask(tmp_path / mask_name)
    picture(tmp_path / "good/1.png")

    source = read_source(tmp_path)

    assert source.layout == "image_mask_pairs"
    assert labels(source) == {image_name: "crack", "good/1.png": "good"}
    assert masks(source, tmp_path) == {image_name: mask_name, "good/1.png": ""}
    assert source.rejected == []


def test_flat_pairs_are_labelled_by_their_masks(tmp_path):
    for stem, defect in (("1", True), ("2", False)):
        picture(tmp_path / f"images/{stem}.jpg")
        mask(tmp_path / f"masks/{stem}.png", defect=defect)

    source = read_source(tmp_path, normal_name="ok")

    assert labels(source) == {"images/1.jpg": "defect", "images/2.jpg": "ok"}


def test_flat_image_without_mask_is_good_if_only_defects_have_masks(tmp_path):
    picture(tmp_path / "1.jpg")
    mask(tmp_path / "1_mask.png")
    picture(tmp_path / "2.jpg")

    assert labels(read_source(tmp_path)) == {"1.jpg": "defect", "2.jpg": "good"}

    picture(tmp_path / "3.jpg")
    mask(tmp_path / "3_mask.png", defect=False)
    source = read_source(tmp_path)

    assert labels(source) == {"1.jpg": "defect", "3.jpg": "good"}
    assert "it is not known whether it is good" in reasons(source)["2.jpg"]


def test_flat_image_with_a_broken_mask_is_not_taken_for_good(tmp_path):
    for stem in "12":
        picture(tmp_path / f"{stem}.jpg")
        mask(tmp_path / f"{stem}.png")
    whole = (tmp_path / "2.png").read_bytes()

    for broken in (b"", whole[: len(whole) // 2]):
        (tmp_path / "2.png").write_bytes(broken)
        source = read_source(tmp_path)
        assert labels(source) == {"1.jpg": "defect"}
        assert "not known whether it is good" in reasons(source)["2.jpg"]


def test_pairs_in_train_and_test_are_not_classes(tmp_path):
    for split, stem, defect in (("train", "1", False), ("test", "1", True)):
        picture(tmp_path / split / f"{stem}.png")
        mask(tmp_path / split / f"{stem}_GT.png", defect=defect)

    source = read_source(tmp_path)

    assert labels(source) == {"train/1.png": "good", "test/1.png": "defect"}
    assert [image.official_split for image in source.images] == ["test", "train"]


def test_a_stray_image_beside_class_folders_of_pairs_gets_no_label(tmp_path):
    picture(tmp_path / "crack/1.jpg")
    mask(tmp_path / "crack/1.png")
    picture(tmp_path / "overview.jpg")

    source = read_source(tmp_path)

    assert labels(source) == {"crack/1.jpg": "crack"}
    assert reasons(source) == {"overview.jpg": "is not in a class folder"}


# labelme


def test_labelme_shapes_become_instances(tmp_path):
    for stem in "123":
        picture(tmp_path / f"{stem}.jpg")
    write_labelme(
        tmp_path / "1.json",
        "1.jpg",
        ("Pitting", "polygon", SQUARE),
        ("Pitting", "rectangle", [[60, 50], [40, 8]]),  # from any corner
    )
    write_labelme(
        tmp_path / "2.json", "2.jpg", ("Rust", "circle", [[32, 30], [32, 20]])
    )

    source = read_source(tmp_path, normal_name="ok")

    assert source.layout == "labelme"
    assert labels(source) == {"1.jpg": "Pitting", "2.jpg": "Rust", "3.jpg": "ok"}
    assert source.images[0].instances == (
        {
            "label": "Pitting",
            "bbox": [10, 20, 20, 20],
            "polygons": [[10, 20, 30, 20, 30, 40, 10, 40]],
        },
        {"label": "Pitting", "bbox": [40, 8, 20, 42], "polygons": []},
    )
    (circle,) = source.images[1].instances
    assert circle["bbox"] == pytest.approx([22, 20, 20, 20])
    # pi * 10^2 = 314.16; a polygon of 64 corners has 0.2 % less
    assert instance_area(circle) == pytest.approx(314.16, rel=0.003)


def test_labelme_label_is_the_one_with_the_largest_area(tmp_path):
    picture(tmp_path / "1.png")
    write_labelme(
        tmp_path / "1.json",
        "1.png",
        ("dent", "rectangle", [[0, 0], [10, 10]]),  # 100 + 100 pixels
        ("dent", "rectangle", [[20, 0], [30, 10]]),
        ("crack", "rectangle", [[0, 20], [10, 35]]),  # 150 pixels
    )

    assert labels(read_source(tmp_path)) == {"1.png": "dent"}


def test_labelme_shape_without_area_is_left_out_and_named(tmp_path):
    for stem in "12":
        picture(tmp_path / f"{stem}.png")
    line = ("scratch", "linestrip", [[1, 1], [9, 9]])
    write_labelme(tmp_path / "1.json", "1.png", line, ("dent", "polygon", SQUARE))
    write_labelme(tmp_path / "2.json", "2.png", line, ("dent", "polygon", SQUARE[:2]))

    source = read_source(tmp_path)
    found = [reason for path, reason in source.rejected if path == "2.png"]

    # An image of which no shape can be used is not good, it is unknown.
    assert labels(source) == {"1.png": "dent"}
    assert ("shape 1 was left out: a shape of the type linestrip") in reasons(source)[
        "1.png"
    ]
    assert any(
        "shape 2 was left out: the polygon of 'dent' has" in text for text in found
    )
    assert any("its label is unknown" in text for text in found)


def test_labelme_broken_file_rejects_its_image_too(tmp_path):
    for stem in "123":
        picture(tmp_path / f"{stem}.png")
    write_labelme(tmp_path / "1.json", "1.png", ("dent", "polygon", SQUARE))
    (tmp_path / "2.json").write_text('{"shapes": [')
    write_labelme(tmp_path / "old.json", "gone.png", ("dent", "polygon", SQUARE))
    (tmp_path / "settings.json").write_text('{"zoom": 2}')

    source = read_source(tmp_path)

    # What old.json marks may be in 3.png, which may have been renamed.
    assert labels(source) == {"1.png": "dent"}
    assert reasons(source).keys() == {"2.json", "2.png", "3.png", "old.json"}
    assert "refers to the image 'gone.png'" in reasons(source)["old.json"]
    assert "old.json has one for 'gone.png'" in reasons(source)["3.png"]

    (tmp_path / "old.json").unlink()
    assert labels(read_source(tmp_path)) == {"1.png": "dent", "3.png": "good"}


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("1.JPG", "1.jpg"),
        ("1.png", "C:\\Users\\me\\1.png"),
        ("1.png", "old name.png"),
        (unicodedata.normalize("NFD", "Maß ä.png"), "Maß ä.png"),
    ],
)
def test_labelme_image_is_found_under_its_name_or_stem(tmp_path, image, name):
    picture(tmp_path / image)
    write_labelme(tmp_path / "1.json", name, ("dent", "polygon", SQUARE))

    source = read_source(tmp_path)

    assert labels(source) == {image: "dent"}
    assert bool(source.rejected) == (name == "old name.png")


def test_labelme_of_another_image_size_is_rejected(tmp_path):
    for stem in "12":
        picture(tmp_path / f"{stem}.png", size=(64, 48))
    write_labelme(
        tmp_path / "1.json", "1.png", ("dent", "polygon", SQUARE), size=(128, 96)
    )
    write_labelme(
        tmp_path / "2.json", "2.png", ("dent", "polygon", SQUARE), size=(64, 48)
    )

    source = read_source(tmp_path)

    assert labels(source) == {"2.png": "dent"}
    assert reasons(source) == {
        "1.png": "is 48 x 64 pixels, but its annotation is for 96 x 128"
    }


def test_labelme_boxes_are_clipped_to_the_image(tmp_path):
    picture(tmp_path / "1.png")
    write_labelme(
        tmp_path / "1.json",
        "1.png",
        ("dent", "rectangle", [[-6, 50], [20, 70]]),
        ("dent", "rectangle", [[64, 0], [80, 10]]),
    )

    source = read_source(tmp_path)

    assert [item["bbox"] for item in source.images[0].instances] == [[0, 50, 20, 14]]
    assert reasons(source) == {"1.png": "'dent' is outside the image"}


def test_labelme_in_class_folders_makes_no_defect_good(tmp_path):
    picture(tmp_path / "good/1.png")
    for stem in "23":
        picture(tmp_path / f"scratch/{stem}.png")
    write_labelme(tmp_path / "scratch/2.json", "2.png", ("scratch", "polygon", SQUARE))

    source = read_source(tmp_path)

    assert labels(source) == {"good/1.png": "good", "scratch/2.png": "scratch"}
    assert reasons(source).keys() == {"scratch/3.png"}


# COCO


@pytest.mark.parametrize("name", ["Gut", "gut"])
def test_the_normal_folder_is_found_in_any_case(tmp_path, name):
    picture(tmp_path / f"{name}/1.jpg")
    for number in (1, 2):
        picture(tmp_path / f"Kratzer/{number}.jpg")
    write_labelme(tmp_path / "Kratzer/1.json", "1.jpg", ("Kratzer", "polygon", SQUARE))

    source = read_source(tmp_path, normal_name="Gut")

    assert labels(source) == {f"{name}/1.jpg": "Gut", "Kratzer/1.jpg": "Kratzer"}
    assert "defect class" in reasons(source)["Kratzer/2.jpg"]


def test_coco_polygons_boxes_and_good_images(tmp_path):
    for name in ("images/1.png", "images/2.png", "images/3.png"):
        picture(tmp_path / name)
    flat = np.ravel(SQUARE).tolist()
    write_coco(
        tmp_path / "annotations/all.json",
        ["1.png", "2.png", "3.png", "gone.png"],
        [
            (0, 0, {"segmentation": [flat, [0, 0, 4, 0, 4, 4]], "bbox": [0, 0, 9, 9]}),
            (1, 1, {"segmentation": [], "bbox": [1, 2, 30, 40]}),
        ],
    )

    source = read_source(tmp_path)

    assert source.layout == "coco"
    assert list(labels(source).values()) == ["crack", "dent", "good"]
    assert source.images[0].instances == (
        {
            "label": "crack",
            "bbox": [0, 0, 30, 40],
            "polygons": [flat, [0, 0, 4, 0, 4, 4]],
        },
    )
    assert source.images[1].instances == (
        {"label": "dent", "bbox": [1, 2, 30, 40], "polygons": []},
    )
    assert reasons(source).keys() == {"annotations/all.json"}
    assert "'gone.png'" in reasons(source)["annotations/all.json"]


def test_coco_run_lengths_packed_and_unpacked(tmp_path):
    counts = [6, 1, 40, 4, 5, 4, 5, 4, 21]  # 90 pixels, 9 high and 10 wide
    for name, value in (("a", counts), ("b", "61X13mN000`0")):
        outline = {"segmentation": {"size": [9, 10], "counts": value}}
        write_coco(tmp_path / f"{name}.json", ["1.png"], [(0, 0, outline)])
    drawn = np.zeros(90, bool)
    drawn[6] = True
    for start in (47, 56, 65):  # 6+1+40 = 47, then 4 on and 5 off
        drawn[start : start + 4] = True

    for name in "ab":
        (found,) = read_coco(tmp_path / f"{name}.json")
        mask = draw_instances(found.instances, (9, 10))
        np.testing.assert_array_equal(mask, drawn.reshape(10, 9).T)
        # columns 0 to 7 and rows 2 to 6: pixel 6 is (0, 6); 47 to 50 are (5, 2 to 5)
        assert found.instances[0]["bbox"] == [0, 2, 8, 5]
        assert all(len(polygon) >= 6 for polygon in found.instances[0]["polygons"])


def test_coco_unusable_annotations_are_named(tmp_path):
    for stem in "1234":
        picture(tmp_path / f"{stem}.png")
    short = {"segmentation": {"size": [64, 64], "counts": [5, 5]}}
    write_coco(
        tmp_path / "all.json",
        ["1.png", "2.png", "3.png", "4.png"],
        [
            (0, 0, {"bbox": [1, 1, 5, 5]}),
            (0, 7, {"bbox": [1, 1, 5, 5]}),
            (1, 0, short),
            (2, 0, {"bbox": [1, 1, float("nan"), 5]}),
            (3, 0, {}),
            (9, 0, {"bbox": [1, 1, 5, 5]}),
        ],
    )

    source = read_source(tmp_path)
    texts = "\n".join(f"{path} {reason}" for path, reason in source.rejected)

    assert labels(source) == {"1.png": "crack"}
    assert "category_id 7 is not one of the categories" in texts
    assert (
        "2.png annotation 1 was left out: its run lengths do not add up to 64 x 64"
    ) in texts
    assert "3.png annotation 1 was left out: 'crack' has no area" in texts
    assert "4.png annotation 1 was left out: it lacks 'bbox'" in texts
    assert "all.json refers to the image 'with id 9'" in texts


def test_coco_image_that_no_file_lists(tmp_path):
    for stem in "123":
        picture(tmp_path / f"{stem}.png")
    crack = (0, 0, {"bbox": [1, 1, 5, 5]})
    write_coco(tmp_path / "all.json", ["1.png"], [crack])

    assert list(labels(read_source(tmp_path)).values()) == ["crack", "good", "good"]

    # Now images without a defect are listed, so 3.png was forgotten.
    write_coco(tmp_path / "all.json", ["1.png", "2.png"], [crack])
    source = read_source(tmp_path)

    assert labels(source) == {"1.png": "crack", "2.png": "good"}
    assert reasons(source).keys() == {"3.png"}


def test_coco_files_in_split_folders_and_the_same_image_twice(tmp_path):
    crack = (0, 0, {"bbox": [1, 1, 5, 5]})
    for split in ("train", "valid"):
        picture(tmp_path / split / "1.png")
        write_coco(tmp_path / split / "_annotations.coco.json", ["1.png"], [crack])
    write_coco(tmp_path / "train/copy.json", ["1.png"], [crack])

    source = read_source(tmp_path)

    assert source.layout == "coco"
    assert labels(source) == {"train/1.png": "crack", "valid/1.png": "crack"}
    assert [len(image.instances) for image in source.images] == [1, 1]


def test_slashes_in_a_label_are_no_folders(tmp_path):
    picture(tmp_path / "1.png")
    names = ["../dent/deep", "crack"]
    write_coco(tmp_path / "a.json", ["1.png"], [(0, 0, {"bbox": [1, 1, 5, 5]})], names)
    with pytest.raises(InputError, match="is not a valid label"):
        read_source(tmp_path)

    names = ["dent/deep", "crack"]
    write_coco(tmp_path / "a.json", ["1.png"], [(0, 0, {"bbox": [1, 1, 5, 5]})], names)
    assert labels(read_source(tmp_path)) == {"1.png": "dent_deep"}


# VOC


@pytest.mark.parametrize(
    ("image", "xml"),
    [
        ("1.jpg", "1.xml"),
        ("JPEGImages/1.jpg", "Annotations/1.xml"),
        ("images/1.jpg", "Annotations/1.xml"),
    ],
)
def test_voc_boxes(tmp_path, image, xml):
    picture(tmp_path / image)
    write_voc(tmp_path / xml, "1.jpg", ("dent", (4, 8, 20, 40)))
    good = image.replace("1.jpg", "2.jpg")
    picture(tmp_path / good)
    write_voc(tmp_path / xml.replace("1.xml", "2.xml"), "2")  # no suffix, no object
    mask(tmp_path / "SegmentationClass/1.png")

    source = read_source(tmp_path)

    assert source.layout == "voc"
    assert labels(source) == {image: "dent", good: "good"}
    assert source.images[0].instances == (
        {"label": "dent", "bbox": [4, 8, 16, 32], "polygons": []},
    )
    assert source.rejected == []


def test_voc_broken_files_and_boxes_are_named(tmp_path):
    for stem in "1234":
        picture(tmp_path / f"{stem}.jpg")
    write_voc(tmp_path / "1.xml", "1.jpg", ("dent", (4, 8, 20, 40)))
    (tmp_path / "2.xml").write_text("<annotation><object>")
    write_voc(tmp_path / "3.xml", "3.jpg", ("dent", (20, 8, 20, 40)))
    write_voc(tmp_path / "4.xml", "4.jpg", ("dent", ("", 8, 20, 40)))

    source = read_source(tmp_path)

    assert labels(source) == {"1.jpg": "dent"}
    assert reasons(source).keys() == {"2.xml", "2.jpg", "3.jpg", "4.jpg"}


# Errors


def test_folder_missing_or_a_file(tmp_path):
    with pytest.raises(InputError, match="There is no folder .*nowhere"):
        read_source(tmp_path / "nowhere")
    picture(tmp_path / "1.png")
    with pytest.raises(InputError, match="1.png is a file; a folder"):
        read_source(tmp_path / "1.png")


def test_folder_without_images(tmp_path):
    (tmp_path / "license.txt").write_text("free")
    with pytest.raises(InputError, match="has no images"):
        read_source(tmp_path)


def test_unknown_layout_name_and_layout_that_cannot_be_found(tmp_path):
    picture(tmp_path / "1.png")
    with pytest.raises(InputError, match="one of mvtec, class_folders.*'tfrecord'"):
        read_source(tmp_path, layout="tfrecord")
    with pytest.raises(InputError, match="have no known layout") as error:
        read_source(tmp_path)
    assert all(layout in str(error.value) for layout in LAYOUTS)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("names", [["images/1.jpg"], ["train/1.jpg", "test/2.jpg"]])
def test_folders_of_a_role_or_a_split_are_no_classes(tmp_path, names):
    for name in names:
        picture(tmp_path / name)
    with pytest.raises(InputError, match="have no known layout"):
        read_source(tmp_path)


@pytest.mark.parametrize("layout", ["mvtec", "labelme", "coco", "voc"])
def test_layout_that_does_not_fit_is_refused(tmp_path, layout):
    picture(tmp_path / "good/1.png")
    with pytest.raises(InputError, match=f"{layout}"):
        read_source(tmp_path, layout=layout)


def test_annotations_of_which_none_has_its_image_are_refused(tmp_path):
    picture(tmp_path / "1.png")
    write_labelme(tmp_path / "a.json", "x.png", ("dent", "polygon", SQUARE))

    with pytest.raises(InputError, match="no labelme annotation.*'x.png'"):
        read_source(tmp_path)


def test_a_given_layout_goes_before_the_one_that_is_found(tmp_path):
    for suffix in ("jpg", "png"):  # saved twice by the camera, no masks
        picture(tmp_path / f"good/1.{suffix}")
    picture(tmp_path / "bad/1.jpg")

    assert read_source(tmp_path).layout == "image_mask_pairs"
    source = read_source(tmp_path, layout="class_folders")
    assert labels(source) == {
        "bad/1.jpg": "bad",
        "good/1.jpg": "good",
        "good/1.png": "good",
    }


# Drawing


def test_draw_instances_is_the_union_of_polygons():
    square = {
        "label": "a",
        "bbox": [2, 1, 3, 3],
        "polygons": [[2, 1, 5, 1, 5, 4, 2, 4]],
    }
    wider = {"label": "b", "bbox": [4, 1, 4, 1], "polygons": [[4, 1, 8, 1, 8, 2, 4, 2]]}
    box = {"label": "c", "bbox": [0, 0, 10, 8], "polygons": []}

    drawn = draw_instances([square, wider, box], (8, 10))

    expected = np.zeros((8, 10), bool)
    expected[1:5, 2:6] = True  # edges included: columns 2 to 5, rows 1 to 4
    expected[1:3, 4:9] = True
    np.testing.assert_array_equal(drawn, expected)
    assert not draw_instances([], (8, 10)).any()


@pytest.mark.real
@pytest.mark.skipif("REAL_DATA" not in os.environ, reason="needs REAL_DATA")
@pytest.mark.parametrize(
    ("name", "layout", "num_images", "num_masks", "num_instances"),
    [
        ("bottles", "class_folders", 3360, 0, 0),
        ("screw", "mvtec", 480, 119, 0),
        ("hazelnut_toy", "mvtec", 51, 17, 0),
        ("magnetic_tile", "image_mask_pairs", 692, 692, 0),
        ("ball_screw", "labelme", 413, 0, 389),
    ],
)
def test_real_data(name, layout, num_images, num_masks, num_instances):
    source = read_source(os.path.join(os.environ["REAL_DATA"], name))

    assert source.layout == layout
    empty = [each for each in source.rejected if "mask is empty" in each.reason]
    assert source.rejected == empty  # four of magnetic_tile
    assert len(source.images) == num_images
    assert sum(len(image.mask_paths) for image in source.images) == num_masks
    assert sum(len(image.instances) for image in source.images) == num_instances
    if name == "ball_screw":
        counts = Counter(image.label for image in source.images)
        assert counts == {"Pitting": 300, "good": 113}
