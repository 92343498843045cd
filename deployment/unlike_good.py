"""Good parts as the camera sees them, small: what looks like none of them is inspected.

A classifier names a class for anything, a hand before the camera too. A view is an
image shrunk to SIDE x SIDE; one that is farther from every good view of `train` than
any good image of `validate` is unknown, and is not accepted. Made for a fixed camera:
where good parts look ever different the limit is wide, and does little.
"""

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np

SIDE, SAMPLES = 8, 4
MAX_VIEWS = 300
VIEW_VALUES = SIDE * SIDE * 3
VIEW_SHAPES = {"views": ("views", "values"), "lengths": ("views",), "limit": ()}
UNKNOWN = "unlike every good part in the training data"


class Views(NamedTuple):
    """Good views, `(views, SIDE * SIDE * 3)` float32 of 0 to 1, and the limit.

    `lengths` are the squared lengths of the views, kept to save time.
    """

    views: np.ndarray
    lengths: np.ndarray
    limit: np.ndarray | np.float64


def shrink(image: np.ndarray) -> np.ndarray:
    """A view of uint8 RGB `(height, width, 3)` as a vector."""
    size = (SIDE * SAMPLES, SIDE * SAMPLES)  # means of samples: a tenth of the time
    small = cv2.resize(image, size, interpolation=cv2.INTER_NEAREST)
    small = cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return small.reshape(-1).astype(np.float32) / 255


def distance(image: np.ndarray, learnt: Views) -> float:
    """Root mean square difference of an image to the nearest of `Views`, 0 to 1."""
    view = shrink(image)
    # no matrix product: its threads would keep the network's from the processor
    products = np.einsum("ij,j->i", learnt.views, view)
    squared = (learnt.lengths - 2 * products).min() + view @ view
    return float(np.sqrt(max(squared, 0) / view.size))


def learn_views(
    train_images: Iterable[np.ndarray], validate_images: Iterable[np.ndarray]
) -> Views:
    """Views of good parts.

    Args:
        train_images, validate_images: Good images, uint8 RGB of any size; iterables.

    Returns:
        `Views`; on average at most one of n + 1 good parts to come is farther than the
        limit, n those of `validate`, if they come as these did.
    """
    views = np.stack([shrink(image) for image in train_images])
    learnt = Views(views, (views**2).sum(axis=1), np.float64(0))
    limit = max(distance(image, learnt) for image in validate_images)
    return learnt._replace(limit=np.float64(limit * 1.001))


def is_unknown(image: np.ndarray, learnt: Views) -> bool:
    """Whether an image is farther from every view than the limit."""
    return bool(distance(image, learnt) > learnt.limit)
