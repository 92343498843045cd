"""What is learnt from, and how it is looked at: the same for every detector."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from anomaly.view import View, learn_view, look
from goodparts.command import InputError, progress
from preprocessing.datasets import choose_image_size
from preprocessing.images import image_threads, read_image
from preprocessing.manifest import Dataset, is_copy

if TYPE_CHECKING:
    import pandas as pd

NUM_LOOKED_AT = 60  # good images that the view is learnt from
NO_POSE = (
    "No good image of train shows a part in the pose of the others. Train with --pose "
    "none."
)


class Canvases(NamedTuple):
    """The canvas that a method wants where its size is not given.

    Attributes:
        posed: Area in pixels, of parts in one pose.
        whole: Area of whole images.
        most_whole: Larger images keep their own size up to this area.
        stride: What its sides are multiples of.
    """

    posed: float
    whole: float
    most_whole: float
    stride: int = 16


class Job(NamedTuple):
    """A detector to be trained.

    Attributes:
        model: Its name.
        folder: Where network and what is learnt are written.
        dataset: With the images.
        rows: Of good originals in train.
        view: How images become canvases.
        arguments: Of the training, resolved.
        seed: The one seed.
        about: Facts for config.json; `notes` is a list of texts.
        checkpoints: Folder of checkpoints; None for none.
        tell_history: Called after every epoch with the rows of the curves so far.
    """

    model: str
    folder: Path
    dataset: Dataset
    rows: pd.DataFrame
    view: View
    arguments: dict[str, Any]
    seed: int
    about: dict[str, Any]
    checkpoints: Path | None = None
    tell_history: Callable[[list[dict[str, Any]]], None] | None = None

    def note(self, text: str) -> None:
        """Prints a note and keeps it."""
        print(text)
        self.about["notes"].append(text)


def good_rows(dataset: Dataset) -> pd.DataFrame:
    """The originals of good parts in train, sorted by sample_id.

    Raises:
        InputError: If there are none, or no class is the good one.
    """
    if dataset.normal_class is None:
        raise InputError(
            f"{dataset.folder} has classes only: a one-class detector needs to know "
            "which class is the good one. Make the data set again with --normal-class."
        )
    rows = dataset.rows("train")
    rows = rows[(rows["label"] == dataset.normal_class) & ~is_copy(rows)]
    if rows.empty:
        raise InputError(f"{dataset.folder} has no good parts in train to learn from.")
    return rows.sort_values("sample_id").reset_index(drop=True)


def find_view(
    dataset: Dataset,
    rows: pd.DataFrame,
    canvases: Canvases,
    *,
    image_size: tuple[int, int] | None = None,
    has_pose: bool = True,
) -> View:
    """How good images become canvases.

    Args:
        dataset: With the images.
        rows: Of good parts.
        canvases: What is wanted of the canvas.
        image_size: `(height, width)` of the whole image as a canvas; None to choose.
        has_pose: Whether parts are brought into one pose where that is possible.
    """
    if image_size is not None:
        return View((image_size[0], image_size[1]))
    view = None
    if has_pose:
        chosen = rows["path"].iloc[:: max(1, len(rows) // NUM_LOOKED_AT)]
        images = (read_image(dataset.folder / path) for path in chosen)
        view = learn_view(images, canvases.posed, stride=canvases.stride)
    if view is not None:
        return view
    at_most = canvases.most_whole
    return View(choose_image_size(dataset, canvases.whole, at_most=at_most))


def rows_in_view(job: Job) -> pd.DataFrame:
    """The rows whose image shows a part as the view knows it.

    Raises:
        InputError: If there are none.
    """
    if not job.view.is_posed:
        return job.rows

    def is_seen(path):
        return look(job.view, read_image(job.dataset.folder / path)) is not None

    with image_threads() as pool:
        found = pool.map(is_seen, job.rows["path"])
        seen = list(progress(found, "finding the parts", len(job.rows)))
    rows = job.rows[seen].reset_index(drop=True)
    tell_left_out(job, len(job.rows) - len(rows))
    return rows


def tell_left_out(job: Job, num_left_out: int) -> None:
    """Notes how many good images show no part in the pose.

    Raises:
        InputError: If that is all of them.
    """
    if num_left_out == len(job.rows):
        raise InputError(NO_POSE)
    if num_left_out:
        job.note(
            f"{num_left_out} of {len(job.rows)} good images of train show no part in "
            "the pose of the others and were left out"
        )
