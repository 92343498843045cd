"""Sources that speak against each other: never good, asked about or left out."""

import pytest
from import_helpers import labels, mask, picture, reasons, shape, write_labelme

from goodparts.command import InputError
from preprocessing.importing.contradictions import says_defect
from preprocessing.importing.layouts import read_source


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("NOK", True),
        ("not_ok", True),
        ("N.I.O.", True),
        ("bad parts", True),
        ("Defect2", True),
        ("no_defect", False),
        ("defect-free", False),
        ("day 1", False),
        ("nokia", False),
        ("good", False),
    ],
)
def test_names_that_say_defect(name, expected):
    assert says_defect(name) is expected


@pytest.mark.parametrize(
    "folders",
    [
        ("OK", "OK/NOK", "NOK"),
        ("normal/good", "normal/scratch", "bright/good", "bright/scratch"),
        ("good", "scratch/ok"),
        ("good/scratch", "scratch"),
    ],
)
def test_inner_folders_that_name_another_class_are_asked_about(tmp_path, folders):
    for folder in folders:
        picture(tmp_path / folder / "1.jpg")

    with pytest.raises(InputError, match="which of them is the class"):
        read_source(tmp_path)
    assert read_source(tmp_path, layout="class_folders").images


def test_inner_folders_of_days_are_no_classes(tmp_path):
    for folder in ("good/day 1", "good/day 2", "bad/day 1", "bad/bad"):
        picture(tmp_path / folder / "1.jpg")

    assert {*labels(read_source(tmp_path)).values()} == {"good", "bad"}


def test_good_parts_alone_have_no_folder_of_defects(tmp_path):
    picture(tmp_path / "a/1.jpg")
    picture(tmp_path / "NOK/1.jpg")

    with pytest.raises(InputError, match="but has the folder 'NOK'"):
        read_source(tmp_path, layout="good_parts")


@pytest.mark.parametrize(
    ("layout", "folder"),
    [("good_parts", ""), ("class_folders", "good/"), ("mvtec", "train/good/")],
)
def test_annotations_speak_against_good(tmp_path, layout, folder):
    for number in "123":
        picture(tmp_path / f"{folder}{number}.jpg")
    if folder:
        picture(tmp_path / f"{folder.replace('good', 'bad')}1.jpg")
    write_labelme(tmp_path / f"{folder}2.json", "2.jpg", shape())
    write_labelme(tmp_path / f"{folder}3.json", "3.jpg")

    source = read_source(tmp_path, layout=layout)

    assert f"{folder}2.jpg" not in labels(source)
    assert {labels(source)[f"{folder}{number}.jpg"] for number in "13"} == {"good"}
    assert "hole" in reasons(source)[f"{folder}2.jpg"]
    assert any(
        "because their labels contradict each other: 1" in each for each in source.notes
    )


@pytest.mark.parametrize("layout", ["image_mask_pairs", "class_folders"])
def test_a_table_speaks_against_good(tmp_path, layout):
    folder = "images/" if layout == "image_mask_pairs" else "good/"
    for number in "123":
        picture(tmp_path / f"{folder}{number}.jpg")
    if layout == "image_mask_pairs":
        mask(tmp_path / "masks/1.png")
    else:
        picture(tmp_path / "bad/4.jpg")
    (tmp_path / "labels.csv").write_text("file,label\n2.jpg,discoloured\n3.jpg,good\n")

    source = read_source(tmp_path)

    assert source.layout == layout
    assert f"{folder}2.jpg" not in labels(source)
    assert labels(source)[f"{folder}3.jpg"] == "good"
    assert "discoloured" in reasons(source)[f"{folder}2.jpg"]


@pytest.mark.parametrize("layout", ["labelme", "good_parts"])
def test_masks_speak_against_good(tmp_path, layout):
    for number in "1234":
        picture(tmp_path / f"images/{number}.jpg")
    mask(tmp_path / "masks/2.png")
    mask(tmp_path / "masks/3.png", defect=False)
    (tmp_path / "masks/4.png").write_bytes(b"broken")
    if layout == "labelme":
        write_labelme(tmp_path / "images/1.json", "1.jpg", shape("scratch"))

    source = read_source(tmp_path, layout=layout)

    kept = [name for name in labels(source) if name.startswith("images/")]
    assert kept == ["images/1.jpg", "images/3.jpg"]
    assert "its mask masks/2.png marks" in reasons(source)["images/2.jpg"]
    assert "it is not known whether it is good" in reasons(source)["images/4.jpg"]


def test_a_broken_mask_in_the_folder_of_good_parts(tmp_path):
    for label in ("good", "bad"):
        picture(tmp_path / f"{label}/1.jpg")
        mask(tmp_path / f"{label}/1_mask.png", defect=label == "bad")
    picture(tmp_path / "good/2.jpg")
    (tmp_path / "good/2_mask.png").write_bytes(b"broken")

    source = read_source(tmp_path)

    assert [*labels(source)] == ["bad/1.jpg", "good/1.jpg"]


def write_part_annotated(folder, names):
    for name in names:
        for number in "12":
            picture(folder / name / f"{number}.jpg")
    for number in "12":
        last = folder / names[-1]
        write_labelme(last / f"{number}.json", f"{number}.jpg", shape("loch"))


def test_folders_without_annotations_are_asked_about(tmp_path):
    write_part_annotated(tmp_path, ["gut", "kratzer", "loch"])

    with pytest.raises(
        InputError, match="There are no annotations in gut, kratzer.*--normal"
    ):
        read_source(tmp_path)
    source = read_source(tmp_path, normal_name="gut")
    assert {*labels(source).values()} == {"gut", "loch"}
    assert "kratzer/1.jpg" not in labels(source)


def test_folders_by_number_are_not_asked_about(tmp_path):
    write_part_annotated(tmp_path, ["part 1", "part 2"])

    assert {*labels(read_source(tmp_path)).values()} == {"good", "loch"}
