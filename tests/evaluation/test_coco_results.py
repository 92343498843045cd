import copy
import json

import numpy as np
import pytest

from evaluation.coco_polygons import polygon_mask
from evaluation.coco_results import pair_results, read_results, read_truth
from goodparts.cli import main
from goodparts.command import InputError
from preprocessing.instances import encode_mask, write_instances

SQUARE = [2, 2, 8, 2, 8, 8, 2, 8]


def runs_of(left, size=(20, 30)):
    mask = np.zeros(size, bool)
    mask[2:8, left : left + 6] = True
    return encode_mask(mask)


def truth():
    """Two images with a pit each, one of them without any, ids that do not count up."""
    return {
        "images": [
            {"id": 7, "width": 30, "height": 20},
            {"id": 3, "width": 30, "height": 20},
            {"id": 5, "width": 30, "height": 20},
        ],
        "categories": [{"id": 2, "name": "pit"}, {"id": 9, "name": "dent"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 7,
                "category_id": 2,
                "bbox": [2, 2, 6, 6],
                "area": 36,
                "iscrowd": 0,
                "segmentation": [SQUARE],
            },
            {
                "id": 2,
                "image_id": 3,
                "category_id": 2,
                "bbox": [12, 2, 6, 6],
                "segmentation": runs_of(12),
            },
        ],
    }


def results():
    return [
        {
            "image_id": 7,
            "category_id": 2,
            "score": 0.9,
            "bbox": [2, 2, 6, 6],
            "segmentation": runs_of(2),
        },
        {
            "image_id": 5,
            "category_id": 2,
            "score": 0.4,
            "bbox": [0, 2, 6, 6],
            "segmentation": runs_of(0),
        },
    ]


@pytest.fixture
def written(tmp_path):
    """Writes both contents; returns the paths as text."""

    def write(true, found):
        paths = tmp_path / "truth.json", tmp_path / "results.json"
        for path, content in zip(paths, (true, found), strict=True):
            path.write_text(json.dumps(content))
        return [str(path) for path in paths]

    return write


def evaluate(capsys, *words):
    """Exit status, standard output and error of `goodparts evaluate --coco`."""
    status = 0
    try:
        main(["evaluate", "--coco", *words])
    except SystemExit as end:
        status = end.code
    return status, *capsys.readouterr()


def test_figures_by_hand(written, capsys):
    status, text, _ = evaluate(capsys, *written(truth(), results()))
    assert status == 0
    lines = {line[2:26].strip(): line[26:] for line in text.splitlines()}
    assert text.startswith("3 images, each as a group of its own")
    # one of two found: precision 1 up to recall 0.5, which are 51 of 101 recalls
    for name in ("mask AP", "mask AP50", "box AP"):
        assert lines[name].startswith("50.5 %")
    assert lines["detection rate"].startswith("50.0 %")
    assert lines["false alarms per image"].startswith("0.333")
    assert lines["AUROC"].startswith("50.0 %")  # 0.9 and 0 against 0.4
    assert max(map(len, text.splitlines())) <= 100
    assert (
        text.splitlines()[-1]
        == "  2       1       0           1       1             pit"
    )
    status, text, _ = evaluate(
        capsys, *written(truth(), results()), "--min-score", "0.5"
    )
    assert "false alarms per image  0.000" in text and "from 0.5" in text


def test_boxes_alone_and_masks_alone(written, capsys):
    boxes, masks = results(), results()
    for each in boxes:
        del each["segmentation"]
    for each in masks:
        del each["bbox"]
    text = evaluate(capsys, *written(truth(), boxes))[1]
    assert "box AP" in text and "mask AP" not in text
    text = evaluate(capsys, *written(truth(), masks))[1]
    assert "box AP                  50.5 %" in text
    assert "mask AP                 50.5 %" in text
    status, text, _ = evaluate(capsys, *written(truth(), []))
    assert status == 0 and "detection rate          0.0 %" in text


def test_the_masks_of_an_own_file_are_its_pixels(make_dataset, tmp_path):
    """Its polygons go through the centres of pixels, those of COCO round them."""
    data = make_dataset(name="own", groups=1)
    instance = {"label": "scratch", "bbox": [2, 2, 6, 6], "polygons": [SQUARE]}
    samples = [
        {"sample_id": "a", "path": "a.png", "size": (20, 30), "instances": [instance]}
    ]
    own = tmp_path / "instances.json"
    write_instances(own, samples, data.classes)
    areas = []
    for read in (own, _without_sample_ids(own)):
        found = read_truth(read)
        areas.append(pair_results(found, {}, (own, own))[0].true.areas[0])
    assert areas == [49, 36]


def _without_sample_ids(path):
    content = json.loads(path.read_text())
    for image in content["images"]:
        del image["sample_id"]
    other = path.with_name("other.json")
    other.write_text(json.dumps(content))
    return other


def change(part, *keys, value):
    """A function that sets one value in (truth, results); ... removes it."""

    def apply(pair):
        place = pair[part]
        for key in keys[:-1]:
            place = place[key]
        if value is ...:
            del place[keys[-1]]
        else:
            place[keys[-1]] = value

    return apply


def of_truth(*keys, value):
    return change(0, *keys, value=value)


def of_result(*keys, value):
    return change(1, 0, *keys, value=value)


NAN = float("nan")
FAULTS = {
    "unknown image": (of_result("image_id", value=99), "image_id 99, which is not"),
    "unknown category": (of_result("category_id", value=1), "category_id 1, which is"),
    "an id of another type": (of_result("image_id", value=[7]), "image_id must be a"),
    "no image": (of_result("image_id", value=...), "result [0] lacks image_id"),
    "score above 1": (of_result("score", value=1.5), "score must be a number, 0 to 1"),
    "score below 0": (of_result("score", value=-0.1), "score must be a number, 0 to 1"),
    "score NaN": (of_result("score", value=NAN), "score must be a number, 0 to 1"),
    "score a text": (of_result("score", value="0.9"), "score must be a number"),
    "no score": (of_result("score", value=...), "result [0] lacks score"),
    "corners": (of_result("bbox", value=[20, 5, 28, 15]), "may be [x1, y1, x2, y2]"),
    "outside": (of_result("bbox", value=[-9, 0, 5, 5]), "Clip it to the image"),
    "fractions": (
        lambda pair: [each.update(bbox=[0.1, 0.1, 0.5, 0.5]) for each in pair[1]],
        "fractions of the image",
    ),
    "negative width": (of_result("bbox", value=[9, 9, -2, 2]), "negative width"),
    "box of three": (of_result("bbox", value=[1, 2, 3]), "bbox must have 4 to 4"),
    "box NaN": (of_result("bbox", value=[NAN, 2, 3, 3]), "bbox must be a number"),
    "mask of another size": (
        of_result("segmentation", value=runs_of(2, (30, 20))),
        "mask of size [30, 20], but the image has the size [20, 30]",
    ),
    "runs that do not fill": (
        of_result("segmentation", value={"size": [20, 30], "counts": [5, 5]}),
        "run lengths of a mask of image 7 are not valid",
    ),
    "runs of nonsense": (
        of_result("segmentation", value={"size": [20, 30], "counts": "~~~"}),
        "run lengths of a mask of image 7 are not valid",
    ),
    "two points": (
        of_result("segmentation", value=[[1, 1, 5, 5]]),
        "polygon of 4 numbers; at least 3 points",
    ),
    "two points of the truth": (
        of_truth("annotations", 0, "segmentation", value=[[1, 1, 5, 5]]),
        "annotations[0].segmentation has a polygon of 4 numbers",
    ),
    "an odd polygon": (
        of_truth("annotations", 0, "segmentation", value=[[1, 1, 5, 5, 1, 5, 3]]),
        "polygon of 7 numbers",
    ),
    "neither": (
        lambda pair: [pair[1][0].pop(key) for key in ("bbox", "segmentation")],
        "neither bbox nor segmentation",
    ),
    "crowd": (of_truth("annotations", 0, "iscrowd", value=1), "is a crowd annotation"),
    "image twice": (of_truth("images", 1, "id", value=7), "has the id 7 of an earlier"),
    "category twice": (
        of_truth("categories", 1, "name", value="pit"),
        "has the name 'pit' twice",
    ),
    "no size": (of_truth("images", 0, "width", value=...), "images[0] lacks width"),
    "no images": (of_truth("images", value=...), "lacks images"),
    "images empty": (of_truth("images", value=[]), "images must have 1 to"),
    "results in an object": (
        lambda pair: pair.__setitem__(1, {"annotations": pair[1]}),
        "it must be a list",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_one_line(name, written, capsys):
    fault, message = FAULTS[name]
    pair = [truth(), copy.deepcopy(results())]
    fault(pair)
    status, text, error = evaluate(capsys, *written(*pair))
    assert status == 2 and text == ""
    assert message in error and len(error.splitlines()) == 1, error
    assert ("results.json: " in error) != ("truth.json: " in error)


def test_files_that_cannot_be_read(written, tmp_path, capsys):
    paths = written(truth(), results())
    (tmp_path / "no.json").write_text("[")
    for wrong in ([paths[0], str(tmp_path / "no.json")], ["none.json", paths[1]]):
        status, _, error = evaluate(capsys, *wrong)
        assert status == 2 and "cannot be read as" in error
        assert len(error.splitlines()) == 1


def test_images_are_in_the_order_of_their_ids(written):
    paths = written(truth(), results())
    found = read_truth(paths[0])
    pairings = pair_results(found, read_results(paths[1], found), tuple(paths))
    assert [each.sample_id for each in pairings] == ["3", "5", "7"]
    assert [each.group for each in pairings] == [0, 1, 2]
    with pytest.raises(InputError, match="truth.json: it must be a list"):
        read_results(paths[0], found)


@pytest.mark.parametrize(
    "words, message",
    [
        (["RUN", "--coco", "a", "b"], "Give either run folders, or --coco"),
        ([], "Give either run folders, or --coco"),
        (["RUN", "--min-score", "0.5"], "--min-score is for --coco"),
        (["--coco", "a", "b", "--mm-per-pixel", "1"], "--mm-per-pixel is for runs"),
        (["RUN", "--mm-per-pixel", "0"], "must be a number above 0"),
        (["RUN", "--mm-per-pixel", "-1"], "must be a number above 0"),
        (["RUN", "--mm-per-pixel", "nan"], "must be a number above 0"),
        (["RUN", "--mm-per-pixel", "inf"], "must be a number above 0"),
        (["--coco", "a", "b", "--min-score", "2"], "must be a number from 0 to 1"),
    ],
)
def test_wrong_flags(words, message, capsys):
    with pytest.raises(SystemExit) as end:
        main(["evaluate", *words])
    assert end.value.code == 2 and message in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:__array__")
def test_polygons_are_drawn_as_by_pycocotools():
    tools = pytest.importorskip("pycocotools.mask", reason="needs pycocotools")
    random = np.random.default_rng(0)
    for number in range(300):
        height, width = (int(side) for side in random.integers(1, 40, 2))
        points = random.random((random.integers(3, 9), 2)) * [width + 6, height + 6] - 3
        points = np.round(points) if number % 3 == 0 else points
        theirs = tools.frPyObjects([points.ravel().tolist()], height, width)
        expected = tools.decode(theirs)[..., 0].astype(bool)
        assert (polygon_mask(points, (height, width)) == expected).all()


def test_a_polygon_by_hand():
    mask = polygon_mask(np.reshape(SQUARE, (-1, 2)), (10, 12))
    assert mask[2:8, 2:8].all() and mask.sum() == 36
