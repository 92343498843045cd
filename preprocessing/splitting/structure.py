"""The structure of an image that does not depend on the light: its fine edges.

Images of one part can differ in brightness, contrast and shading, and are often cropped
differently by some pixels. Their fine edges (called lines here) stay the same: two maps
of them are aligned by phase correlation, and the height of its peak shows how much they
share. Measured on tiles under six lights: 9 in 10 pairs of neighbouring exposures of a
place reach 0.3, 999 in 1,000 pairs of different places stay below 0.12.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import scipy.fft

from goodparts.machine import num_cpus

SIZE = 128  # pixels of the longer side, at most; halved until it fits
SAME_PART = 0.35  # by the picture alone; screws of different parts reach it at most
FAR_ABOVE = 4  # times what 19 in 20 random pairs share, where that is less
LEAST = 0.18
SAME_IN_SERIES = 0.12  # where names say so too, and across a group
ONE_SCENE = 0.15  # a quarter of random pairs above it: a fixed camera's background
NUM_NEIGHBOURS = 16
NUM_RANDOM_PAIRS = 400
AT_ONCE = 1000


def structure(grey: np.ndarray) -> np.ndarray:
    """The fine lines of a grey image, each place by its own contrast, as int8."""
    scale = 1
    while max(grey.shape) > SIZE * scale:
        scale *= 2
    size = [max(1, round(side / scale)) for side in grey.shape[::-1]]
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    light = np.log1p(small)
    lines = light - cv2.blur(light, (13, 13))
    contrast = np.sqrt(cv2.blur(lines * lines, (19, 19))) + 0.02
    return np.clip(lines / contrast * 40, -127, 127).astype(np.int8)


def shared_structure(
    maps: Sequence[np.ndarray], first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """How much of their lines two images share after alignment.

    Args:
        maps: Maps from `structure`.
        first, second: Positions of the pairs, `(pairs,)`.

    Returns:
        The peak of the phase correlation, `(pairs,)`, about 0.04 for unlike images
        and 1 for equal ones.

    Reference:
        Kuglin and Hines, The phase correlation image alignment method, 1975.
    """
    peaks = np.empty(len(first), np.float32)
    for start in range(0, len(first), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        both = np.stack([first[part], second[part]])
        used, place = np.unique(both, return_inverse=True)
        phases = spectra(maps, used)
        phases /= np.abs(phases) + 1e-6
        one, other = phases[place.reshape(both.shape)]
        shifts = scipy.fft.irfft2(one * other.conj(), workers=num_cpus())
        peaks[part] = shifts.max((1, 2))
    return peaks


def spectra(maps: Sequence[np.ndarray], used: np.ndarray) -> np.ndarray:
    """Spectra of some of the maps, laid into squares of zeros, complex64."""
    squares = np.zeros((len(used), SIZE, SIZE), np.float32)
    for square, position in zip(squares, used, strict=True):
        height, width = maps[position].shape
        square[:height, :width] = maps[position]
    return scipy.fft.rfft2(squares, workers=num_cpus())


def shared_by_one_part(maps: Sequence[np.ndarray]) -> float | None:
    """From where on two images share so much that they show one part.

    Returns:
        The limit, far above what random pairs share; None where most images show the
        same, as under a fixed camera: there the lines of the background agree,
        whatever part lies in front of it.
    """
    random = np.random.default_rng(0)
    first, second = random.integers(0, len(maps), (2, NUM_RANDOM_PAIRS))
    kept = first != second
    peaks = shared_structure(maps, first[kept], second[kept])
    if np.quantile(peaks, 0.75) >= ONE_SCENE:
        return None
    return float(np.clip(FAR_ABOVE * np.quantile(peaks, 0.95), LEAST, SAME_PART))


def likely_pairs(maps: Sequence[np.ndarray]) -> np.ndarray:
    """Pairs worth aligning: neighbours by spectrum, which does not depend on shifts.

    Returns:
        Two integer arrays of positions, the smaller ones first.
    """
    looks = [_look(maps, slice_) for slice_ in _slices(len(maps))]
    looks = np.concatenate(looks)
    looks -= looks.mean(0)
    looks /= np.maximum(np.linalg.norm(looks, axis=1, keepdims=True), 1e-9)
    num_neighbours = min(NUM_NEIGHBOURS, len(maps) - 1)
    pairs = []
    for rows in _slices(len(maps)):
        alike = looks[rows] @ looks.T
        alike[np.arange(len(rows)), rows] = -2
        nearest = np.argpartition(-alike, num_neighbours - 1, axis=1)
        nearest = nearest[:, :num_neighbours]
        pairs.append(np.stack([np.repeat(rows, num_neighbours), nearest.ravel()]))
    return np.unique(np.sort(np.concatenate(pairs, axis=1), axis=0), axis=1)


def _look(maps, rows):
    """The coarse part of the spectrum's size, of neighbouring frequencies pooled."""
    sizes = np.sqrt(np.abs(spectra(maps, rows)))
    half = SIZE // 4
    low = np.concatenate([sizes[:, :half, :half], sizes[:, -half:, :half]], axis=1)
    pooled = low.reshape(len(rows), half, 2, half // 2, 2).mean((2, 4))
    return pooled.reshape(len(rows), -1)


def _slices(count):
    return [
        np.arange(start, min(start + AT_ONCE, count))
        for start in range(0, count, AT_ONCE)
    ]
