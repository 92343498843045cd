import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from bovw import vocabulary
from bovw.vocabulary import (
    Vocabulary,
    count_words,
    histograms,
    learn_vocabulary,
    nearest_words,
    weigh_words,
)
from goodparts.command import InputError


class Store:
    """Random descriptors that remember which images were looked at."""

    def __init__(self, count, per_image=40):
        random = np.random.default_rng(0)
        self.descriptors = random.integers(0, 255, (count, per_image, 128), np.uint8)
        self.asked = []

    def __len__(self):
        return len(self.descriptors)

    def get(self, index):
        self.asked.append(int(index))
        return self.descriptors[index]


def words_at(*places, scale=1.0, weights=(1.0, 1.0)):
    """A vocabulary in the first of 256 values."""
    words = np.zeros((len(places), 256), np.float32)
    words[:, 0] = places
    scales = np.ones(256, np.float32)
    scales[0] = scale
    return Vocabulary(np.zeros(256, np.float32), scales, words, np.array(weights))


def test_the_words_come_from_so_many_images_at_most(monkeypatch):
    monkeypatch.setattr(vocabulary, "MAX_IMAGES", 10)
    stores = [Store(60) for _ in range(3)]
    words = [
        learn_vocabulary(store, num_words=4, seed=seed).words
        for store, seed in zip(stores, (0, 0, 1), strict=True)
    ]
    asked = [sorted(store.asked) for store in stores]
    assert len(set(asked[0])) == len(asked[0]) == 10
    assert asked[0][0] < 20 and asked[0][-1] >= 40  # from all over the store
    assert asked[0] == asked[1] != asked[2]
    assert (words[0] == words[1]).all()


def test_few_images_are_all_looked_at():
    store = Store(7)
    learn_vocabulary(store, num_words=4)
    assert sorted(store.asked) == list(range(7))


def test_fewer_descriptors_than_words_make_fewer_words():
    words = learn_vocabulary(Store(2, per_image=3), num_words=50).words
    assert 3 < len(words) <= 6


def test_no_two_words_lie_in_one_place():
    """Two thirds of the places are black, as where a mask was laid over the image."""

    class Masked(Store):
        def get(self, index):
            found = super().get(index).copy()
            found[len(found) // 3 :] = 0
            return found

    words = learn_vocabulary(Masked(20, per_image=30), num_words=40).words
    apart = np.linalg.norm(words[:, None] - words[None], axis=2)
    assert apart[~np.eye(len(words), dtype=bool)].min() > 1e-3


def test_no_descriptor_at_all_says_what_to_do():
    with pytest.raises(InputError, match="Train with --points both"):
        learn_vocabulary(Store(3, per_image=0))


def test_words_do_not_depend_on_the_number_of_threads():
    store = Store(50, per_image=200)
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(learn_vocabulary(store, num_words=30))
    assert (found[0].words == found[1].words).all()


@pytest.mark.parametrize("whiten", [True, False])
def test_descriptors_go_to_the_words_they_were_whitened_with(whiten):
    """The slow way: whitened descriptors, every distance."""
    store = Store(5)
    learnt = learn_vocabulary(store, num_words=8, whiten=whiten)
    values = np.sqrt(store.get(2) / store.get(2).sum(axis=1, keepdims=True))
    if whiten:
        values = (values - learnt.centre) / learnt.scale
    else:
        values = values - learnt.centre
        assert (learnt.scale == 1).all()
    distances = np.linalg.norm(values[:, None] - learnt.words, axis=2)
    found = nearest_words(store.get(2), learnt, "sift")
    assert (found == distances.argmin(axis=1)).all()


def test_whitening_decides_which_word_is_near():
    bits = np.array([[128] + [0] * 31], np.uint8)  # the first value is 1
    assert nearest_words(bits, words_at(0, 2.1), "orb") == [0]
    # divided by 0.5 it is 2
    assert nearest_words(bits, words_at(0, 2.1, scale=0.5), "orb") == [1]


def test_a_value_that_never_changes_is_not_blown_up():
    store = Store(4)
    store.descriptors[:, :, 5] = 0
    assert learn_vocabulary(store, num_words=3).scale[5] == 1


def test_counts_are_of_every_image():
    store = Store(3)
    learnt = learn_vocabulary(store, num_words=5)
    counts = count_words(store, learnt, "sift")
    assert counts.shape == (3, 5) and (counts.sum(axis=1) == 40).all()


def test_histograms_by_hand():
    counts = np.array([[9, 16], [0, 0], [4, 0]])
    # roots of 9 and 16 are 3 and 4, their length 5
    expected = [[0.6, 0.8], [0, 0], [1, 0]]
    assert histograms(counts, words_at(0, 1)) == pytest.approx(np.array(expected))
    weighed = histograms(counts, words_at(0, 1, weights=(16.0, 9.0)))
    assert weighed[0] == pytest.approx([np.sqrt(0.5)] * 2)  # both are 144


def test_rare_words_weigh_more_and_common_ones_still_something():
    counts = np.array([[5, 1], [2, 0], [1, 0]])
    # ln(4 / 4) + 1 and ln(4 / 2) + 1
    assert weigh_words(counts, "tf-idf") == pytest.approx([1, 1 + np.log(2)])
    assert weigh_words(counts, "l2").tolist() == [1, 1]
