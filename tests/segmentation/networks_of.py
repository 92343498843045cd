"""Small networks and batches that several tests build."""

import numpy as np

from segmentation.anchors import RATIOS, Anchors, place_anchors
from segmentation.batches import truth_batch
from segmentation.detector import Settings
from segmentation.truth import Truth

CANVAS = (64, 96)
SETTINGS = Settings(
    CANVAS, Anchors((8, 16, 32, 64, 128), RATIOS), ["hole", "scratch"], 8, 100
)
NUM_TRUTHS = 3


def small_parts(settings=SETTINGS, weights="none"):
    from networks.quiet_keras import keras
    from segmentation.network import build_parts

    keras.utils.set_random_seed(0)
    return build_parts(settings, "mobilenetv2", weights=weights, alpha=0.35)


def truth_of(boxes, labels=None, size=CANVAS, seed=0):
    """An image of noise with bright rectangles as instances."""
    random = np.random.default_rng(seed)
    image = random.integers(0, 90, (*size, 3), dtype=np.uint8)
    masks = np.zeros((len(boxes), *size), bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
        mask[y1:y2, x1:x2] = True
        image[mask] = 220
    labels = [1] * len(boxes) if labels is None else labels
    return Truth(image, np.array(labels, np.int32), masks, np.ones(len(boxes), bool))


def batch_of(truths, settings=SETTINGS, num_truths=NUM_TRUTHS, seed=0):
    from segmentation.trainer import noise_length

    return truth_batch(
        truths,
        settings.canvas,
        place_anchors(settings.canvas, settings.anchors),
        num_truths=num_truths,
        noise_length=noise_length(settings, num_truths),
        seeds=[seed + number for number in range(len(truths))],
    )
