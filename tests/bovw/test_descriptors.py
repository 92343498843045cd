import cv2
import numpy as np
import pytest

from bovw.descriptors import FEATURES, POINTS, Settings, describe, values_of

BLANK = np.full((64, 64, 3), 90, np.uint8)


def textured(height=64, width=64):
    random = np.random.default_rng(0)
    coarse = random.integers(0, 255, (height // 8, width // 8, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("points", POINTS)
@pytest.mark.parametrize("image", [BLANK, textured(), BLANK[:32, :32]])
def test_every_place_has_a_descriptor(image, features, points):
    found = describe(image, Settings(image.shape[:2], features, points))
    assert found.patches.shape == (len(found.descriptors), 3)
    assert found.descriptors.dtype == np.uint8
    assert found.descriptors.shape[1] == {"sift": 128, "orb": 32}[features]


@pytest.mark.parametrize("features", FEATURES)
def test_a_blank_image_has_no_keypoints_but_a_grid(features):
    def count(points):
        return len(describe(BLANK, Settings((64, 64), features, points)).patches)

    # 8 x 8 points of the grid, of SIFT at two sizes
    grid = {"sift": 128, "orb": 64}[features]
    assert [count(points) for points in POINTS] == [grid, 0, grid]


@pytest.mark.parametrize("features", FEATURES)
def test_both_is_keypoints_then_grid(features):
    both, keypoints, grid = (
        describe(textured(), Settings((64, 64), features, points)).descriptors
        for points in POINTS
    )
    assert len(keypoints) > 0
    assert (both == np.concatenate([keypoints, grid])).all()


def test_bytes_are_the_whole_numbers_of_sift():
    grey = cv2.cvtColor(textured(), cv2.COLOR_RGB2GRAY)
    _, expected = cv2.SIFT_create().detectAndCompute(grey, None)
    found = describe(textured(), Settings((64, 64), "sift", "keypoints"))
    assert (found.descriptors == expected).all()


def test_places_are_in_pixels_of_the_given_image():
    """Looked at in half the height and a quarter of the width."""
    places = describe(textured(128, 256), Settings((64, 64), "sift", "grid")).patches
    # the first point of the grid is at (4, 4); its patch of 16 grows by sqrt(2 * 4)
    assert places[0] == pytest.approx([16, 8, 16 * np.sqrt(8)])
    # the second a step of 8 to the right, which is 4 times as far there
    assert places[1] == pytest.approx([48, 8, 16 * np.sqrt(8)])


def test_root_sift_has_length_1_and_distances_of_hellinger():
    descriptors = np.zeros((3, 128), np.uint8)
    descriptors[0, :2], descriptors[1, :2] = (9, 16), (16, 9)
    values = values_of(descriptors, "sift")
    assert np.linalg.norm(values, axis=1) == pytest.approx([1, 1, 0])
    # the roots of 9 / 25 and 16 / 25: 0.6 * 0.8 + 0.8 * 0.6
    assert values[0] @ values[1] == pytest.approx(0.96)


def test_squared_distances_of_orb_are_numbers_of_bits():
    descriptors = np.zeros((2, 32), np.uint8)
    descriptors[1, :2] = (0b11, 0b100)  # three bits
    values = values_of(descriptors, "orb")
    assert values.shape == (2, 256)
    assert ((values[0] - values[1]) ** 2).sum() == 3
