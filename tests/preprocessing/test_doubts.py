"""An image whose annotation was not understood whole is not good."""

import json

import pytest
from import_helpers import (
    BOX,
    FLAT,
    SQUARE,
    coco,
    labels,
    picture,
    reasons,
    shape,
    write_json,
    write_labelme,
)

from goodparts.command import InputError
from preprocessing.importing.found_image import NO_ENTRY
from preprocessing.importing.layouts import read_source


@pytest.fixture
def parts(tmp_path):
    for stem in "123":
        picture(tmp_path / f"{stem}.png")
    return tmp_path


NAMES = ["1.png", "2.png", "3.png"]


# Flags of the whole image


def test_a_true_flag_is_a_label(parts):
    write_labelme(parts / "1.json", "1.png", flags={"good": False, "hole": True})
    write_labelme(parts / "2.json", "2.png", flags={"OK": True, "hole": False})
    write_labelme(parts / "3.json", "3.png", shape("scratch"), flags={"hole": False})

    source = read_source(parts)

    assert labels(source) == {"1.png": "hole", "2.png": "good", "3.png": "scratch"}
    assert source.rejected == []


@pytest.mark.parametrize(
    ("shapes", "flags", "reason"),
    [
        ([], {"hole": True, "dent": True}, "several true flags: dent, hole"),
        (
            [shape("scratch")],
            {"hole": True},
            "flag is 'hole', but its shapes are 'scratch'",
        ),
        ([shape("scratch")], {"good": True}, "flag is 'good', but its shapes"),
        ([], {"hole": "perhaps"}, "neither true nor false: 'perhaps'"),
        ([], ["hole"], "not a mapping from names to true or false"),
        ([], {"hole": [1]}, "neither true nor false"),
        ([shape(kind="point", points=[[3, 3]])], {"good": True}, "label is unknown"),
        ([], {"good": False}, "flag 'good' is false, but it has no annotated defect"),
        ([], {"OK": "false", "hole": False}, "flag 'OK' is false"),
        ([shape("ok")], {"good": False}, "flag 'good' is false"),
    ],
)
def test_flags_that_decide_nothing(parts, shapes, flags, reason):
    write_labelme(parts / "1.json", "1.png", *shapes, flags=flags)
    write_labelme(parts / "2.json", "2.png", shape("hole"))

    source = read_source(parts)

    assert labels(source) == {"2.png": "hole", "3.png": "good"}
    assert reason in reasons(source)["1.png"]


def test_flags_of_defects_that_are_false_say_good(parts):
    write_labelme(parts / "1.json", "1.png", flags={"hole": False, "dent": False})
    write_labelme(parts / "2.json", "2.png", shape("hole"), flags={"good": False})

    source = read_source(parts)

    assert labels(source) == {"1.png": "good", "2.png": "hole", "3.png": "good"}
    assert source.rejected == []


def test_a_flag_of_the_given_good_class_that_is_false(parts):
    write_labelme(parts / "1.json", "1.png", flags={"cap": False})
    write_labelme(parts / "2.json", "2.png", shape("hole"))

    source = read_source(parts, normal_name="cap")

    assert labels(source) == {"2.png": "hole", "3.png": "cap"}


def test_flags_that_agree_with_the_shapes(parts):
    write_labelme(parts / "1.json", "1.png", shape("hole"), flags={"hole": True})
    write_labelme(parts / "2.json", "2.png", shape("good"), flags={"ok": 1})

    assert labels(read_source(parts)) == {
        "1.png": "hole",
        "2.png": "good",
        "3.png": "good",
    }


# A bad piece


@pytest.mark.parametrize(
    ("outline", "polygons", "said"),
    [
        ([[]], [], "its box is used instead"),
        ([[10, 20, 30, 40]], [], "its box is used instead"),
        ([FLAT, [1, 2, 3, 4]], [FLAT], "one of several outlines was left out"),
        ([FLAT, "x"], [FLAT], "one of several outlines was left out"),
        ({"size": [64, 64], "counts": "rubbish"}, [], "its box is used instead"),
        (FLAT, [FLAT], ""),
        (None, [], ""),
    ],
)
def test_coco_box_stands_in_for_a_broken_outline(parts, outline, polygons, said):
    annotation = (1, 1, {**BOX, "segmentation": outline})
    write_json(parts / "a.json", coco(NAMES, [annotation]))

    source = read_source(parts)

    assert labels(source)["1.png"] == "hole"
    (found,) = source.images[0].instances
    assert found["bbox"] == [10, 20, 20, 20] and found["polygons"] == polygons
    assert said in reasons(source).get("1.png", "")
    assert bool(said) == ("1.png" in reasons(source))


@pytest.mark.parametrize("more", [{}, BOX])
@pytest.mark.parametrize("size", [None, 64])
def test_an_image_with_coco_runs_of_another_size_is_left_out(parts, size, more):
    runs = {"size": [32, 32], "counts": [100, 20, 32 * 32 - 120]}
    annotation = (1, 1, {**more, "segmentation": runs})
    content = coco(NAMES, [annotation, (2, 1, BOX)])
    for image in content["images"] if size else ():
        image |= {"width": size, "height": size}
    write_json(parts / "a.json", content)

    source = read_source(parts)

    assert labels(source) == {"2.png": "hole", "3.png": "good"}
    assert "annotation is for 32 x 32" in reasons(source)["1.png"]


@pytest.mark.parametrize("box", [[1, 1, 0, 5], [1, 1, -4, 5], [1, 1], None, ["a"] * 4])
def test_coco_box_that_is_broken_is_no_good_part(parts, box):
    write_json(parts / "a.json", coco(NAMES, [(1, 1, {"bbox": box}), (2, 1, BOX)]))

    source = read_source(parts)

    assert labels(source) == {"2.png": "hole", "3.png": "good"}
    assert "label is unknown" in reasons(source)["1.png"]


def test_a_normal_shape_beside_one_that_cannot_be_read_is_not_good(parts):
    line = shape("scratch", "linestrip", [[1, 1], [9, 9]])
    write_labelme(parts / "1.json", "1.png", shape("good"), line)
    write_labelme(parts / "2.json", "2.png", shape("hole"), line)

    source = read_source(parts)

    assert labels(source) == {"2.png": "hole", "3.png": "good"}
    assert "type linestrip has no area" in reasons(source)["1.png"]


def test_masks_and_turned_boxes_of_labelme(parts):
    broken = shape(kind="mask", points=[[10, 20], [30, 40]], mask="no base64!")
    write_labelme(parts / "1.json", "1.png", broken)
    write_labelme(parts / "2.json", "2.png", shape(kind="rotation"))

    source = read_source(parts)

    assert [image.label for image in source.images] == ["hole", "hole", "good"]
    assert source.images[0].instances[0]["polygons"] == []
    assert len(source.images[1].instances[0]["polygons"]) == 1


@pytest.mark.parametrize(
    "shapes", [None, 5, "x", [None], [5], [{}], [shape(points=None)], [shape(label={})]]
)
def test_shapes_of_wrong_types(parts, shapes):
    write_json(parts / "1.json", {"shapes": shapes, "imagePath": "1.png"})
    write_labelme(parts / "2.json", "2.png", shape("hole"))

    source = read_source(parts)

    assert labels(source) == {"2.png": "hole", "3.png": "good"}


def test_a_json_nested_without_end_is_named(parts):
    write_labelme(parts / "2.json", "2.png", shape("hole"))
    (parts / "1.json").write_text("[" * 100_000)

    source = read_source(parts)

    assert labels(source) == {"2.png": "hole", "3.png": "good"}
    assert "nested too deeply" in reasons(source)["1.json"]


# Structure that is not known


VOC = "<annotation><filename>1.png</filename>{}</annotation>"
VOC_BOX = "<bndbox>" + "".join(
    f"<{name}>{value}</{name}>"
    for name, value in [("xmin", 9), ("ymin", 9), ("xmax", 30), ("ymax", 30)]
)
VOC_OBJECT = f"<object><name>hole</name>{VOC_BOX}</bndbox></object>"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"label": "scratch"}, "'label', which is not read: 'scratch'"),
        ({"objects": [shape("scratch")]}, "'objects', which is not read"),
        ({"bilder": [shape("scratch")]}, "'bilder', which is not read"),
        (
            {"shapes": [shape("ok", flags={"scratch": True})]},
            "'ok' has the flag scratch",
        ),
        ({"shapes": [shape("ok", flags={"scratch": "x"})]}, "'ok' has the flag"),
    ],
)
def test_keys_of_labelme_that_may_name_a_defect(parts, content, said):
    write_json(parts / "1.json", {"shapes": [], "imagePath": "1.png", **content})
    write_labelme(parts / "2.json", "2.png", shape("hole"))

    source = read_source(parts)

    assert labels(source) == {"2.png": "hole", "3.png": "good"}
    assert said in reasons(source)["1.png"]


def test_keys_of_labelme_that_name_none(parts):
    more = {"label": "good", "objects": [], "metadata": {"a": 1}, "zoom": 3}
    content = {"shapes": [], "imagePath": "1.png", "text": "x", **more}
    write_json(parts / "1.json", content)
    write_labelme(parts / "2.json", "2.png", shape("hole", flags={"difficult": True}))

    source = read_source(parts)

    assert labels(source) == {"1.png": "good", "2.png": "hole", "3.png": "good"}
    assert source.rejected == []


def test_a_key_that_is_there_twice(parts):
    shapes = json.dumps([shape("scratch")])
    text = f'{{"imagePath": "1.png", "shapes": {shapes}, "shapes": []}}'
    (parts / "1.json").write_text(text)
    (parts / "3.json").write_text('{"imagePath": "3.png", "shapes": [], "shapes": []}')
    write_labelme(parts / "2.json", "2.png", shape("hole"))

    source = read_source(parts)

    assert labels(source) == {"2.png": "hole", "3.png": "good"}
    assert "'shapes' occurs twice" in reasons(source)["1.json"]


@pytest.mark.parametrize(
    ("more", "found"),
    [
        (VOC_OBJECT.replace("object>", "Object>"), "hole"),
        (VOC_OBJECT.replace("<object>", '<object xmlns="http://x">'), "hole"),
        ("<objects><object><box2d>1</box2d></object></objects>", None),
        ("<label>scratch</label>", None),
        ("<label>good</label><size><width>64</width></size><seen>yes</seen>", "good"),
    ],
)
def test_tags_of_voc_that_may_mark_a_defect(parts, more, found):
    (parts / "1.xml").write_text(VOC.format(more))
    (parts / "2.xml").write_text(VOC.format(VOC_OBJECT).replace("1.png", "2.png"))

    source = read_source(parts)

    assert labels(source).get("1.png") == found
    assert labels(source)["2.png"] == "hole"
    assert ("which is not read" in reasons(source).get("1.png", "")) == (found is None)


@pytest.mark.parametrize(
    ("entry", "is_good"),
    [
        ({"category_ids": [1]}, False),
        ({"category_id": 9}, False),
        ({"tags": ["hole"]}, False),
        ({"category_ids": [2], "tags": [None], "extra": {"name": "a"}}, True),
        ({"num_annotations": 0, "category_ids": []}, True),
    ],
)
def test_labels_of_coco_images(parts, entry, is_good):
    content = coco(NAMES, [(2, 1, BOX)], ("hole", "good"))
    content["images"][0] |= entry
    write_json(parts / "a.json", content)

    source = read_source(parts)

    assert labels(source).get("1.png") == ("good" if is_good else None)
    assert labels(source)["2.png"] == "hole"
    assert ("which is not read" in reasons(source).get("1.png", "")) != is_good


# Keys


def test_coco_image_id_of_two_images(parts):
    content = coco(NAMES, [(1, 1, BOX), (3, 1, BOX)])
    content["images"][1]["id"] = 1
    write_json(parts / "a.json", content)

    source = read_source(parts)

    assert labels(source) == {"3.png": "hole"}
    for name in ("1.png", "2.png"):
        assert "image id 1 is used for 1.png and 2.png" in reasons(source)[name]


def test_coco_category_id_of_two_names(parts):
    content = coco(NAMES, [(1, 1, BOX), (2, 2, BOX)], ("hole", "scratch", "dent"))
    content["categories"][2]["id"] = 1
    write_json(parts / "a.json", content)

    source = read_source(parts)

    assert labels(source) == {"2.png": "scratch", "3.png": "good"}
    assert "category id 1 is used for hole and dent" in reasons(source)["1.png"]


@pytest.mark.parametrize("change", [str, float, lambda number: f" {number}"])
def test_coco_ids_of_another_type_are_matched_by_value(parts, change):
    content = coco(NAMES, [(1, 1, BOX)])
    for each in content["annotations"]:
        each["image_id"], each["category_id"] = change(1), change(1)
    write_json(parts / "a.json", content)

    source = read_source(parts)

    assert labels(source) == {"1.png": "hole", "2.png": "good", "3.png": "good"}
    assert "ids have several types" in reasons(source)["1.png"]


def test_coco_annotation_of_an_unknown_image_may_be_of_any(parts):
    write_json(parts / "a.json", coco(NAMES, [(1, 1, BOX), (77, 1, BOX)]))

    source = read_source(parts)

    assert labels(source) == {"1.png": "hole"}
    for name in ("2.png", "3.png"):
        said = reasons(source)[name]
        assert "a.json has annotations for the image with id 77" in said


def test_coco_annotation_ids_may_be_there_twice(parts):
    content = coco(NAMES, [(1, 1, BOX), (2, 1, BOX)])
    content["annotations"][1]["id"] = 1
    write_json(parts / "a.json", content)

    source = read_source(parts)

    assert list(labels(source).values()) == ["hole", "hole", "good"]
    assert "1 annotation ids occur more than once" in reasons(source)["1.png"]


def test_coco_image_listed_twice_and_not_alike(parts):
    write_json(parts / "a.json", coco([*NAMES, "1.png", "3.png"], [(1, 1, BOX)]))

    source = read_source(parts)

    assert labels(source) == {"2.png": "good", "3.png": "good"}
    assert "has different annotations in several entries" in reasons(source)["1.png"]
    assert "it has identical annotations" in reasons(source)["3.png"]


def test_coco_files_that_each_mark_something_are_united(parts):
    write_json(parts / "a.json", coco(NAMES, [(1, 1, BOX)]))
    write_json(parts / "b.json", coco(NAMES, [(2, 1, BOX)]))

    source = read_source(parts)

    assert list(labels(source).values()) == ["hole", "hole", "good"]
    said = reasons(source)["1.png"]
    assert "its annotations in a.json and b.json were combined" in said


def test_two_jsons_of_one_image_that_differ(parts):
    write_labelme(parts / "1.json", "1.png", shape("hole"))
    write_labelme(parts / "1_old.json", "1.png")
    write_labelme(parts / "2.json", "2.png", shape("hole"))

    source = read_source(parts)

    assert labels(source) == {"2.png": "hole", "3.png": "good"}
    said = reasons(source)["1.png"]
    assert "has different annotations in 1.json and 1_old.json" in said


def test_a_json_copied_from_that_of_another_image(parts):
    write_labelme(parts / "1.json", "2.png", shape("hole"))

    source = read_source(parts)

    assert labels(source) == {"2.png": "hole", "3.png": "good"}
    assert (
        "1.json has the same name, but refers to the image '2.png'"
        in reasons(source)["1.png"]
    )


@pytest.mark.parametrize(
    "entry", [None, 5, "x", {}, {"id": None}, {"id": 9}, {"id": 9, "file_name": 5}]
)
def test_coco_entries_of_wrong_types(parts, entry):
    content = coco(NAMES, [(1, 1, BOX)])
    content["images"].append(entry)
    content["categories"].append(entry)
    write_json(parts / "a.json", content)

    assert labels(read_source(parts))["1.png"] == "hole"

    content["annotations"].append(entry)
    write_json(parts / "a.json", content)
    assert labels(read_source(parts)) == {"1.png": "hole"}  # the others are in doubt


# Names


def test_a_name_in_another_folder_is_taken_if_it_is_unique(tmp_path):
    for name in ("pictures/a/1.png", "pictures/a/2.png", "pictures/b/2.png"):
        picture(tmp_path / name)
    names = ["/home/me/1.png", "/home/me/2.png"]
    write_json(tmp_path / "labels_of/a/a.json", coco(names, [(1, 1, BOX), (2, 1, BOX)]))

    source = read_source(tmp_path)

    assert labels(source) == {"pictures/a/1.png": "hole"}
    said = reasons(source)
    assert (
        "assigned to pictures/a/1.png, the only image with this name"
        in said["labels_of/a/a.json"]
    )
    for folder in "ab":
        assert "not certain whether" in said[f"pictures/{folder}/2.png"]


def test_two_names_never_claim_one_image(tmp_path):
    for name in ("images/1.png", "images/2.png"):
        picture(tmp_path / name)
    names = ["x/1.jpg", "y/1.jpeg", "2.png"]
    write_json(tmp_path / "a.json", coco(names, [(1, 1, BOX), (3, 1, BOX)]))

    source = read_source(tmp_path)

    assert labels(source) == {"images/2.png": "hole"}
    assert "not certain" in reasons(source)["images/1.png"]


def test_voc_in_folders_of_other_names(tmp_path):
    picture(tmp_path / "frames/line 1/1.jpg")
    picture(tmp_path / "frames/line 1/2.jpg")
    folder = tmp_path / "xmls/line 1"
    folder.mkdir(parents=True)
    box = "<xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax>"
    (folder / "1.xml").write_text(
        "<annotation><filename>1.jpg</filename><object><name>hole</name>"
        f"<bndbox>{box}</bndbox></object></annotation>"
    )

    source = read_source(tmp_path)

    assert list(labels(source).values()) == ["hole", "good"]
    assert [image.unmarked for image in source.images] == ["", NO_ENTRY]


def test_voc_box_from_right_to_left_is_broken(tmp_path):
    for stem in "12":
        picture(tmp_path / f"{stem}.jpg")
        low, high = (9, 1) if stem == "1" else (1, 9)
        box = f"<xmin>{low}</xmin><ymin>1</ymin><xmax>{high}</xmax><ymax>9</ymax>"
        (tmp_path / f"{stem}.xml").write_text(
            f"<annotation><object><name>hole</name><bndbox>{box}</bndbox></object>"
            "</annotation>"
        )

    source = read_source(tmp_path)

    assert labels(source) == {"2.jpg": "hole"}
    assert "label is unknown" in reasons(source)["1.jpg"]


# Files that are not read


def test_an_unread_file_of_an_image_makes_doubt(parts):
    write_labelme(parts / "1.json", "1.png", shape("hole"))
    write_json(parts / "2.json", {"regions": [SQUARE]})
    (parts / "notes.txt").write_text("of no image")

    source = read_source(parts)

    assert labels(source) == {"1.png": "hole", "3.png": "good"}
    assert "but 2.json may" in reasons(source)["2.png"]
    assert {each.path: each.reason for each in source.unused} == {
        "*.json": "1 file not used",
        "*.txt": "1 file not used",
    }


def test_annotations_of_two_kinds_are_asked_about(parts):
    write_labelme(parts / "1.json", "1.png", shape("hole"))
    write_json(parts / "all.json", coco(["2.png"], [(1, 1, BOX)]))

    with pytest.raises(InputError, match="labelme: 1.json; coco: all.json.*--layout"):
        read_source(parts)
    source = read_source(parts, layout="labelme")
    assert labels(source) == {"1.png": "hole", "3.png": "good"}
    assert "all.json mentions it" in reasons(source)["2.png"]


def test_folders_and_shapes_that_contradict(tmp_path):
    for name in ("good/1.png", "good/2.png", "hole/3.png", "hole/4.png"):
        picture(tmp_path / name)
    write_labelme(tmp_path / "good/1.json", "1.png", shape("hole"))
    write_labelme(tmp_path / "hole/3.json", "3.png", shape("hole"))
    write_labelme(tmp_path / "hole/4.json", "4.png")

    source = read_source(tmp_path)

    assert labels(source) == {"good/2.png": "good", "hole/3.png": "hole"}
    assert ("folder of good parts, but has the annotation 'hole'") in reasons(source)[
        "good/1.png"
    ]
    assert "no annotated defect" in reasons(source)["hole/4.png"]


# Other sources


MARKS = {"a": [BOX]}
TABLE = "file,label\n1.png,{}\n2.png,hole\n3.png,good\n"


@pytest.fixture(params=["labelme", "coco", "no annotation of them"])
def annotated(parts, request):
    """Three images, in the second of which a hole is marked."""
    if request.param == "coco":
        write_json(parts / "a.json", coco(NAMES, [(2, 1, BOX)]))
    else:
        write_labelme(parts / "2.json", "2.png", shape("hole"))
        for stem in "13" if request.param == "labelme" else "":
            write_labelme(parts / f"{stem}.json", f"{stem}.png")
    return parts


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.csv", TABLE.format("dent")),
        ("via.json", json.dumps({"x": {"filename": "1.png", "regions": [MARKS]}})),
        ("all.json", json.dumps({"1.png": "dent", "2.png": "hole", "3.png": None})),
        ("all.json", json.dumps([{"file": "b/1.png", "tags": ["dent"]}])),
        ("all.jsonl", '{"file": "1.png", "label": "dent"}\n{"file": "3.png"}\n'),
        ("cvat.xml", '<all><image name="1.png"><box label="dent"/></image></all>'),
    ],
)
def test_another_source_that_names_a_defect_makes_doubt(annotated, name, content):
    (annotated / name).write_text(content)

    source = read_source(annotated)

    assert labels(source) == {"2.png": "hole", "3.png": "good"}
    assert name in reasons(source)["1.png"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.csv", TABLE.format("good")),
        ("labels.csv", "file,seconds,line\n1.png,2.5,1\n2.png,2.5,1\n"),
        ("split.json", json.dumps({"train": NAMES, "test": []})),
        ("all.json", json.dumps({"1.png": "ok", "3.png": []})),
        ("all.json", json.dumps([{"file": "1.png", "width": 64, "label": ""}])),
    ],
)
def test_another_source_that_names_none_makes_no_doubt(annotated, name, content):
    (annotated / name).write_text(content)

    assert labels(read_source(annotated)) == {
        "1.png": "good",
        "2.png": "hole",
        "3.png": "good",
    }


@pytest.mark.parametrize(
    "content",
    [
        '{"images": [{"id": 1',
        json.dumps({"annotations": [{"image_id": 1, "bbox": [1, 1, 9, 9]}]}),
        json.dumps([{"image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9]}]),
    ],
)
def test_a_second_coco_file_that_cannot_be_read_makes_doubt(parts, content):
    write_json(parts / "a.json", coco(NAMES, [(2, 1, BOX)]))
    (parts / "b.json").write_text(content)

    source = read_source(parts)

    assert labels(source) == {"2.png": "hole"}
    assert "b.json" in reasons(source)["1.png"]


# Names of several folders, and twins


@pytest.mark.parametrize("marked", [[1], [1, 2, 3]])
def test_images_of_two_folders_of_which_neither_is_there(tmp_path, marked):
    names = ["lineB/1.png", "lineA/2.png", "lineA/3.png"]
    for name in names:
        picture(tmp_path / "images" / name.split("/")[1])
    marks = [(number, 1, BOX) for number in marked]
    write_json(tmp_path / "a.json", coco(names, marks))

    with pytest.raises(InputError, match="is ambiguous.*several such folders"):
        read_source(tmp_path)


def test_images_of_one_folder_that_is_not_there_get_one_remark(tmp_path):
    for name in NAMES:
        picture(tmp_path / "images" / name)
    names = [f"/home/me/{name}" for name in NAMES]
    write_json(tmp_path / "a.json", coco(names, [(2, 1, BOX)]))

    source = read_source(tmp_path)

    assert [*labels(source).values()] == ["good", "hole", "good"]
    assert reasons(source) == {
        "a.json": "refers to images in '/home/me'; assigned to those in 'images'"
    }


def test_a_folder_that_is_there_is_not_that_of_others(tmp_path):
    for name in NAMES:
        picture(tmp_path / "images" / name)
    names = ["images/1.png", "old/2.png", "images/3.png"]
    write_json(tmp_path / "a.json", coco(names, [(1, 1, BOX), (2, 1, BOX)]))

    source = read_source(tmp_path)

    assert labels(source) == {"images/1.png": "hole", "images/3.png": "good"}
    assert "not certain" in reasons(source)["images/2.png"]


TWINS = [("1.png", "1.PNG"), ("\u00fc1.png", "u\u03081.png")]


@pytest.mark.parametrize("twins", [*TWINS, *(pair[::-1] for pair in TWINS)])
def test_an_exact_spelling_wins(tmp_path, twins):
    for name in (*twins, "2.png"):
        picture(tmp_path / name)
    if len({path.name for path in tmp_path.iterdir()}) < 3:
        pytest.skip("the disk does not tell the names apart")
    write_json(tmp_path / "a.json", coco([*twins, "2.png"], [(1, 1, BOX)]))

    assert labels(read_source(tmp_path)) == {
        twins[0]: "hole",
        twins[1]: "good",
        "2.png": "good",
    }


def test_a_spelling_that_fits_twins_decides_nothing(tmp_path):
    for name in ("1.png", "1.PNG", "2.png"):
        picture(tmp_path / name)
    names = ["1.Png", "2.png"]
    write_json(tmp_path / "a.json", coco(names, [(1, 1, BOX), (2, 1, BOX)]))

    source = read_source(tmp_path)

    assert labels(source) == {"2.png": "hole"}
    assert "not certain" in reasons(source)["1.PNG"]
