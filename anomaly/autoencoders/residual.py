"""How an image differs from what an autoencoder makes of it.

NumPy and OpenCV alone, as bundles use it too.

Reference:
    Bergmann et al., Improving unsupervised defect segmentation by applying structural
    similarity to autoencoders, 2019.
"""

from typing import NamedTuple

import cv2
import numpy as np

from networks.engines import Network

SHAPES: dict[str, tuple[str, ...]] = {"ssim_weight": (), "patch_size": ()}
CELL = 4  # pixels of the canvas that become one value
WINDOW, SIGMA = 11, 1.5  # of the Gaussian window of SSIM, pixels
DATA_RANGE = 1.0
C1, C2 = (0.01 * DATA_RANGE) ** 2, (0.03 * DATA_RANGE) ** 2
GREY = np.array([0.299, 0.587, 0.114], np.float32)  # weights of R, G and B


class Residual(NamedTuple):
    """How the difference is measured.

    Attributes:
        ssim_weight: float32 `()`, 1 for 1 - SSIM, 0 for the squared difference; between
            them, of both.
        patch_size: float32 `()`, side in pixels of the patches that are rebuilt one by
            one; 0 where the whole canvas is rebuilt at once.
    """

    ssim_weight: np.ndarray
    patch_size: np.ndarray


def measure(pixels: np.ndarray, network: Network, residual: Residual) -> np.ndarray:
    """The mean difference in each cell of CELL x CELL pixels.

    Args:
        pixels: The canvas, uint8 RGB `(height, width, 3)`, sides multiples of CELL.
        network: Rebuilds it, or a patch of it.
        residual: How the difference is measured.

    Returns:
        float32 `(height / CELL, width / CELL)`.
    """
    weight = float(residual.ssim_weight)

    def difference(patch):
        rebuilt = network(patch)
        return residual_map(target_of(patch, rebuilt.shape[-1]), rebuilt, weight)

    found = _stitched(pixels, difference, int(residual.patch_size))
    cells = (pixels.shape[1] // CELL, pixels.shape[0] // CELL)
    return cv2.resize(found, cells, interpolation=cv2.INTER_AREA)


def rebuild(pixels: np.ndarray, network: Network, residual: Residual) -> np.ndarray:
    """What the autoencoder makes of a canvas, float32 `(height, width, channels)`."""
    return _stitched(pixels, network, int(residual.patch_size))


def _stitched(pixels, function, side):
    """The mean of what a function says of each patch; of the whole where side is 0."""
    if not side:
        return function(pixels)
    total, counts = 0.0, np.zeros(pixels.shape[:2], np.float32)
    for top in patch_starts(pixels.shape[0], side):
        for left in patch_starts(pixels.shape[1], side):
            here = np.s_[top : top + side, left : left + side]
            found = function(pixels[here])
            if np.isscalar(total):
                total = np.zeros((*counts.shape, *found.shape[2:]), np.float32)
            total[here] += found
            counts[here] += 1
    return total / counts.reshape(*counts.shape, *[1] * (total.ndim - 2))


def patch_starts(length: int, side: int) -> list[int]:
    """Where patches start along a side, so that neighbours overlap by half or more."""
    count = 1 + int(np.ceil((length - side) / (side / 2)))
    return np.linspace(0, length - side, count).round().astype(int).tolist()


def target_of(pixels: np.ndarray, num_channels: int) -> np.ndarray:
    """What is to be rebuilt: uint8 RGB `(..., 3)` as float32 of 0 to 1.

    Args:
        pixels: One image or a batch.
        num_channels: 3 for RGB, 1 for grey.
    """
    scaled = pixels.astype(np.float32) / 255
    return scaled if num_channels == 3 else (scaled @ GREY)[..., None]


def residual_map(
    target: np.ndarray, rebuilt: np.ndarray, ssim_weight: float
) -> np.ndarray:
    """The difference of two images at each pixel, the mean over their channels.

    Args:
        target, rebuilt: float32 `(height, width, channels)` of 0 to 1.
        ssim_weight: See `Residual`.

    Returns:
        float32 `(height, width)`: 1 - SSIM is from 0 to 2, the squared difference from
        0 to 1.
    """
    found = np.zeros(target.shape[:2], np.float32)
    if ssim_weight > 0:
        unlike = 1 - ssim_map(target, rebuilt).mean(axis=2)
        found += ssim_weight * np.maximum(unlike, 0)
    if ssim_weight < 1:
        found += (1 - ssim_weight) * ((target - rebuilt) ** 2).mean(axis=2)
    return found


def ssim_map(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The structural similarity at each pixel, float32 `(height, width, channels)`.

    Args:
        first, second: float32 of the same shape, values of 0 to DATA_RANGE.

    Reference:
        Wang et al., Image quality assessment: from error visibility to structural
        similarity, 2004.
    """
    mean_1, mean_2 = _windowed(first), _windowed(second)
    variance_1 = _windowed(first * first) - mean_1 * mean_1
    variance_2 = _windowed(second * second) - mean_2 * mean_2
    covariance = _windowed(first * second) - mean_1 * mean_2
    light = (2 * mean_1 * mean_2 + C1) / (mean_1**2 + mean_2**2 + C1)
    return light * (2 * covariance + C2) / (variance_1 + variance_2 + C2)


def _windowed(values):
    blurred = cv2.GaussianBlur(
        values, (WINDOW, WINDOW), SIGMA, borderType=cv2.BORDER_REFLECT
    )
    return blurred.reshape(values.shape)  # OpenCV drops a single channel


def check_residual(residual: Residual) -> str | None:
    """What does not fit together, as text; None where all does."""
    if not 0 <= residual.ssim_weight <= 1:
        return "ssim_weight must be from 0 to 1"
    side = float(residual.patch_size)
    fits = side >= 0 and side == int(side)
    return None if fits else "patch_size must be a whole number of pixels"
