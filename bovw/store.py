"""The descriptors of many images: computed in threads and cached on disk."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np

from bovw import descriptors
from bovw.descriptors import Settings, describe
from goodparts.command import progress, reason
from goodparts.files import atomic_path
from preprocessing.images import image_threads, read_image

if TYPE_CHECKING:
    import pandas as pd

    from preprocessing.manifest import Dataset

MAX_MB = 4000  # of all descriptors on disk

Result = TypeVar("Result")


class DescriptorStore:
    """Descriptors of the images of some manifest rows, by position.

    An image is decoded and described when first asked for; afterwards its descriptors
    are read from disk, by this training or a later one. Only those of the images in use
    are kept in memory.

    Args:
        dataset: Data set of the rows.
        rows: Manifest rows.
        settings: Settings of the descriptors.
        folder: Folder of the cache; it may be deleted at any time. There is one file
            per image content and one subfolder per descriptor setting. It takes at most
            MAX_MB: other settings are deleted first, then nothing more is cached.
    """

    def __init__(
        self, dataset: Dataset, rows: pd.DataFrame, settings: Settings, folder: Path
    ):
        self.paths = [dataset.folder / name for name in rows["path"]]
        self.hashes = rows["sha256"].tolist()
        self.settings = settings
        self.folder = folder / _fingerprint(settings)
        self.free_bytes = _make_room(self.folder)

    def __len__(self) -> int:
        return len(self.paths)

    def get(self, index: int) -> np.ndarray:
        """Descriptors of the image at a position, uint8 `(descriptors, bytes)`."""
        path = self.folder / f"{self.hashes[index]}.npy"
        try:
            return np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            pass  # not there, or not whole
        found = describe(read_image(self.paths[index]), self.settings).descriptors
        if found.nbytes <= self.free_bytes:
            self.free_bytes -= found.nbytes
            self._keep(path, found)
        return found

    def _keep(self, path, found):
        mine = path.with_name(f"{os.getpid()}-{path.name}")  # others may write it too
        try:
            with atomic_path(mine) as temporary, open(temporary, "wb") as file:
                np.save(file, found)
            os.replace(mine, path)
        except OSError as error:
            self.free_bytes = 0
            print(
                "The descriptors could not be cached for the next training: "
                f"{reason(error)}"
            )


def in_threads(
    work: Callable[[int], Result], count: int, what: str | None = None
) -> list[Result]:
    """Returns the list of `work(0)`, `work(1)`, ...; shows a progress bar named `what`.

    Every thread has its own core: linear algebra inside a thread uses no other core.
    """
    if count == 1:
        return [work(0)]
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), image_threads() as pool:
        steps = pool.map(work, range(count))
        return list(steps if what is None else progress(steps, what, count))


def _fingerprint(settings):
    """Hash of everything that the descriptors of an image depend on."""
    height, width = settings.image_size
    grid = descriptors.GRID_STEP, descriptors.SIFT_PATCHES, descriptors.ORB_PATCH
    digest = hashlib.sha256(repr((settings, grid, cv2.__version__)).encode())
    name = f"{settings.features}-{settings.points}"
    return f"{name}-{digest.hexdigest()[:12]}-{height}x{width}"


def _make_room(folder):
    """Bytes that may be written; other cache folders are deleted to make room."""
    limit = MAX_MB * 2**20
    if _num_bytes(folder.parent) > limit / 2:
        for other in folder.parent.iterdir():
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
    return limit - _num_bytes(folder.parent)


def _num_bytes(folder):
    """Of all files in a folder; another training may take some away meanwhile."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.stat(os.path.join(place, name)).st_size
    return total
