import contextlib
import io

import numpy as np
import pytest

from evaluation.average_precision import IOU_THRESHOLDS
from evaluation.instance_metrics import Matches, mean_precision
from evaluation.instance_pairs import pair
from evaluation.predictor import Instances
from preprocessing.instances import encode_mask

SIZE = (40, 50)
IDS = {"a": 1, "b": 2, "c": 3}
AT = ("ap", "ap50", "ap75")


def random_image(random, *, decimals):
    """True instances, and found ones of which most are near a true one."""
    true = [random_box(random) for _ in range(random.integers(0, 5))]
    found = [random_box(random) for _ in range(random.integers(0, 4))]
    for box, label in true:
        for _ in range(random.integers(0, 3)):
            near = np.maximum(box + random.integers(-1, 2, 4), [0, 0, 2, 2])
            found.append((near, label if random.random() < 0.8 else "c"))
    scores = np.round(random.random(len(found)), decimals)
    return instances(random, found, scores), instances(random, true, np.ones(len(true)))


def random_box(random):
    height, width = SIZE
    corner = random.integers(0, width - 15), random.integers(0, height - 15)
    label = random.choice(["a", "a", "a", "b", "c"])
    return np.array([*corner, *random.integers(4, 13, 2)]), str(label)


def instances(random, boxed, scores):
    masks = np.zeros((len(boxed), *SIZE), bool)
    for mask, ((x, y, width, height), _) in zip(masks, boxed, strict=True):
        mask[y : y + height, x : x + width] = random.random((height, width)) < 0.95
    boxes = np.array([box for box, _ in boxed], float).reshape(-1, 4)
    return Instances(boxes, scores, [label for _, label in boxed], masks)


def random_images(seed, count=40, decimals=1):
    random = np.random.default_rng(seed)
    return [random_image(random, decimals=decimals) for _ in range(count)]


def by_pycocotools(images, kind):
    """AP, AP50 and AP75 of pairs of found and true instances."""
    coco = pytest.importorskip("pycocotools.coco", reason="needs pycocotools")
    from pycocotools.cocoeval import COCOeval

    truth, results = [], []
    for image, sides in enumerate(images):
        for entries, side in zip((results, truth), sides, strict=True):
            rows = side.boxes, side.scores, side.labels, side.masks
            for box, score, label, mask in zip(*rows, strict=True):
                entry = {"image_id": image, "category_id": IDS[label]}
                entry |= {"bbox": box.tolist(), "score": float(score)}
                if kind == "mask" or entries is truth:
                    entry["segmentation"] = encode_mask(mask)
                area = {"id": len(entries) + 1, "area": float(mask.sum()), "iscrowd": 0}
                entries.append(entry | (area if entries is truth else {}))
    with contextlib.redirect_stdout(io.StringIO()):
        data = coco.COCO()
        data.dataset = {
            "info": {},
            "images": [
                {"id": image, "height": SIZE[0], "width": SIZE[1]}
                for image in range(len(images))
            ],
            "categories": [
                {"id": number, "name": name} for name, number in IDS.items()
            ],
            "annotations": truth,
        }
        data.createIndex()
        judge = COCOeval(data, data.loadRes(results), {"box": "bbox"}.get(kind, "segm"))
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge.stats[:3]


def paired(images):
    return [pair(str(n), n, *sides) for n, sides in enumerate(images)]


@pytest.mark.parametrize("kind", ["box", "mask"])
@pytest.mark.parametrize("seed", range(5))
def test_values_are_those_of_pycocotools(seed, kind):
    images = random_images(seed)
    matches = Matches(paired(images), len(images))
    once = np.ones((1, len(images)))
    ours = [mean_precision(kind, at, matches, once)[0] for at in AT]
    assert ours == pytest.approx(by_pycocotools(images, kind), abs=1e-9)
    assert 0.02 < ours[0] < ours[1] < 0.9


def test_a_resample_is_the_same_as_images_that_occur_again():
    images = random_images(7, count=12, decimals=6)
    pairings = [each._replace(group=n // 2) for n, each in enumerate(paired(images))]
    random = np.random.default_rng(0)
    draws = random.multinomial(6, np.full(6, 1 / 6), 8)
    weighted = {
        at: mean_precision("mask", at, Matches(pairings, 6), draws) for at in AT
    }
    for row, times in enumerate(draws):
        again = [each for each in pairings for _ in range(times[each.group])]
        repeated = Matches([each._replace(group=0) for each in again], 1)
        for at in AT:
            expected = mean_precision("mask", at, repeated, np.ones((1, 1)))[0]
            assert weighted[at][row] == pytest.approx(expected, abs=1e-12)
    assert len(set(weighted["ap"])) > 4


def test_by_hand():
    """Of 2 true ones the first found is right, the second wrong, the third right."""
    true = np.array([[0, 0, 4, 4], [10, 0, 4, 4]], float)
    found = np.array([[0, 0, 4, 4], [20, 0, 4, 4], [10, 0, 4, 4]], float)
    image = pair(
        "x",
        0,
        Instances(found, np.array([0.9, 0.8, 0.7]), ["a"] * 3),
        Instances(true, np.ones(2), ["a"] * 2),
    )
    matches = Matches([image], 1)
    # precision 1 up to recall 0.5, which are 51 of 101 recalls, then 2 / 3
    expected = (51 + 50 * 2 / 3) / 101
    for at in AT:
        found = mean_precision("box", at, matches, np.ones((1, 1)))
        assert found[0] == pytest.approx(expected)
    assert len(IOU_THRESHOLDS) == 10


def test_without_true_or_found_instances():
    none = Instances(np.zeros((0, 4)), np.zeros(0), [])
    some = Instances(np.array([[0.0, 0, 4, 4]]), np.ones(1), ["a"])
    draws = np.array([[1, 1], [0, 2]])
    missed = Matches([pair("x", 0, none, some), pair("y", 1, none, none)], 2)
    values = mean_precision("box", "ap", missed, draws)
    assert values[0] == 0 and np.isnan(values[1])  # not drawn: there is no value
    alarms = Matches([pair("x", 0, some, none)], 1)
    assert np.isnan(mean_precision("box", "ap", alarms, np.ones((1, 1)))).all()
