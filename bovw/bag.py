"""A trained bag of visual words: how it is saved, loaded and applied."""

from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from bovw.descriptors import Settings, describe
from bovw.store import in_threads
from bovw.vocabulary import Vocabulary, histograms, nearest_words
from goodparts.arrays import check_arrays, file_name, read_arrays
from goodparts.command import InputError
from goodparts.files import PathLike
from svm import Svm, load_svm, save_svm, svm_probabilities

SHAPES = {  # of the arrays in vocabulary.npz
    "centre": ("values",),
    "scale": ("values",),
    "words": ("words", "values"),
    "word_weights": ("words",),
    "evidence": ("classes", "words"),
}


class Bag(NamedTuple):
    """Everything that is needed to classify an image.

    Attributes:
        settings: How images are described.
        vocabulary: The words.
        svm: The SVM that classifies histograms.
        evidence: How strongly each word supports each class, see `word_evidence`,
            `(classes, num_words)` in the order of `svm.classes`.
    """

    settings: Settings
    vocabulary: Vocabulary
    svm: Svm
    evidence: np.ndarray


def save_bag(folder: PathLike, bag: Bag) -> None:
    """Writes vocabulary.npz and svm.npz; the settings are in the run's config.json."""
    np.savez_compressed(
        Path(folder, "vocabulary.npz"),
        **bag.vocabulary._asdict(),
        evidence=bag.evidence,
    )
    save_svm(Path(folder, "svm.npz"), bag.svm)


def read_bag(
    vocabulary_file: PathLike | IO[bytes],
    svm_file: PathLike | IO[bytes],
    settings: Settings,
) -> Bag:
    """The bag that `save_bag` wrote, with the `Settings` it was trained with.

    Args:
        vocabulary_file, svm_file: The two npz.
        settings: Settings of its descriptors.

    Raises:
        InputError: If a file is damaged, or the two do not belong together.
    """
    arrays, svm = read_arrays(vocabulary_file, *SHAPES), load_svm(svm_file)
    sizes = {"classes": len(svm.classes), "words": len(svm.mean)}
    check_arrays(arrays, SHAPES, file_name(vocabulary_file), sizes=sizes)
    evidence = arrays.pop("evidence")
    return Bag(settings, Vocabulary(**arrays), svm, evidence)


def class_probabilities(
    bag: Bag, images: np.ndarray | Sequence[np.ndarray]
) -> np.ndarray:
    """Probabilities `(images, classes)` in the order of `bag.svm.classes`.

    For an image without descriptors, such as a blank one without keypoints, all classes
    get the same probability.
    """

    def count(index):
        _, words = find_words(bag, images[index])
        return np.bincount(words, minlength=len(bag.vocabulary.words))

    counts = np.stack(in_threads(count, len(images)))
    probabilities = svm_probabilities(bag.svm, histograms(counts, bag.vocabulary))
    probabilities[counts.sum(axis=1) == 0] = 1 / len(bag.svm.classes)
    return probabilities


def find_words(bag: Bag, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Finds the visual words of an image, for example to draw them.

    Args:
        bag: Whose words they are.
        image: uint8 RGB `(height, width, 3)` of any size.

    Returns:
        x and y of the centre and the side of each patch in pixels of the image, float32
        `(patches, 3)`, and the number of the word of each, `(patches,)`.
    """
    patches, descriptors = describe(image, bag.settings)
    return patches, nearest_words(descriptors, bag.vocabulary, bag.settings.features)


def telling_words(bag: Bag, class_name: str, *, count: int = 5) -> np.ndarray:
    """Numbers of the words that support a class most, the strongest first."""
    classes = bag.svm.classes.tolist()
    if class_name not in classes:
        raise InputError(
            f"There is no class {class_name!r}. The classes are: {', '.join(classes)}."
        )
    evidence = bag.evidence[classes.index(class_name)]
    return np.argsort(-evidence, kind="stable")[:count]


def word_evidence(values: np.ndarray, labels: ArrayLike) -> np.ndarray:
    """How strongly each word supports each class.

    Args:
        values: Histograms, `(images, num_words)`.
        labels: Class names, `(images,)`; two or more differ.

    Returns:
        How much more of the word images of the class have on average than others, in
        standard deviations over all images, `(classes, num_words)`; classes by name.
    """
    labels = np.asarray(labels, str)
    spread = np.maximum(values.std(axis=0), 1e-9)
    return np.stack(
        [
            (values[labels == name].mean(axis=0) - values[labels != name].mean(axis=0))
            / spread
            for name in np.unique(labels)
        ]
    )
