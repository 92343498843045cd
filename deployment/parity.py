"""The check of an export: same outputs and decisions as the original on `validate`.

Both decide by the same thresholds, without the check for unfamiliar parts (the guard),
which only the export has. The effect of the guard is reported separately.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.wording import counted
from goodparts.command import InputError, progress
from preprocessing.batches import row_batches

if TYPE_CHECKING:
    from deployment.runtime import Inspector
    from evaluation.predictor import Predictor
    from preprocessing.manifest import Dataset

TOLERANCE = 1e-4  # of scores and probabilities, relative where they are beyond 1
MAP_TOLERANCE = 1e-3  # likewise, of map values
BOX_TOLERANCE = 0.5  # pixels
MASK_IOU = 0.99
MAX_NAMED = 5


def check_parity(
    original: Predictor, inspector: Inspector, dataset: Dataset
) -> dict[str, Any]:
    """Runs both on the same images of `validate`.

    A part whose score is within the tolerance of a threshold may be decided either way;
    such parts are counted.

    Args:
        original: The predictor of the run.
        inspector: The loaded export; its thresholds are used for both.
        dataset: The data set on which the run was trained.

    Returns:
        A dict, which is stored in the bundle: split, num_images, max_difference (of
            scores
        and probabilities) and tolerance, max_map_difference (None without maps),
        num_at_a_line, num_guarded and num_good_guarded (accepted images, and good
        ones among them, that the guard sends to inspection).

    Raises:
        InputError: If an output or a decision differs; the text names the images.
    """
    rows = dataset.rows("validate")
    if rows.empty:
        raise InputError(
            f"{dataset.folder} has no validate images, on which the export is checked."
        )
    is_good = (rows["label"] == dataset.normal_class).to_numpy()
    order = [original.classes.index(name) for name in inspector.classes]
    found = _Found()
    steps = iter(progress(range(len(rows)), "checking the export", len(rows)))
    batches = row_batches(dataset.folder, rows, None, original.num_frames)
    for positions, images in batches:
        answers = original.predict(images).answers()
        for place, image, wanted in zip(positions, images, answers, strict=True):
            next(steps)
            if wanted.probabilities is not None:
                wanted = wanted._replace(probabilities=wanted.probabilities[order])
            newest = image[-1] if original.num_frames > 1 else image
            exported = inspector.answer(image)
            found.compare(rows["sample_id"].iat[place], inspector, wanted, exported)
            is_accepted = inspector.decide(exported)[0] == "accept"
            if is_accepted and inspector.is_unlike_good(newest):
                found.num_guarded += 1
                found.num_good_guarded += int(is_good[place])
    found.raise_if_apart(len(rows))
    return {
        "split": "validate",
        "num_images": len(rows),
        "max_difference": found.difference,
        "tolerance": TOLERANCE,
        "max_map_difference": found.map_difference,
        "num_at_a_line": found.num_at_a_line,
        "num_guarded": found.num_guarded,
        "num_good_guarded": found.num_good_guarded,
    }


class _Found:
    """The results so far."""

    def __init__(self):
        self.apart, self.difference, self.map_difference = [], 0.0, None
        self.num_at_a_line = self.num_guarded = self.num_good_guarded = 0

    def compare(self, sample, inspector, wanted, exported):
        """Compares the outputs of the original and of the export on one image."""
        problems = []
        difference = _difference(_numbers(wanted), _numbers(exported))
        self.difference = max(self.difference, difference)
        if not difference <= TOLERANCE:
            problems.append(f"scores differ by {difference:.2g}")
        if wanted.anomaly_map is not None:
            apart = _difference(wanted.anomaly_map, exported.anomaly_map)
            self.map_difference = max(self.map_difference or 0.0, apart)
            if not apart <= MAP_TOLERANCE:
                problems.append(f"maps differ by {apart:.2g}")
        if wanted.instances is not None:
            problems += _instances_apart(wanted.instances, exported.instances)
        decided, other = inspector.decide(wanted)[0], inspector.decide(exported)[0]
        if decided != other:
            if _is_at_a_line(inspector.decision, wanted):
                self.num_at_a_line += 1
            else:
                problems.append(f"{decided}, exported {other}")
        if problems:
            self.apart.append(f"{sample} ({', '.join(problems)})")

    def raise_if_apart(self, num_images):
        if not self.apart:
            return
        named = ", ".join(self.apart[:MAX_NAMED])
        rest = len(self.apart) - MAX_NAMED
        more = f" and {rest} more" if rest > 0 else ""
        raise InputError(
            f"The exported model differs from the original on {len(self.apart)} of "
            f"{num_images} validate images: {named}{more}. Nothing was written."
        )


def _numbers(answer):
    """Score and probabilities as one array."""
    rest = () if answer.probabilities is None else answer.probabilities
    return np.append([answer.defect_score], rest)


def _difference(wanted, exported):
    """The largest difference, relative above 1; infinite if the shapes differ."""
    if np.shape(wanted) != np.shape(exported):
        return float("inf")
    wanted, exported = np.asarray(wanted, float), np.asarray(exported, float)
    apart = np.abs(wanted - exported) / np.maximum(1, np.abs(wanted))
    return float(np.max(apart, initial=0))


def _instances_apart(wanted, exported):
    """The differences between two `Instances` as texts."""
    if exported is None or wanted.labels != exported.labels:
        return ["different instances"]
    if np.abs(wanted.boxes - exported.boxes).max(initial=0) > BOX_TOLERANCE:
        return ["boxes apart"]
    if np.abs(wanted.scores - exported.scores).max(initial=0) > TOLERANCE:
        return ["instance scores differ"]
    if wanted.masks is None:
        return []
    masks = wanted.masks.astype(bool), exported.masks.astype(bool)
    both = (masks[0] & masks[1]).sum(axis=(1, 2))
    either = (masks[0] | masks[1]).sum(axis=(1, 2))
    return ["masks apart"] if (both < MASK_IOU * either).any() else []


def _is_at_a_line(decision, answer):
    """Whether a score is so close to a threshold that rounding decides."""
    score = answer.defect_score
    tolerance = TOLERANCE * max(1, abs(score))
    lines = [decision.accept_below, decision.reject_from]
    if any(abs(score - line) <= tolerance for line in lines):
        return True
    floor = decision.least_probability
    if floor is None:
        return False
    return abs(answer.probabilities.max() - floor) <= TOLERANCE


def parity_text(parity: dict[str, Any], original: str) -> str:
    """The result of the check in one or two lines.

    Args:
        parity: What `check_parity` returned.
        original: What the bundle was compared with, in words.
    """
    text = (
        f"makes the same decisions as {original} on all "
        f"{counted(parity['num_images'], 'validate image')}; scores differ by at most "
        f"{parity['max_difference']:.1g}"
    )
    if parity["max_map_difference"] is not None:
        text += f", maps by {parity['max_map_difference']:.1g}"
    if parity["num_at_a_line"]:
        text += (
            f"; {parity['num_at_a_line']} so close to a threshold that rounding decides"
        )
    if parity["num_guarded"]:
        text += (
            f"\nthe check for unfamiliar parts sends {parity['num_guarded']} of the "
            "accepted images to inspection, as unlike every good part in the "
            f"training data; {parity['num_good_guarded']} of them are good"
        )
    return text
