"""Near-duplicates: images so alike that one of them must not judge the other."""

from typing import NamedTuple

import cv2
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

HASH_SIZE = 64  # pixels; the hash sees no finer detail than an eighth of it
MAX_HASH_DISTANCE = 8  # of 64 bits
THUMBNAIL_SIZE = 32
MAX_GREY_DIFFERENCE = 4.0  # mean over the thumbnail, of 255


class Fingerprint(NamedTuple):
    """`bits`: 64-bit perceptual hash. `thumbnail`: grey uint8 (32, 32)."""

    bits: np.uint64
    thumbnail: np.ndarray


def fingerprint(image):
    """Computes what near-duplicates are found by.

    Args:
        image: uint8 RGB, `(height, width, 3)`.

    Reference:
        Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions,
        2010 (the DCT hash, "pHash").
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    grey = cv2.resize(grey, (HASH_SIZE, HASH_SIZE), interpolation=cv2.INTER_AREA)
    bits = cv2.img_hash.pHash(grey).view(np.uint64)[0, 0]
    small = (THUMBNAIL_SIZE, THUMBNAIL_SIZE)
    return Fingerprint(bits, cv2.resize(grey, small, interpolation=cv2.INTER_AREA))


def near_duplicate_pairs(fingerprints, *, rows_at_once=256):
    """Finds all pairs with a near hash whose pixels agree as well.

    The hashes are compared exhaustively, 64 bits in one machine instruction, so no
    pair is lost; the pixel check sees the few that remain.

    Args:
        fingerprints: List of `Fingerprint`.
        rows_at_once: Images compared with all later ones in one step.

    Returns:
        Integer array `(pairs, 2)` of positions, the smaller one first.
    """
    if not fingerprints:
        return np.zeros((0, 2), np.int32)
    bits = np.array([item.bits for item in fingerprints], np.uint64)
    thumbnails = np.stack([item.thumbnail for item in fingerprints]).astype(np.int16)
    found = [np.zeros((0, 2), np.int32)]
    for start in range(0, len(bits), rows_at_once):
        rows = bits[start : start + rows_at_once]
        distance = np.bitwise_count(rows[:, None] ^ bits[None, start:])
        first, second = np.nonzero(np.triu(distance <= MAX_HASH_DISTANCE, k=1))
        first, second = first + start, second + start
        alike = _pixels_agree(thumbnails, first, second)
        found.append(np.stack([first[alike], second[alike]], 1).astype(np.int32))
    return np.concatenate(found)


def cluster(num_images, pairs):
    """Numbers the clusters that the pairs connect.

    Returns:
        Integer array `(num_images,)`; images of one cluster share a number.
    """
    links = (np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1]))
    graph = coo_array(links, shape=(num_images, num_images))
    return connected_components(graph, directed=False)[1]


def _pixels_agree(thumbnails, first, second, *, pairs_at_once=20_000):
    agree = np.zeros(len(first), bool)
    for start in range(0, len(first), pairs_at_once):
        part = slice(start, start + pairs_at_once)
        difference = np.abs(thumbnails[first[part]] - thumbnails[second[part]])
        agree[part] = difference.mean((1, 2)) <= MAX_GREY_DIFFERENCE
    return agree
