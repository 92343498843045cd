"""Small views of good parts: images that look like none of them are inspected by hand.

A classifier predicts a class for any image, even of a hand in front of the camera. A
view is an image reduced to SIDE x SIDE; an image that is farther from every good view
of `train` than any good image of `validate` is unfamiliar and is not accepted. This is
designed for a fixed camera: if good parts look very different from each other, the
limit is wide and has little effect.
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
    """The view of an image, uint8 RGB `(height, width, 3)`, as a vector."""
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
        `Views`; on average at most one of n + 1 future good parts is farther away than
        the limit, with n good parts in `validate` from the same distribution.
    """
    views = np.stack([shrink(image) for image in train_images])
    learnt = Views(views, (views**2).sum(axis=1), np.float64(0))
    limit = max(distance(image, learnt) for image in validate_images)
    return learnt._replace(limit=np.float64(limit * 1.001))


def is_unknown(image: np.ndarray, learnt: Views) -> bool:
    """Whether an image is farther from every view than the limit."""
    return bool(distance(image, learnt) > learnt.limit)
