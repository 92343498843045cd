"""First whether there is a defect, then which."""

import numpy as np
import pytest
from import_helpers import BOX, coco, labels, picture, reasons, write_json
from PIL import Image

from goodparts.command import InputError
from preprocessing.images import read_image
from preprocessing.importing.layouts import read_source
from preprocessing.importing.turned import turn_instances
from preprocessing.normal_names import is_normal_name

WHOLE = {"bbox": [2, 2, 60, 60]}
SMALL = {"bbox": [20, 20, 8, 8]}
SMALLER = {"bbox": [40, 20, 4, 4]}
NAMES = [f"{number}.png" for number in range(6)]


def write(folder, annotations, categories):
    for name in NAMES:
        picture(folder / name)
    write_json(folder / "a.json", coco(NAMES, annotations, categories))


def test_a_normal_shape_never_outweighs_a_defect(tmp_path):
    marks = [(1, 1, WHOLE), (2, 1, WHOLE), (2, 2, SMALL), (3, 2, SMALL)]
    write(tmp_path, marks, ("good", "hole"))

    source = read_source(tmp_path)

    assert [*labels(source).values()][:4] == ["good", "hole", "hole", "good"]
    assert [len(image.instances) for image in source.images[:3]] == [0, 1, 1]


OUTLINED = [(number, 1, WHOLE) for number in range(1, 7)]


def test_the_outline_of_the_part_is_asked_about(tmp_path):
    write(tmp_path, [*OUTLINED, (1, 2, SMALL), (2, 3, SMALL)], ("cap", "hole", "dent"))

    with pytest.raises(
        InputError, match="'cap' is annotated on every .*--normal-class cap"
    ):
        read_source(tmp_path)
    source = read_source(tmp_path, normal_name="cap")
    assert [*labels(source).values()] == ["hole", "dent", *["cap"] * 4]
    assert all(
        len(image.instances) == (image.label != "cap") for image in source.images
    )

    source = read_source(tmp_path, normal_name="good")
    assert [*labels(source).values()] == ["hole", "dent", *["cap"] * 4]
    assert "'cap' is annotated on every annotated image" in source.notes[0]


def test_a_small_outline_is_known_by_what_lies_in_it(tmp_path):
    part = {"bbox": [15, 15, 20, 20]}  # a tenth of the image
    marks = [(number, 1, part) for number in range(1, 7)]
    write(tmp_path, [*marks, (1, 2, {"bbox": [20, 20, 5, 5]})], ("cap", "hole"))

    with pytest.raises(InputError, match="'cap' is annotated on every"):
        read_source(tmp_path)


def test_an_outline_with_a_defect_on_every_image_needs_no_answer(tmp_path):
    marks = [*OUTLINED[:4], *((number, 2, SMALL) for number in range(1, 5))]
    write(tmp_path, marks, ("cap", "hole"))

    source = read_source(tmp_path)

    assert [*labels(source).values()] == [*["hole"] * 4, "good", "good"]
    assert any("other defects take precedence" in note for note in source.notes)


def test_images_with_several_kinds_of_defect_are_counted(tmp_path):
    write(tmp_path, [(1, 1, SMALLER), (1, 2, SMALL), (2, 1, SMALL)], ("hole", "dent"))

    source = read_source(tmp_path)

    assert [*labels(source).values()][:2] == ["dent", "hole"]
    assert "images with several kinds of defect: 1" in source.notes[0]


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_boxes_of_raw_pixels_are_turned_as_exif_says(tmp_path, orientation):
    raw = np.full((40, 60, 3), 90, np.uint8)
    raw[5:15, 30:50] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(raw).save(tmp_path / "1.png", exif=exif)
    content = coco(["1.png"], [(1, 1, {"bbox": [30, 5, 20, 10]})])
    content["images"][0] |= {"height": 40, "width": 60}
    write_json(tmp_path / "a.json", content)

    source = read_source(tmp_path)

    (found,) = source.images[0].instances
    x, y, width, height = map(round, found["bbox"])
    bright = read_image(tmp_path / "1.png")[:, :, 0] > 200
    assert (width, height) == (10, 20) and bright.sum() == 200
    assert bright[y : y + height, x : x + width].all()
    assert "refer to the stored pixels" in reasons(source)["1.png"]


def test_polygons_are_turned_too():
    instance = {"label": "a", "bbox": [1, 2, 3, 4], "polygons": [[1, 2, 4, 2, 4, 6]]}
    (turned,) = turn_instances([instance], 6, (60, 40))  # raw: 60 wide, 40 high
    assert turned["polygons"] == [[38, 1, 38, 4, 34, 4]]
    assert turned["bbox"] == [34, 1, 4, 3]


def test_square_images_that_exif_turns_get_one_remark(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for stem in "12":
        pixels = np.full((64, 64, 3), 90, np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{stem}.jpg", exif=exif)
    content = coco(["1.jpg", "2.jpg"], [(1, 1, BOX), (2, 1, BOX)])
    for image in content["images"]:
        image |= {"height": 64, "width": 64}
    write_json(tmp_path / "a.json", content)

    (said,) = read_source(tmp_path).rejected

    assert said.path == "1.jpg" and "so are 1 others" in said.reason


GOOD = """good ok Pass passed IO i.O. OK_parts ok_front perfect defect-free DefectFree
anomaly_free no_defects 01_good OKParts MT_Free no_anomaly normal
""".split()
NOT_GOOD = """not_ok no_good NotOK NOK n.i.O. nio abnormal defect crack_free
good_crack pass_fail failed bad okra imperfect bypass non_ok OK_NOK ng free_defect parts
""".split()


def test_names_of_good_parts_go_by_whole_words():
    assert [name for name in GOOD if not is_normal_name(name)] == []
    assert [name for name in NOT_GOOD if is_normal_name(name)] == []


@pytest.mark.parametrize(
    "name",
    ["good?", "OK?", "!good", "≠ok", "ok ✗", "good ❌", "0 ok", "ok_0", "good=0", "ok0"]
    + ["pass 50%", "~ok", "ok*", "-good", "ok / nok", "o\u0336k\u0336", "<good", "ok-"],
)
def test_a_name_with_a_doubt_in_it_is_not_that_of_good_parts(name):
    assert not is_normal_name(name)


@pytest.mark.parametrize(
    "name",
    ["ok (1)", "01 - good", "cam_0_good", "good + ok", "OK 10", "good_1", "[ok]"],
)
def test_signs_and_numbers_that_only_part_words(name):
    assert is_normal_name(name)
