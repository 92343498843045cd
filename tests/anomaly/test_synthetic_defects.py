"""Defects that are drawn onto good parts."""

import cv2
import numpy as np
import pytest

from anomaly.synthetic_defects import KINDS, draw_defect, stain


def part():
    image = np.full((120, 160, 3), 230, np.uint8)
    cv2.circle(image, (80, 60), 45, (120, 90, 60), cv2.FILLED)
    rough = np.random.default_rng(0).integers(0, 40, (120, 160, 1), np.uint8)
    return image - rough


@pytest.mark.parametrize("kind", KINDS)
def test_the_mask_says_where_the_image_was_changed(kind):
    image = part()
    is_part = image[..., 2] < 100
    for seed in range(5):
        changed, mask = draw_defect(image, kind, np.random.default_rng(seed), is_part)
        assert changed.shape == image.shape and changed.dtype == np.uint8
        apart = np.abs(changed.astype(int) - image).max(axis=2)
        assert mask.any() and (apart[~mask] < 8).all() and (apart[mask] >= 8).all()
        assert mask.mean() < 0.2
        again, _ = draw_defect(image, kind, np.random.default_rng(seed), is_part)
        assert np.array_equal(again, changed)


def test_defects_lie_on_the_part():
    image = part()
    is_part = np.zeros(image.shape[:2], bool)
    is_part[55:65, 75:85] = True
    for seed in range(10):
        _, mask = draw_defect(image, "spot", np.random.default_rng(seed), is_part)
        y, x = (axis.mean() for axis in np.nonzero(mask))
        assert 45 < y < 75 and 65 < x < 95


def test_a_stain_changes_one_place():
    image = part()
    before = image.copy()
    apart = stain(image, np.random.default_rng(1)).astype(int) != image
    assert 0 < apart.any(axis=2).mean() < 0.1 and np.array_equal(image, before)
