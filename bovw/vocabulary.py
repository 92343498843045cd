"""SIFT descriptors, a k-means vocabulary of them, and histograms of its words."""

import os
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from sklearn.cluster import MiniBatchKMeans

from preprocessing.command import progress

NUM_WORDS = 200
MAX_IMAGES = 500  # that the words are learnt from
MAX_DESCRIPTORS = 100_000  # of all these images together
GRID_STEP = 8  # pixels
GRID_PATCHES = (16, 32)  # pixels


def describe(image):
    """RootSIFT descriptors of keypoints and of a dense grid.

    Args:
        image: uint8 RGB, `(height, width, 3)`.

    Returns:
        float32 `(descriptors, 128)`; never empty, as the grid has points.

    Reference:
        Arandjelovic and Zisserman, Three things everyone should know to improve
        object retrieval, CVPR 2012 (RootSIFT). Bosch et al., CIVR 2006 (the grid).
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    sift = cv2.SIFT_create()
    height, width = grey.shape
    grid = [
        cv2.KeyPoint(float(x), float(y), float(size))
        for size in np.array(GRID_PATCHES) / 6  # a descriptor spans six sizes
        for y in range(GRID_STEP // 2, height, GRID_STEP)
        for x in range(GRID_STEP // 2, width, GRID_STEP)
    ]
    _, descriptors = sift.compute(grey, list(sift.detect(grey, None)) + grid)
    length = descriptors.sum(1, keepdims=True)
    return np.sqrt(descriptors / np.maximum(length, 1e-9)).astype(np.float32)


def learn_vocabulary(store, *, num_words=NUM_WORDS, seed=0):
    """Learns the visual words from a random sample of images and descriptors.

    It costs as much for any number of images from MAX_IMAGES on.

    Args:
        store: `ImageStore` of the train images.
        num_words: k of k-means.
        seed: Of the samples and of k-means.

    Returns:
        Words, float32 `(num_words, 128)`.
    """
    num_images = min(MAX_IMAGES, len(store))
    random = np.random.default_rng(seed)
    chosen = np.sort(random.choice(len(store), num_images, replace=False))
    per_image = MAX_DESCRIPTORS // num_images

    def sample(index):
        descriptors = describe(store.get(chosen[index]))
        random = np.random.default_rng([seed, index])
        return random.permutation(descriptors)[:per_image]

    found = np.concatenate(_each(sample, num_images, "descriptors"))
    num_words = min(num_words, len(found))
    k_means = MiniBatchKMeans(
        num_words, batch_size=4096, n_init=3, random_state=seed, max_iter=10
    )
    return k_means.fit(found).cluster_centers_.astype(np.float32)


def histogram(image, words):
    """Square root of the share of each word among an image's descriptors.

    Returns:
        float64 `(num_words,)` of length 1.
    """
    descriptors = describe(image)
    distances = (words**2).sum(1) - 2 * descriptors @ words.T
    counts = np.bincount(distances.argmin(1), minlength=len(words))
    return np.sqrt(counts / counts.sum())


def histograms(store, words):
    """Histograms of every image of a store, `(images, num_words)`."""
    return np.stack(
        _each(lambda index: histogram(store.get(index), words), len(store), "words")
    )


def _each(work, count, what):
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        steps = pool.map(work, range(count))
        return list(progress(steps, what, count))
