import numpy as np

from preprocessing.near_duplicates import (
    MAX_GREY_DIFFERENCE,
    MAX_HASH_DISTANCE,
    Fingerprint,
    cluster,
    fingerprint,
    near_duplicate_pairs,
)
from preprocessing.synthetic import render_part


def noisy(image, seed):
    noise = np.random.default_rng(seed).normal(0, 3, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def test_noise_and_small_defects_do_not_hide_a_duplicate():
    part, _ = render_part("good", 1, size=128)
    scratched = part.copy()
    scratched[60:62, 60:64] = 0
    other, _ = render_part("good", 2, size=128)
    found = near_duplicate_pairs(
        [fingerprint(image) for image in (part, noisy(part, 0), scratched, other)]
    )
    assert {tuple(pair) for pair in found.tolist()} == {(0, 1), (0, 2), (1, 2)}


def test_pairs_equal_the_slow_search():
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
    found = near_duplicate_pairs(prints, rows_at_once=7)
    assert {tuple(pair) for pair in found.tolist()} == slow and len(slow) > 20


def test_clusters_are_chains():
    numbers = cluster(5, np.array([[0, 1], [1, 2], [3, 4]]))
    assert numbers[0] == numbers[1] == numbers[2] != numbers[3] == numbers[4]
    assert len(set(cluster(3, np.zeros((0, 2), int)))) == 3
    assert near_duplicate_pairs([]).shape == (0, 2)
