"""Regions of maps, and the choice of threshold and least area."""

import numpy as np
import pytest

from decisions.regions import (
    USUAL_AREA,
    RegionRule,
    choose_rule,
    choose_thresholds,
    find_regions,
    region_areas,
    region_mask,
    rejects,
)


def hot(*boxes, value=1.0, size=(40, 50)):
    found = np.zeros(size, np.float32)
    for top, left, height, width in boxes:
        found[top : top + height, left : left + width] = value
    return found


def test_regions_are_connected_and_those_at_the_border_count():
    found = hot((0, 0, 4, 5), (10, 10, 2, 5), (12, 15, 1, 1), (30, 30, 1, 1))
    # the third touches the second by a corner
    assert sorted(region_areas(found, 0.5) * 2000) == pytest.approx([1, 11, 20])
    assert region_areas(found, 1.5).size == 0


def test_small_regions_are_not_in_the_mask():
    found = hot((0, 0, 4, 5), (30, 30, 1, 1))
    mask = region_mask(found, RegionRule(0.5, 5 / 2000))
    assert mask[:4, :5].all() and mask.sum() == 20
    assert rejects(found, RegionRule(0.5, 20 / 2000))
    assert not rejects(found, RegionRule(0.5, 21 / 2000))
    assert not region_mask(found, RegionRule(0.5, 21 / 2000)).any()


def judged(maps, is_defect):
    thresholds = choose_thresholds(maps, is_defect)
    return choose_rule(find_regions(maps, thresholds), is_defect)


def test_area_tells_what_the_highest_value_cannot():
    """Good parts have single hot pixels, hotter than the large defects are."""
    good = [hot((number, 7, 1, 1), value=5.0) for number in range(20)]
    bad = [hot((10, number, 6, 6), value=2.0) for number in range(20)]
    is_defect = np.repeat([False, True], 20)
    choice = judged(good + bad, is_defect)
    assert choice.scores[choice.place] == 1
    assert 0 < choice.rule.threshold < 2
    assert 1 / 2000 < choice.rule.least_area <= 36 / 2000
    assert [rejects(each, choice.rule) for each in good + bad] == is_defect.tolist()


def test_a_pair_in_the_middle_of_the_best_is_chosen():
    good = [hot((5, 5, 2, 2), value=1.0)] * 9
    bad = [hot((5, 5, 12, 12), value=9.0)] * 9
    choice = judged(good + bad, np.repeat([False, True], 9))
    around = choice.scores[
        choice.place[0] - 5 : choice.place[0] + 6,
        choice.place[1] - 5 : choice.place[1] + 6,
    ]
    assert around.shape == (11, 11) and around.min() == 1


def test_from_good_parts_alone_one_in_a_hundred_is_rejected():
    random = np.random.default_rng(0)
    good = [hot((5, 5, 9, 9), value=v) for v in random.uniform(0.1, 1, 200)]
    choice = judged(good, np.zeros(200, bool))
    rejected = np.mean([rejects(each, choice.rule) for each in good])
    assert 0 <= rejected <= 0.01
    lower = choice.rule._replace(threshold=choice.rule.threshold - 0.1)
    assert np.mean([rejects(each, lower) for each in good]) > 0.01
    assert choice.rule.least_area == pytest.approx(USUAL_AREA, rel=0.2)
    assert "no defective parts" in choice.reason


def test_maps_of_images_that_cannot_be_judged_do_not_stretch_the_range():
    maps = [hot((5, 5, 9, 9), value=2.0), np.full((40, 50), 100, np.float32)]
    found = choose_thresholds(maps, np.array([False, False]))
    assert found[-2] == pytest.approx(2) and 2 < found[-1] < 2.1
