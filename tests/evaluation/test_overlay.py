import numpy as np
import pytest

from evaluation.overlay import draw_overlay
from evaluation.predictor import Instances


def test_where_there_is_no_heat_the_image_stays():
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    heat = np.zeros((60, 80), np.float32)
    heat[20:40, 30:50] = 1
    marked = draw_overlay(image, heat=heat)
    changed = (marked != image).any(axis=2)
    assert changed[20:40, 30:50].all() and changed.sum() <= 24 * 24
    # 0.6 of the map's brightest colour, (252, 255, 164), and 0.4 of the image
    expected = 0.6 * np.array([252, 255, 164]) + 0.4 * image[30, 40]
    assert marked[30, 40] == pytest.approx(expected, abs=2)


def test_strong_heat_is_outlined_and_weak_heat_is_not():
    image = np.full((60, 80, 3), 100, np.uint8)
    heat = np.zeros((60, 80), np.float32)
    heat[20:40, 10:30], heat[20:40, 50:70] = 0.51, 0.5
    marked = draw_overlay(image, heat=heat)
    assert (marked[20, 10:30] == (255, 235, 59)).all()
    assert (marked[20, 50:70] == marked[30, 60]).all()


def test_odd_heat_is_drawn_too():
    image = np.full((4, 4, 3), 100, np.uint8)
    assert (draw_overlay(image, heat=np.full((4, 4), np.nan)) == image).all()
    full, more = np.ones((4, 4)), np.full((4, 4), 7.0)
    assert (draw_overlay(image, heat=more) == draw_overlay(image, heat=full)).all()


def test_heat_of_another_size_covers_the_image():
    marked = draw_overlay(np.zeros((40, 60, 3), np.uint8), heat=np.full((2, 3), 0.4))
    assert marked.shape == (40, 60, 3) and (marked.max(axis=2) > 20).all()


def test_truth_and_instances_are_drawn_where_they_are():
    image = np.full((80, 80, 3), 90, np.uint8)
    truth = np.zeros((80, 80), bool)
    truth[10:20, 10:20] = True
    mask = np.zeros((1, 80, 80), bool)
    mask[0, 50:60, 40:70] = True
    found = Instances(np.array([[40, 50, 30, 10]]), np.array([0.9]), ["pit"], mask)
    outlined = (draw_overlay(image, truth=truth) != image).any(axis=2)
    assert (
        outlined[10, 10:20].all() and not outlined[14, 14] and not outlined[40:].any()
    )
    marked = (draw_overlay(image, instances=found) != image).any(axis=2)
    assert marked[50:60, 40:70].all() and not marked[:30].any()
    assert (image == 90).all()


def test_words_stay_within_the_image_and_missed_ones_are_boxes():
    image = np.full((60, 120, 3), 90, np.uint8)
    found = Instances(np.array([[100.0, 30, 15, 10]]), np.array([0.9]), ["pit"])
    written = draw_overlay(image, instances=found, words=["pit 0.90 IoU 0.80"])
    changed = (written != 90).any(axis=2)
    columns = np.flatnonzero(changed[:26].any(axis=0))  # above the box
    assert columns.max() < 119 and columns.min() < 30
    plain = draw_overlay(image, instances=found)
    assert np.flatnonzero((plain != 90).any(axis=2)[:26].any(axis=0)).min() > 30
    missed = draw_overlay(image, missed=found)
    assert (missed[30, 100:115] == (0, 230, 118)).all()  # the colour of the truth
    changed = (missed != 90).any(axis=2)
    assert changed[43:].any() and not changed[:28].any()  # words below the box


def test_with_nothing_to_draw_it_is_the_image():
    image = np.full((5, 5, 3), 90, np.uint8)
    none = Instances(np.zeros((0, 4)), np.zeros(0), [])
    assert (
        draw_overlay(image, instances=none, truth=np.zeros((5, 5), bool)) == 90
    ).all()
