"""Near-duplicates: images so alike that one of them must not judge the other."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from scipy.spatial.distance import cdist

from preprocessing.splitting.linkage import bounded_clusters, join
from preprocessing.splitting.structure import (
    shared_by_one_part,
    shared_structure,
    structure,
)

HASH_SIZE = 64  # pixels; the hash sees no finer detail than an eighth of it
MAX_HASH_DISTANCE = 8  # of 64 bits
THUMBNAIL_SIZE = 32
MAX_GREY_DIFFERENCE = 4.0  # mean over the thumbnail, of 255
SURE_GREY_DIFFERENCE = 1.25  # noise and compression alone; more must share its lines
NUM_RANDOM_PAIRS = 500
MIN_IMAGES = 8  # fewer tell nothing of what random pairs share
LOOKS_THE_SAME = 0.5  # grey levels between a picture and itself turned
NUM_TURNS = 9  # of a picture: itself, its flips and quarter turns, its negative
NEGATIVE = NUM_TURNS - 1
COMPARED_AT_ONCE = 5_000_000  # pairs whose hashes are compared in one step
CHECKED_AT_ONCE = 20_000  # pairs whose pixels are


class Fingerprint(NamedTuple):
    """`bits`: 64-bit perceptual hash. `thumbnail`: grey uint8 (32, 32).

    `structure`: map of `structure.structure`; None where it is not asked for.
    """

    bits: np.uint64
    thumbnail: np.ndarray
    structure: np.ndarray | None = None


def fingerprint(image: np.ndarray) -> Fingerprint:
    """Computes what near-duplicates and other pictures of one part are found by.

    Args:
        image: uint8 RGB, `(height, width, 3)`.

    Reference:
        Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions,
        2010 (the DCT hash, "pHash").
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    lines = structure(grey)
    grey = cv2.resize(grey, (HASH_SIZE, HASH_SIZE), interpolation=cv2.INTER_AREA)
    bits = _hash(grey)
    small = (THUMBNAIL_SIZE, THUMBNAIL_SIZE)
    thumbnail = cv2.resize(grey, small, interpolation=cv2.INTER_AREA)
    return Fingerprint(bits, thumbnail, lines)


def cluster(fingerprints: Sequence[Fingerprint]) -> np.ndarray:
    """Numbers the clusters that near-duplicates make, no two of one far apart.

    Links alone would join unlike images where parts differ by small steps: chains
    are cut so that no pair of a cluster differs by more than two links may.

    Args:
        fingerprints: Of each image.

    Returns:
        Integer array `(images,)`; images of one cluster share a number.
    """
    diameter = 2 * max_grey_difference(fingerprints)

    def unlike(members):
        return grey_differences(fingerprints, members) / diameter

    return bounded_clusters(linked(fingerprints), unlike)


def linked(fingerprints: Sequence[Fingerprint]) -> np.ndarray:
    """Numbers what hangs together by near-duplicates, chains uncut, `(images,)`."""
    numbers = np.arange(len(fingerprints))
    pairs = near_duplicate_pairs(fingerprints, lambda a, b: numbers[a] != numbers[b])
    for first, second in pairs:
        numbers = join(numbers, first, second)
    return numbers


def grey_differences(
    fingerprints: Sequence[Fingerprint], members: np.ndarray
) -> np.ndarray:
    """Mean differences of the thumbnails of some images, turned to fit best.

    A negative counts as a turn.

    Args:
        fingerprints: Of each image.
        members: Positions of the images, `(members,)`.

    Returns:
        Float array `(members, members)`, grey levels of 255; of thumbnails of half
        the size, so that noise counts little.
    """
    small = (THUMBNAIL_SIZE // 2, THUMBNAIL_SIZE // 2)
    greys = np.stack(
        [
            cv2.resize(
                fingerprints[member].thumbnail, small, interpolation=cv2.INTER_AREA
            )
            for member in members
        ]
    ).astype(np.float32)
    flat = greys.reshape(len(members), -1)
    best = np.full((len(members), len(members)), np.inf)
    for turn in range(NUM_TURNS):
        turned = turn_pictures(greys, turn).reshape(len(members), -1)
        if turn > 0 and np.abs(turned - flat).mean(1).max() <= LOOKS_THE_SAME:
            continue
        best = np.minimum(best, cdist(turned, flat, "cityblock") / flat.shape[1])
    return np.minimum(best, best.T)


def turn_pictures(pictures: np.ndarray, turn: int) -> np.ndarray:
    """One of the flips and quarter turns of pictures; turn 0 leaves them.

    The turn NEGATIVE changes black and white: of grey levels up to 255, or, in signed
    numbers, of lines.
    """
    if turn == NEGATIVE:
        return -pictures if pictures.dtype == np.int8 else 255 - pictures
    turned = np.rot90(pictures, turn % 4, axes=(1, 2))
    return turned[:, :, ::-1] if turn >= 4 else turned


def has_twin(
    fingerprints: Sequence[Fingerprint], asked: np.ndarray, others: np.ndarray
) -> np.ndarray:
    """Which of the images asked for have a near-duplicate among the others.

    Args:
        fingerprints: Of each image.
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


def max_grey_difference(fingerprints: Sequence[Fingerprint]) -> float:
    """How far the greys of near-duplicates may lie apart, of 255.

    Half as far as those of any two images, as good parts alike by nature must not
    pass for copies; but never less than noise makes, nor more than
    MAX_GREY_DIFFERENCE.
    """
    if len(fingerprints) < MIN_IMAGES:
        return MAX_GREY_DIFFERENCE
    random = np.random.default_rng(0)
    first, second = random.integers(0, len(fingerprints), (2, NUM_RANDOM_PAIRS))
    differences = [
        cv2.absdiff(fingerprints[one].thumbnail, fingerprints[other].thumbnail).mean()
        for one, other in zip(first, second, strict=True)
        if one != other
    ]
    half = np.median(differences) / 2
    return float(np.clip(half, SURE_GREY_DIFFERENCE, MAX_GREY_DIFFERENCE))


class Lines(NamedTuple):
    """`maps`: of each image. `limit`: what images of one part share at least."""

    maps: list[np.ndarray]
    limit: float


def telling_lines(fingerprints: Sequence[Fingerprint]) -> Lines | None:
    """`Lines`, or None where they cannot tell one part from another."""
    maps = [item.structure for item in fingerprints if item.structure is not None]
    if len(maps) < max(MIN_IMAGES, len(fingerprints)):
        return None
    limit = shared_by_one_part(maps)
    return None if limit is None else Lines(maps, limit)


def near_duplicate_pairs(
    fingerprints: Sequence[Fingerprint],
    is_needed: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields the pairs with a near hash whose pixels agree as well, some at once.

    One of the two may be flipped, turned by quarters or a negative. The hashes are
    compared exhaustively, 64 bits in one machine instruction, so no pair is lost; the
    pixel check sees the few that remain. Of 20,000 equal frames there are 200 million
    pairs: only those needed are checked, and none is kept. Small parts on a plain
    ground are all of one grey: where parts lie anyhow, they must share their lines.

    Args:
        fingerprints: Of each image.
        is_needed: Takes two arrays of positions, tells for each pair whether it is
            still of interest; called again after each yield.

    Yields:
        Two integer arrays of positions, the smaller ones first; a pair may come more
        than once.
    """
    if not fingerprints:
        return
    bits = np.array([item.bits for item in fingerprints], np.uint64)
    thumbnails = np.stack([item.thumbnail for item in fingerprints])
    limit, lines = max_grey_difference(fingerprints), telling_lines(fingerprints)
    for turn in range(NUM_TURNS):
        turned, rows = turn_pictures(thumbnails, turn), np.arange(len(bits))
        if turn > 0:  # a picture that looks the same once turned needs no second look
            rows = np.flatnonzero(_differences(turned, thumbnails) > LOOKS_THE_SAME)
        hashes = np.array([_hash(turned[row]) for row in rows]) if turn else bits
        for first, second in _near_hashes(rows, hashes, bits):
            needed = is_needed(first, second)
            first, second = first[needed], second[needed]
            difference = _differences(turned[first], thumbnails[second])
            alike = difference <= limit
            unsure = np.flatnonzero(alike & (difference > SURE_GREY_DIFFERENCE))
            if lines and len(unsure):
                pairs = first[unsure], second[unsure]
                alike[unsure] = _share_lines(lines, turn, *pairs)
            if alike.any():
                yield first[alike], second[alike]


def _share_lines(lines, turn, first, second):
    """Whether pictures, the first ones turned, have the lines of one part."""
    maps = lines.maps
    used, place = np.unique(first, return_inverse=True)
    turned = [turn_pictures(maps[position][None], turn)[0] for position in used]
    return shared_structure(maps + turned, place + len(maps), second) >= lines.limit


def _near_hashes(rows, hashes, bits):
    """Pairs of a picture, turned, and a later one whose hashes are near."""
    rows_at_once = max(1, COMPARED_AT_ONCE // len(bits))
    for start in range(0, len(rows), rows_at_once):
        some = rows[start : start + rows_at_once]
        later = bits[some[0] :]
        distance = np.bitwise_count(hashes[start : start + rows_at_once, None] ^ later)
        near = distance <= MAX_HASH_DISTANCE
        near &= np.arange(some[0], len(bits)) > some[:, None]
        all_first, all_second = np.nonzero(near)
        for part in range(0, len(all_first), CHECKED_AT_ONCE):
            stop = part + CHECKED_AT_ONCE
            yield some[all_first[part:stop]], all_second[part:stop] + some[0]


def _differences(pictures, others):
    """Mean differences of uint8 pictures, one by one, `(pictures,)`."""
    differences = np.maximum(pictures, others) - np.minimum(pictures, others)
    return differences.mean((1, 2), dtype=np.float32)


def _hash(grey):
    return cv2.img_hash.pHash(np.ascontiguousarray(grey)).view(np.uint64)[0, 0]
