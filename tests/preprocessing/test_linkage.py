import numpy as np

from preprocessing.splitting import linkage
from preprocessing.splitting.linkage import bounded_clusters, join


def line_of(places, bound):
    def unlike(members):
        mine = places[members]
        return np.abs(mine[:, None] - mine) / bound

    return unlike


def test_a_chain_is_cut_so_that_its_ends_are_alike():
    places = np.arange(40.0)
    numbers = bounded_clusters(np.zeros(40, int), line_of(places, 5))
    assert len(set(numbers)) >= 7
    assert all(np.ptp(places[numbers == number]) <= 5 for number in numbers)


def test_what_is_close_stays_whole_and_what_is_apart_stays_apart():
    places = np.array([0, 1, 2, 50, 51, 9])
    numbers = bounded_clusters(np.array([4, 4, 4, 1, 1, 7]), line_of(places, 5))
    assert numbers[0] == numbers[1] == numbers[2]
    assert numbers[3] == numbers[4] and len(set(numbers)) == 3
    assert len(bounded_clusters(np.zeros(0, int), None)) == 0


def test_many_images_keep_the_bound(monkeypatch):
    monkeypatch.setattr(linkage, "MAX_COMPARED", 10)
    places = np.random.default_rng(0).permutation(np.repeat(np.arange(30.0), 9))
    numbers = bounded_clusters(np.zeros(270, int), line_of(places, 6))
    assert all(np.ptp(places[numbers == number]) <= 6 for number in numbers)
    assert len(set(bounded_clusters(np.zeros(99, int), line_of(np.zeros(99), 1)))) == 1


def test_join():
    numbers = join(np.array([0, 1, 2, 2]), np.array([0]), np.array([3]))
    assert numbers[0] == numbers[2] == numbers[3] != numbers[1]
