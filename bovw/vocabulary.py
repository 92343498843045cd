"""Visual words: learnt from a sample of descriptors and counted in every image.

scikit-learn is only imported for learning, because bundles run without it.
"""

from typing import NamedTuple

import numpy as np

from bovw.descriptors import values_of
from bovw.store import DescriptorStore, in_threads
from goodparts.command import InputError

NUM_WORDS = 200
MAX_IMAGES = 500  # that the words are learnt from
MAX_DESCRIPTORS = 100_000  # of all these images together
WEIGHTINGS = ("l2", "tf-idf")
TWIN_DISTANCE = 1e-3  # of words; descriptors have a length of about 1 before whitening


class Vocabulary(NamedTuple):
    """The words, and how descriptors and histograms are normalised.

    Attributes:
        centre: Centre of the descriptors' values, float32 `(values,)`.
        scale: Divisor of the centred values, float32 `(values,)`.
        words: The words, centred and divided in the same way, float32 `(num_words,
            values)`.
        word_weights: Word weights of the counts, float64 `(num_words,)`; all 1 unless
            tf-idf.
    """

    centre: np.ndarray
    scale: np.ndarray
    words: np.ndarray
    word_weights: np.ndarray


def learn_vocabulary(
    store: DescriptorStore,
    *,
    features: str = "sift",
    num_words: int = NUM_WORDS,
    whiten: bool = True,
    seed: int = 0,
) -> Vocabulary:
    """Learns the visual words from a random sample of images and descriptors.

    Time and memory do not grow with more than MAX_IMAGES images.

    Args:
        store: Descriptors of the train images.
        features: Features of the store, one of FEATURES.
        num_words: k of k-means; fewer if there are fewer descriptors.
        whiten: Whether every value is scaled to variance 1, here and in histograms.
        seed: Seed of the samples and of k-means.

    Raises:
        InputError: If no image has a descriptor.

    Reference:
        Csurka et al., Visual categorization with bags of keypoints, ECCV 2004.
        Sculley, Web-scale k-means clustering, WWW 2010.
    """
    from sklearn.cluster import MiniBatchKMeans
    from threadpoolctl import threadpool_limits

    num_images = min(MAX_IMAGES, len(store))
    random = np.random.default_rng(seed)
    chosen = np.sort(random.choice(len(store), num_images, replace=False))
    per_image = MAX_DESCRIPTORS // num_images

    def sample(index):
        found = store.get(chosen[index])
        return np.random.default_rng([seed, index]).permutation(found)[:per_image]

    sampled = np.concatenate(in_threads(sample, num_images, "descriptors"))
    if len(sampled) == 0:
        raise InputError(
            "No keypoint was found in any train image. Train with --points both, "
            "which uses a regular grid as well."
        )
    values = values_of(sampled, features)
    centre = values.mean(axis=0)
    spread = values.std(axis=0)
    scale = np.where(whiten & (spread > 1e-3), spread, 1).astype(np.float32)
    k_means = MiniBatchKMeans(
        min(num_words, len(values)),
        batch_size=4096,
        n_init=3,
        random_state=seed,
        max_iter=10,
    )
    with threadpool_limits(1):  # sums of threads would come in any order
        words = k_means.fit((values - centre) / scale).cluster_centers_
    words = _apart(words).astype(np.float32)
    return Vocabulary(centre, scale, words, np.ones(len(words)))


def _apart(words):
    """Returns the words without duplicates of earlier ones.

    Many patches of an image can be exactly equal, as in a black border, and k-means may
    place several words there; which of them is nearest would then be arbitrary.
    """
    words = words.astype(np.float64)
    lengths = (words**2).sum(axis=1)
    squares = lengths[:, None] + lengths - 2 * words @ words.T
    is_twin = np.tril(squares < TWIN_DISTANCE**2, -1).any(axis=1)
    return words[~is_twin]


def nearest_words(
    descriptors: np.ndarray, vocabulary: Vocabulary, features: str
) -> np.ndarray:
    """Number of the nearest word of each descriptor."""
    values = (values_of(descriptors, features) - vocabulary.centre) / vocabulary.scale
    # half of |value - word|^2, less what is the same for all words
    lengths = (vocabulary.words**2).sum(axis=1) / 2
    return (lengths - values @ vocabulary.words.T).argmin(axis=1)


def count_words(
    store: DescriptorStore, vocabulary: Vocabulary, features: str
) -> np.ndarray:
    """How often each word occurs in each image, `(images, num_words)`."""

    def count(index):
        words = nearest_words(store.get(index), vocabulary, features)
        return np.bincount(words, minlength=len(vocabulary.words))

    return np.stack(in_threads(count, len(store), "words"))


def histograms(counts: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """Square roots of weighted counts, normalised to length 1.

    Those of an image without descriptors are all 0.

    Args:
        counts: `(images, num_words)`.
        vocabulary: Its `word_weights` are what counts are multiplied by.

    Returns:
        float64 `(images, num_words)`.
    """
    values = np.sqrt(counts * vocabulary.word_weights)
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9)


def weigh_words(counts: np.ndarray, weighting: str) -> np.ndarray:
    """Weights of words for `histograms`.

    Args:
        counts: Counts of the train images, `(images, num_words)`.
        weighting: "l2" weights all words equally, "tf-idf" gives rare words more
            weight.

    Reference:
        Sivic and Zisserman, Video Google, ICCV 2003; smoothed, so that a word that
        occurs in all images still counts.
    """
    if weighting == "l2":
        return np.ones(counts.shape[1])
    has = (counts > 0).sum(axis=0)
    return np.log((1 + len(counts)) / (1 + has)) + 1
