"""Images of one part: near-duplicates, the same edges in other light, and series."""

from collections.abc import Sequence

import numpy as np

from preprocessing.splitting.linkage import bounded_clusters, join
from preprocessing.splitting.near_duplicates import (
    Fingerprint,
    grey_differences,
    linked,
    max_grey_difference,
    telling_lines,
)
from preprocessing.splitting.series import find_runs
from preprocessing.splitting.structure import (
    SAME_IN_SERIES,
    likely_pairs,
    shared_structure,
)

MAX_OVERLAID = 150  # images of which all pairs are laid over each other
MOST = 0.5  # of a series' neighbours that must share their lines


def same_part_groups(
    fingerprints: Sequence[Fingerprint], labels: Sequence[str], names: Sequence[str]
) -> tuple[np.ndarray, dict[str, int]]:
    """Numbers the images that must stay together, and says why they do.

    Args:
        fingerprints: Fingerprints of each image.
        labels, names: Label and file name of each image.

    Returns:
        Integer array `(images,)`, and `{"near_copies", "lines", "numbers"}`: how many
        images are grouped with another one for each reason.
    """
    lines = telling_lines(fingerprints)
    diameter = 2 * max_grey_difference(fingerprints)

    def unlike(members):
        return _unlike(fingerprints, lines, diameter, members)

    near = linked(fingerprints)
    numbers = bounded_clusters(near, unlike)
    grounds = {"near_copies": _num_joined(numbers), "lines": 0, "numbers": 0}
    if lines is None:
        return numbers, grounds
    pairs = _sharing_lines(lines)
    numbers = bounded_clusters(join(near, *pairs), unlike)
    grounds["lines"] = len(np.unique(pairs))
    runs = find_runs(labels, names)
    if runs is not None and _is_seen(lines.maps, runs):
        grounds["numbers"] = _num_joined(runs)
        numbers = join(numbers, *_neighbours(runs))
    return numbers, grounds


def _sharing_lines(lines):
    first, second = likely_pairs(lines.maps)
    same = shared_structure(lines.maps, first, second) >= lines.limit
    return first[same], second[same]


def _unlike(fingerprints, lines, diameter, members):
    """At most 1 where greys are near or lines are shared, `(members, members)`."""
    unlike = grey_differences(fingerprints, members) / diameter
    if lines is None or len(members) > MAX_OVERLAID:
        return unlike
    first, second = np.triu_indices(len(members), 1)
    shared = shared_structure(lines.maps, members[first], members[second])
    by_lines = (1 - shared) / (1 - SAME_IN_SERIES)
    unlike[first, second] = np.minimum(unlike[first, second], by_lines)
    unlike[second, first] = unlike[first, second]
    return unlike


def _is_seen(maps, runs):
    """Whether the images confirm what the numbers in the names suggest."""
    first, second = _neighbours(runs)
    if not len(first):
        return False
    return (shared_structure(maps, first, second) >= SAME_IN_SERIES).mean() >= MOST


def _neighbours(runs):
    """Pairs of images that follow each other in a run: two arrays of positions."""
    order = np.argsort(runs, kind="stable")
    inside = runs[order[:-1]] == runs[order[1:]]
    return order[:-1][inside], order[1:][inside]


def _num_joined(numbers):
    sizes = np.unique(numbers, return_counts=True)[1]
    return int(sizes[sizes > 1].sum())
