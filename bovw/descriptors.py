"""Keypoints and grid points of an image, and their local descriptors."""

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from preprocessing.images import resize

FEATURES = ("sift", "orb")
POINTS = ("both", "keypoints", "grid")
GRID_STEP = 8  # pixels
SIFT_PATCHES = (16, 32)  # sides of what is described at a point of the grid, pixels
ORB_PATCH = 31  # pixels; it knows no other without shrinking the image
SIFT_SPAN = 6  # sizes of a SIFT keypoint that its descriptor spans
ORB_BITS = 256


class Settings(NamedTuple):
    """How images are described.

    Attributes:
        image_size: `(height, width)` that images are resized to, pixels.
        features: One of FEATURES. ORB is faster, SIFT is more discriminative.
        points: One of POINTS. Keypoints are salient points; the grid also covers the
            surface between them.
    """

    image_size: tuple[int, int]
    features: str = "sift"
    points: str = "both"


class Described(NamedTuple):
    """Patches of an image and their descriptors.

    Attributes:
        patches: x and y of the centre and the side of each described patch, in pixels
            of the given image, float32 `(places, 3)`.
        descriptors: uint8, `(places, 128)` of SIFT, `(places, 32)` of ORB.
    """

    patches: np.ndarray
    descriptors: np.ndarray


def describe(image: np.ndarray, settings: Settings) -> Described:
    """Finds points in an image and computes their descriptors.

    Args:
        image: uint8 RGB `(height, width, 3)` of any size.
        settings: See `Settings`.

    Returns:
        A `Described`; it is empty for a blank image if only keypoints are used.

    Reference:
        Lowe, Distinctive image features from scale-invariant keypoints, IJCV 2004.
        Rublee et al., ORB, ICCV 2011. The grid: Bosch et al., Scene classification
        via pLSA, ECCV 2006.
    """
    height, width = settings.image_size
    grey = cv2.cvtColor(resize(image, settings.image_size), cv2.COLOR_RGB2GRAY)
    is_sift = settings.features == "sift"
    extractor = cv2.SIFT.create() if is_sift else cv2.ORB.create(edgeThreshold=0)
    found = []
    if settings.points != "grid":
        found.append(extractor.detectAndCompute(grey, None))
    if settings.points != "keypoints":
        # apart from the keypoints, for whose sake SIFT would double the image
        found.append(extractor.compute(grey, _grid(height, width, settings.features)))
    keypoints = [point for points, _ in found for point in points]
    # SIFT gives whole numbers of 0 to 255 as floats; None is no place at all
    descriptors = [rows.astype(np.uint8) for _, rows in found if rows is not None]
    nothing = np.empty((0, 128 if is_sift else ORB_BITS // 8), np.uint8)
    patches = [(*point.pt, point.size) for point in keypoints]
    patches = np.array(patches, np.float32).reshape(-1, 3)
    patches[:, 2] *= SIFT_SPAN if is_sift else 1
    scale_y, scale_x = image.shape[0] / height, image.shape[1] / width
    patches *= np.array([scale_x, scale_y, np.sqrt(scale_x * scale_y)], np.float32)
    return Described(patches, np.concatenate([nothing, *descriptors]))


def values_of(descriptors: np.ndarray, features: str) -> np.ndarray:
    """Descriptors as float32 vectors with meaningful Euclidean distances.

    RootSIFT of SIFT, so that distances are Hellinger's; the bits of ORB as 0 and 1,
    so that squared distances are Hamming's.

    Reference:
        Arandjelovic and Zisserman, Three things everyone should know to improve
        object retrieval, CVPR 2012.
    """
    if features == "orb":
        return np.unpackbits(descriptors, axis=1).astype(np.float32)
    values = descriptors.astype(np.float32)
    return np.sqrt(values / np.maximum(values.sum(axis=1, keepdims=True), 1))


@lru_cache(maxsize=8)
def _grid(height, width, features):
    """Upright keypoints on the grid."""
    sizes = [side / SIFT_SPAN for side in SIFT_PATCHES]
    if features == "orb":
        sizes = [ORB_PATCH]
    return tuple(
        cv2.KeyPoint(float(x), float(y), float(size), 0.0, 0.0, 0)
        for size in sizes
        for y in range(GRID_STEP // 2, height, GRID_STEP)
        for x in range(GRID_STEP // 2, width, GRID_STEP)
    )
