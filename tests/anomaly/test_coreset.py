"""The fast k-centre picks what the plain loop picks."""

import numpy as np
import pytest

from anomaly import coreset
from anomaly.coreset import k_centre


def plain(points, count, seed):
    """Greedy k-centre, every distance at every pick."""
    points = points.astype(np.float64)
    picks = [int(np.random.default_rng(seed).integers(len(points)))]
    nearest = np.linalg.norm(points - points[picks[0]], axis=1)
    while len(picks) < count:
        picks.append(int(nearest.argmax()))
        nearest = np.minimum(
            nearest, np.linalg.norm(points - points[picks[-1]], axis=1)
        )
    return picks


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("pool", [1, 7, 50, 4096])
def test_it_picks_what_the_plain_loop_picks(monkeypatch, pool, seed):
    monkeypatch.setattr(coreset, "POOL", pool)
    points = np.random.default_rng(seed).normal(size=(400, 5)).astype(np.float32)
    assert k_centre(points, 60, seed=seed).tolist() == plain(points, 60, seed)


def test_all_points_are_picked_once_where_all_are_asked_for():
    points = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    assert sorted(k_centre(points, 99)) == list(range(30))


def test_equal_points_are_no_trouble():
    points = np.ones((20, 3), np.float32)
    assert len(k_centre(points, 5)) == 5
