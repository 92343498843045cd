"""Greedy k-centre: the few points that lie nearest to all others."""

import numpy as np

POOL = 4096  # points that are looked at between two passes over all


def k_centre(points: np.ndarray, count: int, *, seed: int = 0) -> np.ndarray:
    """Picks points so that the farthest other point is as near as possible.

    Each pick is the point that is farthest from all picks before. Only the POOL
    farthest points are kept up to date: a distance can only fall, so the farthest of
    them is the farthest of all as long as it is no nearer than any point outside was
    at the last pass. The picks are those of the plain loop.

    Args:
        points: float32 `(n, d)`.
        count: Of picks, at most n.
        seed: Of the first pick.

    Returns:
        Indices `(count,)` in the order of the picks.

    Reference:
        Gonzalez, Clustering to minimize the maximum intercluster distance, 1985.
    """
    points = np.ascontiguousarray(points, np.float32)
    num_points = len(points)
    count = min(count, num_points)
    squares = np.einsum("ij,ij->i", points, points)
    picks = [int(np.random.default_rng(seed).integers(num_points))]
    nearest = np.full(num_points, np.inf, np.float32)  # squared distance to the picks
    num_seen = 0
    while len(picks) < count:
        _bring_near(nearest, points, squares, picks[num_seen:])
        num_seen = len(picks)
        pool = np.argpartition(-nearest, min(POOL, num_points) - 1)[:POOL]
        outside = np.ones(num_points, bool)
        outside[pool] = False
        limit = nearest[outside].max(initial=0.0)
        picks += _pick_in_pool(
            points[pool], squares[pool], nearest[pool], limit, count - len(picks), pool
        )
    return np.array(picks)


def _bring_near(nearest, points, squares, picks):
    """Updates the squared distance of every point to the nearest pick."""
    chunk = max(1, 2_000_000 // max(len(picks), 1))
    chosen, own = points[picks], squares[picks]
    for start in range(0, len(points), chunk):
        part = slice(start, start + chunk)
        apart = squares[part, None] + own - 2 * points[part] @ chosen.T
        np.minimum(nearest[part], apart.min(axis=1), out=nearest[part])
    nearest[picks] = 0.0


def _pick_in_pool(points, squares, nearest, limit, count, names):
    """Picks as long as the farthest point of the pool is the farthest of all."""
    picks = []
    while len(picks) < count:
        farthest = int(nearest.argmax())
        if picks and nearest[farthest] < limit:
            break
        picks.append(int(names[farthest]))
        apart = squares + squares[farthest] - 2 * points @ points[farthest]
        np.minimum(nearest, apart, out=nearest)
        nearest[farthest] = 0.0
    return picks
