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
COMPARED_AT_ONCE = 5_000_000  # pairs whose hashes are compared in one step
CHECKED_AT_ONCE = 20_000  # pairs whose pixels are


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


def cluster(fingerprints):
    """Numbers the clusters that near-duplicates make, each like another of its own.

    Args:
        fingerprints: List of `Fingerprint`.

    Returns:
        Integer array `(images,)`; images of one cluster share a number.
    """
    numbers = np.arange(len(fingerprints))
    pairs = near_duplicate_pairs(fingerprints, lambda a, b: numbers[a] != numbers[b])
    for first, second in pairs:
        links = (np.ones(len(first), bool), (numbers[first], numbers[second]))
        graph = coo_array(links, shape=(len(numbers), len(numbers)))
        numbers = connected_components(graph, directed=False)[1][numbers]
    return numbers


def has_twin(fingerprints, asked, others):
    """Which of the images asked for have a near-duplicate among the others.

    Args:
        fingerprints: List of `Fingerprint`.
        asked, others: Bool, `(images,)`; no image is both.

    Returns:
        Bool array `(images,)`.
    """
    open_ones, found = asked.copy(), np.zeros(len(asked), bool)

    def is_needed(first, second):
        return open_ones[first] & others[second] | open_ones[second] & others[first]

    for pair in near_duplicate_pairs(fingerprints, is_needed):
        both = np.concatenate(pair)
        found[both[asked[both]]] = True
        open_ones &= ~found
    return found


def near_duplicate_pairs(fingerprints, is_needed):
    """Yields the pairs with a near hash whose pixels agree as well, some at once.

    The hashes are compared exhaustively, 64 bits in one machine instruction, so no
    pair is lost; the pixel check sees the few that remain. Of 20,000 equal frames
    there are 200 million pairs: only those needed are checked, and none is kept.

    Args:
        fingerprints: List of `Fingerprint`.
        is_needed: Takes two arrays of positions, tells for each pair whether it is
            still of interest; called again after each yield.

    Yields:
        Two integer arrays of positions, the smaller ones first.
    """
    if not fingerprints:
        return
    bits = np.array([item.bits for item in fingerprints], np.uint64)
    thumbnails = np.stack([item.thumbnail for item in fingerprints]).astype(np.int16)
    rows_at_once = max(1, COMPARED_AT_ONCE // len(bits))
    for start in range(0, len(bits), rows_at_once):
        rows = bits[start : start + rows_at_once]
        distance = np.bitwise_count(rows[:, None] ^ bits[None, start:])
        near = np.triu(distance <= MAX_HASH_DISTANCE, k=1)
        all_first, all_second = np.nonzero(near)
        for part in range(0, len(all_first), CHECKED_AT_ONCE):
            first = all_first[part : part + CHECKED_AT_ONCE] + start
            second = all_second[part : part + CHECKED_AT_ONCE] + start
            needed = is_needed(first, second)
            first, second = first[needed], second[needed]
            difference = np.abs(thumbnails[first] - thumbnails[second])
            alike = difference.mean((1, 2)) <= MAX_GREY_DIFFERENCE
            if alike.any():
                yield first[alike], second[alike]
