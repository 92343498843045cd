import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from preprocessing.embedded_parts.render import render_part
from preprocessing.splitting import near_duplicates
from preprocessing.splitting.near_duplicates import (
    MAX_GREY_DIFFERENCE,
    MAX_HASH_DISTANCE,
    Fingerprint,
    cluster,
    fingerprint,
    has_twin,
)


def noisy(image, seed):
    noise = np.random.default_rng(seed).normal(0, 3, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def test_noise_and_small_defects_do_not_hide_a_duplicate():
    part, _ = render_part("good", 1, size=128)
    scratched = part.copy()
    scratched[60:62, 60:64] = 0
    other, _ = render_part("good", 2, size=128)
    found = all_pairs(
        [fingerprint(image) for image in (part, noisy(part, 0), scratched, other)]
    )
    assert found == {(0, 1), (0, 2), (1, 2)}


def all_pairs(fingerprints):
    def is_needed(first, second):
        return np.ones(len(first), bool)

    parts = near_duplicates.near_duplicate_pairs(fingerprints, is_needed)
    return {pair for part in parts for pair in zip(*map(list, part), strict=True)}


def test_pairs_equal_the_slow_search(monkeypatch):
    random = np.random.default_rng(0)
    base = random.integers(0, 2**63, 12, np.uint64)
    flips = np.uint64(1) << random.integers(0, 64, (60, 5), np.uint64)
    bits = base[random.integers(0, 12, 60)] ^ np.bitwise_xor.reduce(flips, axis=1)
    grey = random.integers(0, 12, (60, 1, 1)) * np.ones((60, 32, 32))
    prints = [
        Fingerprint(bit, image)
        for bit, image in zip(bits, grey.astype(np.uint8), strict=True)
    ]
    slow = {
        (i, j)
        for i in range(60)
        for j in range(i + 1, 60)
        if bin(int(bits[i]) ^ int(bits[j])).count("1") <= MAX_HASH_DISTANCE
        and abs(grey[i, 0, 0] - grey[j, 0, 0]) <= MAX_GREY_DIFFERENCE
    }
    limit = near_duplicates.max_grey_difference(prints)
    assert limit < MAX_GREY_DIFFERENCE  # half of what lies between any two
    monkeypatch.setattr(
        near_duplicates, "max_grey_difference", lambda prints: MAX_GREY_DIFFERENCE
    )
    monkeypatch.setattr(near_duplicates, "COMPARED_AT_ONCE", 7 * 60)
    monkeypatch.setattr(near_duplicates, "CHECKED_AT_ONCE", 5)
    assert all_pairs(prints) == slow and len(slow) > 20
    graph = np.zeros((60, 60), bool)
    graph[tuple(zip(*slow, strict=True))] = True
    _, expected = connected_components(graph, directed=False)
    found = near_duplicates.linked(prints)
    assert len(set(zip(found, expected, strict=True))) == len(set(expected))
    assert len(set(found)) == len(set(expected))
    asked = random.random(60) < 0.5
    twins = {i for pair in slow for i in pair if asked[i] and not asked[sum(pair) - i]}
    assert set(np.flatnonzero(has_twin(prints, asked, ~asked))) == twins


def test_equal_frames_are_not_compared_one_with_all(monkeypatch):
    """3,000 frames of one picture have 4.5 million pairs; a fraction is looked at."""
    checked, compared = [], []
    differences = near_duplicates._differences

    def count(pictures, others):
        compared.append(len(pictures))
        return differences(pictures, others)

    monkeypatch.setattr(near_duplicates, "_differences", count)
    grey = np.zeros((32, 32), np.uint8)
    frames = [Fingerprint(np.uint64(5), grey)] * 3000

    def is_needed(first, second):
        checked.append(len(first))
        return np.ones(len(first), bool)

    pairs = near_duplicates.near_duplicate_pairs(frames, is_needed)
    assert len(next(pairs)[0]) <= near_duplicates.CHECKED_AT_ONCE
    assert sum(checked) <= near_duplicates.CHECKED_AT_ONCE
    compared.clear()
    assert len(set(cluster(frames))) == 1
    asked = np.arange(3000) % 2 == 0
    assert (has_twin(frames, asked, ~asked) == asked).all()
    assert sum(compared) < 300_000


def test_clusters_are_cut_chains():
    greys = (0, 3, 6, 9, 12, 100, 103, 200)  # 3 grey levels apart is near, 6 is not
    frames = [
        Fingerprint(np.uint64(0), np.full((32, 32), grey, np.uint8)) for grey in greys
    ]
    numbers = cluster(frames)
    assert numbers[5] == numbers[6] and len(set(numbers)) == 4
    chain = numbers[:5]
    assert all(np.ptp(np.array(greys[:5])[chain == number]) <= 8 for number in chain)
    assert len(set(near_duplicates.linked(frames))) == 3
    assert len(cluster([])) == 0


def test_parts_that_are_alike_by_nature_have_a_narrower_limit():
    greys = np.arange(100, 110)
    frames = [
        Fingerprint(np.uint64(0), np.full((32, 32), grey, np.uint8)) for grey in greys
    ]
    limit = near_duplicates.max_grey_difference(frames)
    assert limit == pytest.approx(1.5)  # half the median of 1 to 9 apart
    assert near_duplicates.max_grey_difference(frames[:3]) == MAX_GREY_DIFFERENCE
