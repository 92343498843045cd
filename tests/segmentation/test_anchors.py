"""Anchors: where they are, and that they fit the boxes of train."""

import numpy as np
import pytest

from segmentation.anchors import (
    RATIOS,
    SIZES,
    STRIDES,
    Anchors,
    anchors_text,
    as_json,
    coverage,
    fit_anchors,
    from_json,
    num_cells,
    place_anchors,
)

USUAL = Anchors(SIZES, RATIOS)


def test_there_is_one_for_each_cell_and_ratio():
    """By level, row, column and ratio: the order of the pyramid's output."""
    found = place_anchors((64, 96), USUAL)
    index = 0
    for level, stride in enumerate(STRIDES):
        for row in range(-(-64 // stride)):
            for column in range(-(-96 // stride)):
                for ratio in RATIOS:
                    x1, y1, x2, y2 = found[index]
                    assert (x1 + x2) / 2 == pytest.approx((column + 0.5) * stride)
                    assert (y1 + y2) / 2 == pytest.approx((row + 0.5) * stride)
                    area = (x2 - x1) * (y2 - y1)
                    assert area == pytest.approx(SIZES[level] ** 2, rel=1e-4)
                    assert (y2 - y1) / (x2 - x1) == pytest.approx(ratio, rel=1e-4)
                    index += 1
    assert index == len(found)


def test_levels_of_odd_sizes_are_rounded_up():
    assert num_cells((96, 160))[-1] == (2, 3)


def squares(*sides):
    return np.array([(side, side) for side in sides], float)


def test_small_boxes_get_small_anchors():
    small, large = fit_anchors(squares(5, 6, 8, 12)), fit_anchors(squares(150, 200))
    assert small.sizes[0] <= 8 < 12 <= large.sizes[0]
    assert coverage(squares(5, 6, 8, 12), small) > 0.7
    usual = Anchors((32, 64, 128, 256, 512), RATIOS)
    assert coverage(squares(5, 6, 8, 12), usual) == 0


def test_long_boxes_get_long_anchors():
    sides = np.array([(100, 10), (80, 9), (8, 90)], float)
    assert max(fit_anchors(sides).ratios) > 2
    assert fit_anchors(squares(10, 20, 40)).ratios == RATIOS


def test_coverage_by_hand():
    """A box of 16 px is covered by an anchor of 16, a quarter of 8 px away, but not one
    of 4 px by an anchor of 4 on the same stride."""
    only = Anchors((1000.0, 16.0, 1000.0, 1000.0, 1000.0), (1.0,))
    both = (16 - 2) ** 2 / (2 * 16**2 - (16 - 2) ** 2)
    assert both > 0.5 and coverage(squares(16), only) == 1
    assert coverage(squares(16), only._replace(sizes=(1000.0,) * 5)) == 0


def test_nothing_to_fit_gives_the_usual():
    assert fit_anchors(np.zeros((0, 2))) == USUAL


def test_the_text_names_sizes_and_coverage():
    text = anchors_text(USUAL, squares(8, 16, 30))
    assert (
        "8, 16, 32, 64, 128 px" in text and "100%" in text and "1:2, 1:1, 2:1" in text
    )


def test_anchors_as_json():
    assert from_json(as_json(USUAL)) == USUAL
