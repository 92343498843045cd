import numpy as np
import pytest

from evaluation import instance_metrics
from evaluation.found_instances import as_instances, instance_results, read_found
from evaluation.instance_metrics import Matches
from evaluation.instance_pairs import pair, pair_instances
from evaluation.instance_table import areas_text, instance_rows
from evaluation.predictor import Instances, join_instances
from goodparts.command import InputError
from goodparts.files import write_json
from preprocessing.instances import Ids, read_ids, write_instances


def box(label, *bbox):
    return {"label": label, "bbox": list(bbox), "polygons": []}


@pytest.fixture
def matched(make_dataset, tmp_path):
    """Matches of test: a function of what was found in `scratch/008` and 009."""
    data = make_dataset(name="boxed", groups=2)
    truth = {
        "scratch/008": [box("scratch", 0, 0, 4, 4), box("scratch", 6, 0, 4, 4)],
        "scratch/009": [box("scratch", 0, 0, 4, 4)],
    }
    samples = [
        {
            "sample_id": row.sample_id,
            "path": row.path,
            "size": (9, 12),
            "instances": truth.get(row.sample_id, []),
        }
        for row in data.manifest.itertuples()
    ]
    write_instances(data.folder / "instances.json", samples, data.classes)
    ids = read_ids(data.folder / "instances.json", data.manifest)

    def match(**found):
        results = []
        for sample, boxes in found.items():
            boxes = np.array([b for b, _, _ in boxes], float), boxes
            instances = Instances(
                boxes[0],
                np.array([score for _, score, _ in boxes[1]]),
                [label for _, _, label in boxes[1]],
            )
            results += instance_results(f"scratch/{sample[1:]}", instances, ids)
        write_json(tmp_path / "instances.json", results)
        table = data.rows("test")
        pairings = pair_instances(tmp_path, data, table, normal_class="good")
        return Matches(pairings, table["group"].nunique())

    return match


def figures(matches):
    draws = np.ones((1, matches.num_groups))
    return [
        metric(matches.counts, draws)[0]
        for metric in (
            instance_metrics.detection_rate,
            instance_metrics.false_alarms_per_image,
            instance_metrics.mean_iou,
        )
    ]


def test_by_hand(matched):
    found = matched(
        s008=[((0, 0, 4, 4), 0.9, "scratch"), ((6, 1, 4, 4), 0.8, "scratch")],
        s009=[((8, 5, 3, 3), 0.7, "scratch")],
    )
    # 12 / 20 of the second: 2 of 3 are found, one alarm is false, in 6 of 8 images:
    # of two with scratches nobody said where
    assert figures(found) == pytest.approx([2 / 3, 1 / 6, (1 + 0.6) / 2])
    assert found.num_groups_with_defects == 1


def test_each_true_instance_is_taken_once_by_the_most_certain(matched):
    twice = [((0, 0, 4, 4), 0.6, "scratch"), ((0, 0, 4, 5), 0.9, "scratch")]
    assert figures(matched(s008=twice)) == pytest.approx([1 / 3, 1 / 6, 0.8])


def test_another_class_or_too_little_overlap_is_a_false_alarm(matched):
    wrong = [((0, 0, 4, 4), 0.9, "good"), ((0, 3, 4, 4), 0.9, "scratch")]
    rate, alarms, iou = figures(matched(s009=wrong))
    assert (rate, alarms) == (0, 2 / 6) and np.isnan(iou)


def test_nothing_found_is_no_error(matched):
    assert figures(matched())[:2] == [0, 0]


def instances(*rows, sizes=None):
    """`Instances` of rows of label, score and box; masks of so many pixels."""
    masks = None
    if sizes is not None:
        masks = np.zeros((len(rows), 10, 40), bool)
        for mask, (_, _, (x, y, *_)), size in zip(masks, rows, sizes, strict=True):
            mask[y, x : x + size] = True
    return Instances(
        np.array([box for _, _, box in rows], float).reshape(-1, 4),
        np.array([score for _, score, _ in rows], float),
        [label for label, _, _ in rows],
        masks,
    )


@pytest.fixture
def mixed():
    """One image: a found, a confused and a missed one, and two false alarms."""
    true = instances(
        ("pit", 1, (0, 0, 4, 4)), ("pit", 1, (10, 0, 4, 4)), ("dent", 1, (20, 0, 4, 4))
    )
    found = instances(
        ("pit", 0.9, (0, 0, 4, 4)),
        ("dent", 0.8, (10, 0, 4, 4)),
        ("pit", 0.7, (30, 0, 4, 4)),
        ("pit", 0.2, (20, 5, 4, 4)),
    )
    return pair("x", 0, found, true)


def test_confusions_have_missed_instances_and_false_alarms(mixed):
    matches = Matches([mixed], 1)
    assert matches.classes == ["dent", "pit"]
    # rows: dent, pit, false alarm; columns: dent, pit, missed
    assert matches.confusions[0].tolist() == [[0, 0, 1], [1, 1, 0], [0, 2, 0]]
    # one of three true ones and two false alarms is right
    assert instance_metrics.accuracy(matches, np.ones((1, 1))) == pytest.approx(1 / 5)
    assert [each.num_false[0] for each in map(matches.counts_of, matches.classes)] == [
        1,
        2,
    ]


def test_below_the_threshold_of_its_class_nothing_is_found(mixed):
    matches = Matches([mixed], 1, {"pit": 0.7, "dent": 0.81})
    assert matches.confusions[0].tolist() == [[0, 0, 1], [0, 1, 1], [0, 1, 0]]
    assert figures(matches)[:2] == [1 / 3, 1]
    # but not for the average precision
    every = Matches([mixed], 1)
    ones = np.ones((1, 1))
    for at in ("ap", "ap50"):
        assert instance_metrics.mean_precision(
            "box", at, matches, ones
        ) == instance_metrics.mean_precision("box", at, every, ones)


def test_its_own_class_comes_before_another():
    """The more certain pit lies better on the dent, but the dent has its own."""
    true = instances(("dent", 1, (0, 0, 10, 4)), ("pit", 1, (4, 0, 10, 4)))
    found = instances(("pit", 0.9, (1, 0, 10, 4)), ("dent", 0.5, (0, 0, 10, 4)))
    matches = Matches([pair("x", 0, found, true)], 1)
    assert matches.confusions[0].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_areas_and_their_error():
    true = instances(
        ("pit", 1, (0, 0, 8, 1)), ("pit", 1, (20, 5, 10, 1)), sizes=(8, 10)
    )
    found = instances(
        ("pit", 0.9, (0, 0, 6, 1)), ("pit", 0.8, (0, 9, 5, 1)), sizes=(6, 5)
    )
    matches = Matches([pair("x", 0, found, true)], 1)
    assert matches.has_masks
    assert instance_metrics.area_error(matches.counts, np.ones((1, 1))) == 2 / 8
    rows = list(instance_rows(matches.outcomes, mm_per_pixel=0.5))
    assert [row["outcome"] for row in rows] == ["found", "false alarm", "missed"]
    # a pixel of 0.5 mm x 0.5 mm has 0.25 mm²
    assert [row["area_mm2"] for row in rows] == [1.5, 1.25, ""]
    assert [row["true_area_mm2"] for row in rows] == [2.0, "", 2.5]
    assert rows[0]["iou"] == 0.75 and rows[2]["x"] == 20
    pixels = list(instance_rows(matches.outcomes))
    assert [row["area_px"] for row in pixels] == [6, 5, ""]
    assert "1.5 to 1.5 mm²" in areas_text(rows, 0.5)
    assert "6 to 6 pixels" in areas_text(pixels, None)


def test_images_without_instances_of_their_defects_are_left_out(matched):
    assert len(matched().pairings) == 6


def test_results_are_read_back_as_they_were(tmp_path):
    masks = np.random.default_rng(0).random((2, 7, 5)) > 0.4
    found = Instances(
        np.array([[0.25, 1, 2, 3], [1, 1, 1, 1]]),
        np.array([0.9, 0.5]),
        ["a", "b"],
        masks,
    )
    ids = Ids({"x/1": 7}, {"a": 1, "b": 2})
    results = instance_results("x/1", found, ids)
    assert [(each["image_id"], each["category_id"]) for each in results] == [
        (7, 1),
        (7, 2),
    ]
    write_json(tmp_path / "instances.json", results)
    again = as_instances(read_found(tmp_path)["x/1"])
    assert np.allclose(again.boxes, found.boxes) and again.labels == found.labels
    assert (again.masks == masks).all()
    (tmp_path / "instances.json").write_text("[{}]")
    with pytest.raises(InputError, match="instances.json cannot be read"):
        read_found(tmp_path)


def test_instances_of_several_models_are_joined_by_certainty():
    one = Instances(np.ones((1, 4)), np.array([0.3]), ["low"])
    two = Instances(np.zeros((2, 4)), np.array([0.9, 0.1]), ["high", "least"])
    joined = join_instances([one, two])
    assert joined.labels == ["high", "low", "least"] and joined.masks is None
    assert joined.boxes[:, 0].tolist() == [0, 1, 0]
