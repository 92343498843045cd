import numpy as np
import pytest

from bovw import vocabulary
from bovw.vocabulary import describe, histogram, learn_vocabulary


class Store:
    """Random images that remember which of them were looked at."""

    def __init__(self, count):
        random = np.random.default_rng(0)
        self.images = random.integers(0, 255, (count, 32, 32, 3), np.uint8)
        self.asked = []

    def __len__(self):
        return len(self.images)

    def get(self, index):
        self.asked.append(int(index))
        return self.images[index]


def test_the_words_come_from_so_many_images_at_most(monkeypatch):
    monkeypatch.setattr(vocabulary, "MAX_IMAGES", 10)
    stores = [Store(60) for _ in range(3)]
    words = [
        learn_vocabulary(store, num_words=4, seed=seed)
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


def test_a_flat_image_has_a_histogram_of_length_1():
    image = np.full((32, 32, 3), 90, np.uint8)
    words = learn_vocabulary(Store(3), num_words=5)
    assert len(describe(image)) > 0
    assert np.linalg.norm(histogram(image, words)) == pytest.approx(1)
