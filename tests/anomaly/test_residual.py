"""The difference of an image and its reconstruction."""

import numpy as np
import pytest

from anomaly.autoencoders import residual
from anomaly.autoencoders.residual import (
    CELL,
    Residual,
    check_residual,
    measure,
    patch_starts,
    rebuild,
    residual_map,
    ssim_map,
    target_of,
)


def pictures(shape=(24, 20, 3), seed=0):
    random = np.random.default_rng(seed)
    first = random.random(shape, np.float32)
    return first, np.clip(first + random.normal(0, 0.2, shape), 0, 1).astype(np.float32)


def test_ssim_is_that_of_a_slow_loop():
    """The formula of Wang et al., window by window, for values of 0 to 1."""
    first, second = pictures()
    found = ssim_map(first, second)
    steps = np.arange(-5, 6)
    taps = np.exp(-(steps**2) / (2 * 1.5**2))
    window = np.outer(taps, taps) / np.outer(taps, taps).sum()
    for row, column, channel in ((5, 5, 0), (9, 11, 1), (18, 14, 2)):
        here = np.s_[row - 5 : row + 6, column - 5 : column + 6, channel]
        a, b = first[here].astype(float), second[here].astype(float)
        mean_a, mean_b = (window * a).sum(), (window * b).sum()
        var_a = (window * (a - mean_a) ** 2).sum()
        var_b = (window * (b - mean_b) ** 2).sum()
        both = (window * (a - mean_a) * (b - mean_b)).sum()
        slow = (2 * mean_a * mean_b + 1e-4) * (2 * both + 9e-4)
        slow /= (mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4)
        assert found[row, column, channel] == pytest.approx(slow, abs=1e-4)


def test_residuals():
    first, second = pictures()
    squares = ((first - second) ** 2).mean(axis=2)
    unlike = 1 - ssim_map(first, second).mean(axis=2)
    assert np.allclose(residual_map(first, second, 0), squares, atol=1e-6)
    assert np.allclose(residual_map(first, second, 1), unlike, atol=1e-6)
    both = residual_map(first, second, 0.5)
    assert np.allclose(both, (squares + unlike) / 2, atol=1e-6)
    assert residual_map(first, first, 0.5).max() < 1e-5


def test_grey_is_that_of_the_eye():
    pixels = np.array([[[255, 0, 0], [0, 255, 0], [51, 51, 51]]], np.uint8)
    assert target_of(pixels, 1)[0, :, 0] == pytest.approx([0.299, 0.587, 0.2])
    assert target_of(pixels, 3)[0, 2] == pytest.approx([0.2] * 3)


@pytest.mark.parametrize("length, side", [(64, 32), (100, 32), (33, 32), (32, 32)])
def test_patches_cover_a_side_and_overlap_by_half(length, side):
    starts = patch_starts(length, side)
    assert starts[0] == 0 and starts[-1] == length - side
    assert max(np.diff(starts), default=0) <= side / 2 + 1


def arrays(weight, side):
    return Residual(np.array(weight, np.float32), np.array(side, np.float32))


def test_a_stitched_map_is_in_its_place():
    """Of a network that makes everything black, the residual is the image itself."""
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[8:16, 72:88] = 255

    def black(patch):
        assert patch.shape == (32, 32, 3)
        return np.zeros(patch.shape, np.float32)

    found = measure(pixels, black, arrays(0, 32))
    assert found.shape == (64 // CELL, 96 // CELL)
    wanted = pixels[::CELL, ::CELL, 0] / 255
    assert np.allclose(found, wanted, atol=1e-6)
    whole = measure(pixels, lambda x: np.zeros(x.shape, np.float32), arrays(0, 0))
    assert np.allclose(whole, found, atol=1e-6)


def test_what_is_rebuilt_is_the_mean_of_the_patches():
    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    for side in (0, 32):
        again = rebuild(pixels, lambda x: target_of(x, 3), arrays(1, side))
        assert np.allclose(again, pixels / 255, atol=1e-6)


@pytest.mark.parametrize("weight, side", [(1.5, 0), (-0.1, 0), (0, 3.5), (0, -4)])
def test_settings_out_of_range_are_named(weight, side):
    assert check_residual(arrays(weight, side))
    assert check_residual(arrays(1, 32)) is None


def test_the_window_is_the_published_one():
    assert (residual.WINDOW, residual.SIGMA, residual.DATA_RANGE) == (11, 1.5, 1.0)
