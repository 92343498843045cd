"""Tries a loaded bundle on one image: whether it returns the stated outputs."""

import queue
import threading
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from evaluation.predictor import Answer, found_outputs
from goodparts.command import InputError

SIDES = (240, 320)  # of the trial image, pixels
SUM_TOLERANCE = 1e-3  # of probabilities
MAX_REASON = 200  # characters of what an engine said
T = TypeVar("T")


def trial_image(num_frames: int) -> np.ndarray:
    """A grey ramp, uint8 RGB `(height, width, 3)`, or a clip of several."""
    ramp = np.linspace(0, 255, SIDES[1]).astype(np.uint8)
    image = np.broadcast_to(ramp[:, None], (*SIDES, 3))
    return np.array(image if num_frames == 1 else [image] * num_frames)


def check_answer(
    answer: Answer, outputs: Collection[str], classes: Sequence[str], num_frames: int
) -> None:
    """Checks the `Answer` on the trial image.

    Args:
        answer: The answer on `trial_image`.
        outputs: The outputs that are stated in bundle.json.
        classes: Class names.
        num_frames: Frames in a clip.

    Raises:
        ValueError: If it has other outputs, another shape, or NaN or infinity.
    """
    found = found_outputs(answer, num_frames)
    if set(found) != set(outputs):
        raise ValueError(
            f"it returns {', '.join(found)} instead of {', '.join(outputs)}"
        )
    _check_values(answer.defect_score, (), "the defect score")
    if answer.probabilities is not None:
        _check_values(answer.probabilities, (len(classes),), "the probabilities")
        total = float(np.sum(answer.probabilities))
        if abs(total - 1) > SUM_TOLERANCE or np.min(answer.probabilities) < 0:
            raise ValueError(
                f"its probabilities do not sum to 1: their sum is {total:.3g}"
            )
    if answer.anomaly_map is not None:
        _check_values(answer.anomaly_map, (None, None), "the anomaly map")
    if answer.instances is not None:
        _check_instances(answer.instances)


def _check_instances(found):
    number = len(found.labels)
    _check_values(found.boxes, (number, 4), "the boxes")
    _check_values(found.scores, (number,), "the scores of instances")
    if found.masks is not None:
        _check_values(found.masks, (number, None, None), "the masks")


def _check_values(values, shape, what):
    """Raises ValueError unless values are finite and have this shape."""
    values = np.asarray(values)
    is_alike = len(values.shape) == len(shape) and all(
        wanted in (None, length)
        for wanted, length in zip(shape, values.shape, strict=True)
    )
    if not is_alike:
        raise ValueError(f"{what} must have the shape {shape}, but has {values.shape}")
    if values.dtype.kind not in "biuf" or not np.isfinite(values).all():
        raise ValueError(f"{what} has values that are NaN, infinite or not numbers")


def within(seconds: float, path: Path, function: Callable[[], T]) -> T:
    """Calls a function and returns its result, with a time limit.

    It runs in a separate thread, which is abandoned when the time is over: an engine
    cannot be interrupted, but the process can end without it.

    Args:
        seconds: Time limit.
        path: Path of the bundle, for messages.
        function: Without arguments.

    Raises:
        InputError: If it raises anything, or takes longer.
    """
    answers: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

    def work():
        try:
            with np.errstate(all="ignore"):  # what comes of it is checked
                answers.put((function(), None))
        except BaseException as error:
            answers.put((None, error))

    threading.Thread(target=work, daemon=True, name="trial").start()
    try:
        found, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise InputError(
            f"{path} did not load and process one image within {seconds:g} s. Close "
            "other programs, or export a smaller network."
        ) from None
    if isinstance(error, InputError):
        raise InputError(f"{path}: {error}") from error
    if error is not None:
        raise InputError(
            f"{path} cannot inspect images: {_reason(error)}. Export the run again."
        ) from error
    return found


def _reason(error):
    """The text of an exception as one short line."""
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    if isinstance(error, KeyError):
        text = f"it lacks {text}"
    return text if len(text) <= MAX_REASON else f"...{text[-MAX_REASON:]}"
