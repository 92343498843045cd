import numpy as np
import pytest

from deployment.unlike_good import (
    SAMPLES,
    SIDE,
    distance,
    is_unknown,
    learn_views,
    shrink,
)


def part(light, patch=None):
    """A grey part of 48 x 24 with a bright patch of so many rows, or none."""
    image = np.full((48, 24, 3), light, np.uint8)
    if patch:
        image[:patch] = 255
    return image


def test_distance_by_hand():
    learnt = learn_views([part(100), part(140)], [part(100)])
    assert distance(part(110), learnt) == pytest.approx(10 / 255, abs=1e-4)
    # to 140: a quarter of the cells differ by 115, the others by 40
    nearest = np.sqrt(0.25 * 115**2 + 0.75 * 40**2) / 255
    assert distance(part(100, patch=12), learnt) == pytest.approx(nearest, abs=1e-3)
    assert shrink(part(100)).shape == (SIDE * SIDE * 3,)


def test_a_cell_is_the_mean_of_its_samples():
    dots = np.zeros((SIDE * SAMPLES, SIDE * SAMPLES, 3), np.uint8)
    dots[::4, ::4] = 255  # one sample of the sixteen of each cell
    assert shrink(dots) == pytest.approx(1 / 16, abs=0.005)


def test_what_covers_a_part_is_unknown_and_the_parts_themselves_are_not():
    lights = range(100, 141, 5)
    learnt = learn_views(map(part, lights), [part(102), part(138), part(97)])
    assert learnt.limit == pytest.approx(3 / 255, rel=0.01)
    assert not any(is_unknown(part(light), learnt) for light in (97, 102, 120, 138))
    assert is_unknown(part(120, patch=6), learnt)
    assert is_unknown(part(40), learnt) and is_unknown(part(120)[::, ::-1] // 3, learnt)


def test_colour_counts():
    learnt = learn_views([part(120)], [part(118)])
    red = part(120)
    red[..., 1:] = 60
    assert is_unknown(red, learnt)
