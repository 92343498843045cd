"""Visual words as they are usually learnt: all descriptors, whitened, scipy's k-means.

The slow way that `benchmarks/visual_words.py` compares with.
"""

import time

import numpy as np
from figures import sized
from scipy.cluster.vq import kmeans, vq, whiten
from sklearn.svm import SVC

from bovw.store import DescriptorStore, in_threads

NUM_WORDS, RESTARTS = sized(200, 20), 3


def clocks():
    """Seconds gone by, and seconds that the processor worked for this process."""
    return time.perf_counter(), time.process_time()


def fit_reference(dataset, settings, cache):
    """Fits on all of `train`; counts are not normalised, C is 1.

    Words are counted in whitened descriptors. The system that this is modelled on
    counted them in raw ones, where its whitened words mean nothing.

    Returns:
        A function that counts words, `(images, NUM_WORDS)` of a `DescriptorStore`; the
        SVM for such counts; a dict of the seconds it took, those of the processor in
        all among them.
    """
    times = [clocks()]
    rows = dataset.rows("train")
    store = DescriptorStore(dataset, rows, settings, cache)
    values = np.concatenate(in_threads(store.get, len(store))).astype(np.float64)
    times.append(clocks())
    spread = values.std(axis=0)
    words, _ = kmeans(whiten(values), NUM_WORDS, iter=RESTARTS, rng=0)
    times.append(clocks())

    def count(store):
        counts = np.zeros((len(store), len(words)), int)
        for index, row in enumerate(counts):
            descriptors = store.get(index)
            if len(descriptors):
                whitened = descriptors / np.where(spread > 0, spread, 1)
                row += np.bincount(vq(whitened, words)[0], minlength=len(words))
        return counts

    svm = SVC(C=1.0, gamma="scale", random_state=0).fit(count(store), rows["label"])
    times.append(clocks())
    steps = np.diff(times, axis=0)
    wall, cpu = steps.sum(axis=0).round(1).tolist()
    steps = dict(zip(("describe_s", "words_s", "svm_s"), steps[:, 0], strict=True))
    steps = {step: round(seconds, 1) for step, seconds in steps.items()}
    return count, svm, {"fit_s": wall, "fit_cpu_s": cpu} | steps
