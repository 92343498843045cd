"""Clusters from links between images; chains with dissimilar ends are cut."""

from collections.abc import Callable

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform

MAX_COMPARED = 300  # images of which all pairs are held against each other


def join(numbers: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Numbers of clusters after links between pairs of images, `(images,)`."""
    links = (np.ones(len(first), bool), (numbers[first], numbers[second]))
    graph = coo_array(links, shape=(len(numbers), len(numbers)))
    return connected_components(graph, directed=False)[1][numbers]


def bounded_clusters(
    numbers: np.ndarray, unlike: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Cuts connected images into clusters in which every pair is similar.

    Complete linkage. Of more than MAX_COMPARED images, stretches are cut first.

    Args:
        numbers: Number of the connected component of each image, `(images,)`; a
            component of two is kept.
        unlike: Takes positions, returns a symmetric matrix `(members, members)`,
            at most 1 for images that may share a cluster.

    Returns:
        Integer array `(images,)`; images of one cluster share a number.
    """
    numbers = np.asarray(numbers)
    order = np.argsort(numbers, kind="stable")
    ends = np.flatnonzero(np.diff(numbers[order])) + 1
    result, used = np.empty(len(numbers), int), 0
    for members in np.split(order, ends) if len(order) else []:
        parts = _cut(members, unlike) if len(members) > 2 else np.zeros(len(members))
        result[members] = parts + used
        used += int(parts.max()) + 1
    return result


def _cut(members, unlike, bound=1.0):
    """Numbers the parts of some images, from 0."""
    if len(members) == 1:
        return np.zeros(1, int)
    if len(members) > MAX_COMPARED:
        return _cut_many(members, unlike, bound)
    distances = squareform(unlike(members), checks=False)
    return fcluster(linkage(distances, "complete"), bound, "distance") - 1


def _cut_many(members, unlike, bound):
    """Cuts stretches of the images, then what stands for the parts of each.

    With a third of the bound for a part, its stand-in and the part beside it.
    """
    parts, stand_ins, used = np.empty(len(members), int), [], 0
    for start in range(0, len(members), MAX_COMPARED):
        stretch = members[start : start + MAX_COMPARED]
        found = _cut(stretch, unlike, bound / 3)
        parts[start : start + MAX_COMPARED] = found + used
        first = np.unique(found, return_index=True)[1]
        stand_ins.append(stretch[first])
        used += len(first)
    if used > len(members) / 2:
        return parts
    return _cut(np.concatenate(stand_ins), unlike, bound / 3)[parts]
