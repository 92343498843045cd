"""The gate of an export: it decides as the original does, on all of `validate`."""

import itertools

import numpy as np

from decisions.rule import decide_parts
from goodparts.command import InputError, progress
from preprocessing.images import read_image

TOLERANCE = 1e-4  # of probabilities and defect scores
BATCH = 32
MAX_NAMED = 5


def check_parity(original, inspector, dataset):
    """Runs both on the same images of `validate`.

    Args:
        original: `Predictor`.
        inspector: `runtime.Inspector` of the export; its lines decide both.
        dataset: `Dataset`.

    Returns:
        A dict with split, num_images, max_difference and tolerance, which the bundle
        keeps.

    Raises:
        InputError: If a decision or an answer differs, or a score by more than
            TOLERANCE; it names the parts.
    """
    rows = dataset.rows("validate")
    if rows.empty:
        raise InputError(f"{dataset.folder} has no validate images to check on.")
    paths = [dataset.folder / path for path in rows["path"]]
    order = [original.classes.index(name) for name in inspector.classes]
    apart, largest = [], 0.0
    steps = iter(progress(range(len(paths)), "checking the export", len(paths)))
    for images in _batches(map(read_image, paths)):
        expected = original.predict(images).probabilities[:, order]
        scores = 1 - expected[:, inspector.classes.index(inspector.normal_class)]
        decisions, _ = decide_parts(inspector.decision, scores, expected)
        for image, wanted, decision in zip(images, expected, decisions, strict=True):
            sample = rows["sample_id"].iloc[next(steps)]
            verdict = inspector.inspect(image)
            difference = float(np.abs(verdict.probabilities - wanted).max())
            largest = max(largest, difference)
            if verdict.decision != decision or not difference <= TOLERANCE:
                apart.append(
                    f"{sample} ({decision}, exported {verdict.decision}, "
                    f"apart by {difference:.2g})"
                )
    if apart:
        named = ", ".join(apart[:MAX_NAMED])
        more = f" and {len(apart) - MAX_NAMED} more" if len(apart) > MAX_NAMED else ""
        raise InputError(
            f"The export does not decide as the original: {len(apart)} of {len(paths)} "
            f"validate parts differ: {named}{more}. Nothing was written."
        )
    return {
        "split": "validate",
        "num_images": len(paths),
        "max_difference": largest,
        "tolerance": TOLERANCE,
    }


def _batches(images):
    """Images that follow each other and are of one size, at most BATCH together."""
    for _, alike in itertools.groupby(images, key=lambda image: image.shape):
        while part := list(itertools.islice(alike, BATCH)):
            yield np.stack(part)
