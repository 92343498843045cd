import cv2
import numpy as np
import pytest

from deployment.tiles import check_tiles, tiled, tiles
from evaluation.predictor import Answer, Instances
from goodparts.command import InputError

PIT, DENT = 255, 128  # values of the pixels of defects


def spots(image, *, least=0):
    """`Instances` of the bright spots: a fake model, with 4-connected pixels.

    It sees nothing smaller than `least` pixels of the longer side of the image / 100.
    """
    boxes, labels, masks = [], [], []
    for value, label in ((PIT, "pit"), (DENT, "dent")):
        wanted = (image[..., 0] == value).astype(np.uint8)
        count, regions = cv2.connectedComponents(wanted, connectivity=4)
        for number in range(1, count):
            mask = regions == number
            if mask.sum() >= least * max(image.shape) / 100:
                boxes.append(cv2.boundingRect(mask.astype(np.uint8)))
                labels.append(label)
                masks.append(mask)
    masks = np.array(masks, bool).reshape(-1, *image.shape[:2])
    sizes = masks.sum(axis=(1, 2))
    scores = np.clip(0.5 + 0.001 * sizes, 0, 1)
    order = np.argsort(-scores, kind="stable")
    found = Instances(np.array(boxes, float).reshape(-1, 4), scores, labels, masks)
    return found.subset(order)


def answer(image, **options):
    found = spots(image, **options)
    return Answer(float(found.scores.max(initial=0)), instances=found)


def draw(*rectangles, size=(200, 300)):
    image = np.zeros((*size, 3), np.uint8)
    for (top, left, height, width), value in rectangles:
        image[top : top + height, left : left + width] = value
    return image


@pytest.mark.parametrize(
    "height, width, size", [(200, 300, 100), (101, 37, 100), (333, 100, 100)]
)
def test_tiles_cover_the_image_and_overlap(height, width, size):
    covered, tops = np.zeros((height, width), int), set()
    for rows, columns in tiles(height, width, size):
        assert rows.stop - rows.start == min(size, height)  # none is padded or cut
        assert columns.stop - columns.start == min(size, width)
        assert rows.stop <= height and columns.stop <= width
        covered[rows, columns] += 1
        tops.add(rows.start)
    assert covered.all() and max(tops) == max(0, height - size)
    steps = np.diff(sorted(tops))
    assert (steps <= 80).all()  # 0.2 of 100 is seen twice


def test_what_lies_in_one_tile_is_found_there_with_its_box_and_mask():
    image = draw(((10, 20, 6, 8), PIT), ((150, 250, 9, 7), DENT))
    found = tiled(answer, 100)(image).instances
    assert sorted(found.labels) == ["dent", "pit"]
    pit, dent = found.labels.index("pit"), found.labels.index("dent")
    assert found.boxes[pit].tolist() == [20, 10, 8, 6]
    assert found.boxes[dent].tolist() == [250, 150, 7, 9]
    assert (found.masks[pit] == (image[..., 0] == PIT)).all()
    assert (found.masks[dent] == (image[..., 0] == DENT)).all()
    assert (np.diff(found.scores) <= 0).all()


def test_a_small_defect_that_the_whole_image_hides_is_found_in_a_tile():
    def near_sighted(image):
        return answer(image, least=10)

    image = draw(((10, 20, 4, 4), PIT))  # 16 pixels: 10 are seen at 100, 30 at 300
    assert near_sighted(image).instances.labels == []
    whole = tiled(near_sighted, 100)(image)
    assert whole.instances.labels == ["pit"]
    assert whole.defect_score == pytest.approx(0.516)


def test_a_defect_over_several_tiles_is_one():
    image = draw(((90, 5, 4, 290), PIT))
    found = tiled(answer, 100)(image).instances
    assert found.labels == ["pit"] and found.boxes.tolist() == [[5, 90, 290, 4]]
    assert (found.masks[0] == (image[..., 0] > 0)).all()
    assert found.scores[0] == spots(image).scores[0]  # the highest


def scripted(*views):
    """Instances merged from what the whole image and two tiles say.

    The image has 100 x 180 pixels; the tiles are its columns 0 to 99 and 80 to 179.
    Each view is a list of (score, first column, end column of the mask, rows), and of
    the box if it differs, all in pixels of the image.
    """
    calls = iter(zip(views, (0, 0, 80), strict=True))

    def said(image):
        found, left = next(calls)
        boxes, masks = [], []
        for _, start, end, (top, bottom), *other in found:
            low, high = other[0] if other else (start, end)
            boxes.append([low - left, top, high - low, bottom - top])
            masks.append(np.zeros(image.shape[:2], bool))
            masks[-1][top:bottom, start - left : end - left] = True
        masks = np.array(masks, bool).reshape(-1, *image.shape[:2])
        scores = np.array([score for score, *_ in found], float)
        boxes = np.array(boxes, float).reshape(-1, 4)
        return Answer(
            0.5, instances=Instances(boxes, scores, ["pit"] * len(found), masks)
        )

    return tiled(said, 100)(draw(size=(100, 180))).instances


ROWS = (40, 50)


def test_parts_of_a_defect_are_joined_by_the_view_that_has_it_whole():
    """The parts share a fifth only, and are more certain than the whole."""
    found = scripted(
        [(0.7, 0, 180, ROWS)], [(0.9, 0, 100, ROWS)], [(0.8, 80, 180, ROWS)]
    )
    assert found.boxes.tolist() == [[0, 40, 180, 10]] and found.scores.tolist() == [0.9]
    assert found.masks.sum() == 1800


def test_parts_that_share_too_little_stay_two():
    found = scripted([], [(0.9, 0, 100, ROWS)], [(0.8, 80, 180, ROWS)])
    assert found.boxes[:, 0].tolist() == [0, 80]
    found = scripted([], [(0.9, 60, 100, ROWS)], [(0.8, 80, 120, ROWS)])
    assert found.boxes.tolist() == [[60, 40, 60, 10]]  # a half is enough


def test_neighbours_that_one_view_saw_apart_stay_two():
    pits = [(0.9, 10, 30, ROWS), (0.8, 30, 40, ROWS, (20, 40))]
    assert len(scripted([], pits, []).labels) == 2
    found = scripted(pits, pits, [])
    assert found.boxes.tolist() == [[10, 40, 20, 10], [20, 40, 20, 10]]


@pytest.mark.parametrize("start, count", [(89, 1), (90, 1), (91, 2)])
def test_masks_are_merged_only_if_they_overlap_or_touch(start, count):
    """The boxes share 20 of 30 columns; one mask ends in column 89."""
    found = scripted(
        [],
        [(0.9, 70, 90, ROWS, (70, 100))],
        [(0.8, start, 110, ROWS, (80, 110))],
    )
    assert len(found.labels) == count
    assert found.masks.any(axis=0).sum() == 10 * (20 + 110 - max(start, 90))


def test_another_class_is_never_merged():
    def two_minded(image):
        found = spots(image)
        other = found._replace(labels=["dent"] * len(found.labels))
        return Answer(0.5, instances=found if max(image.shape) > 100 else other)

    found = tiled(two_minded, 100)(draw(((10, 20, 6, 8), PIT))).instances
    assert sorted(found.labels) == ["dent", "pit"]


def test_weak_instances_are_left_out_instead_of_merged():
    """In a tile the pit is seen too large, with a score of 0.05."""

    def unsure(image):
        found = spots(image)
        if max(image.shape) > 100 or not found.labels:
            return Answer(0.9, instances=found)
        wide = found.masks.copy()
        wide[:, :, :40] = True
        box = np.array([[0.0, 0, 40, 100]])
        return Answer(0.1, instances=Instances(box, np.array([0.05]), ["pit"], wide))

    image = draw(((10, 20, 6, 8), PIT))
    found = tiled(unsure, 100)(image).instances
    assert found.masks[0].sum() == 48 and found.scores[0] > 0.5
    assert len(found.labels) == 1


def test_boxes_without_masks_are_merged_too():
    def boxes_only(image):
        return Answer(0.5, instances=spots(image)._replace(masks=None))

    found = tiled(boxes_only, 100)(draw(((90, 5, 4, 290), PIT))).instances
    assert found.masks is None and found.boxes.tolist() == [[5, 90, 290, 4]]


def test_nothing_found_and_no_instances():
    found = tiled(answer, 100)(draw()).instances
    assert found.labels == [] and found.boxes.shape == (0, 4)
    with pytest.raises(InputError, match="finds no instances. Omit --tiles"):
        tiled(lambda image: Answer(0.5), 100)(draw())


def test_scores_are_those_of_the_worst_view_and_the_map_of_the_whole():
    def said(image):
        is_whole = max(image.shape) > 100
        chances = np.array([0.8, 0.2] if is_whole else [0.3, 0.7])
        return Answer(1 - chances[0], chances, np.full((2, 2), is_whole), spots(image))

    whole = tiled(said, 100)(draw())
    assert whole.defect_score == pytest.approx(0.7)
    assert whole.probabilities.tolist() == [0.3, 0.7] and whole.anomaly_map.all()


def test_an_image_that_is_no_larger_than_a_tile_is_refused():
    check_tiles(draw(size=(100, 101)), 100, name="a.png")
    with pytest.raises(InputError, match="a.png has 90 x 100 pixels"):
        check_tiles(draw(size=(100, 90)), 100, name="a.png")
