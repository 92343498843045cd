import numpy as np
import pytest

from evaluation import instance_metrics
from evaluation.found_instances import as_instances, instance_results, read_found
from evaluation.instance_metrics import match_instances
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
        return match_instances(tmp_path, data, data.rows("test"), normal_class="good")

    return match


def figures(matches):
    draws = np.ones((1, len(matches.num_true)))
    return [
        metric(matches, draws)[0]
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
