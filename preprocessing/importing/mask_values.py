"""What the pixels of the masks of a data set mean, and several masks as one."""

from collections.abc import Iterable

import numpy as np

from goodparts.command import InputError
from goodparts.files import PathLike
from preprocessing.images import read_mask_values

IGNORE = 255  # beside class indices: pixels that do not count
MAX_INDEX = 32  # of a class


def read_masks(
    paths: Iterable[PathLike], ignore: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The union of masks.

    Args:
        paths: Paths of the masks of one image, which have one size.
        ignore: The ignored value, or None.

    Returns:
        Two bool masks `(height, width)`: the defect, and the ignored pixels.
    """
    marked = ignored = None
    for path in paths:
        seen, values = read_mask_values(path)
        left_out = np.zeros_like(seen)
        if ignore is not None and values is not None:
            left_out = values == ignore
            seen = seen & ~left_out
        if marked is not None and seen.shape != marked.shape:
            raise InputError(f"{path} differs in size from the other masks")
        marked = seen if marked is None else marked | seen
        ignored = left_out if ignored is None else ignored | left_out
    if marked is None:
        raise InputError("there is no mask")
    return marked, ignored & ~marked


def has_ignored(kinds: Iterable[str | None]) -> bool:
    """Whether 255 is ignored in a set of masks: some of them mix it with class indices.

    If most masks are black and white, a single mask may contain another value by
    accident: then 255 is the defect, as in all others.

    Args:
        kinds: Kinds of the masks, see `mask_kind`.
    """
    kinds = list(kinds)
    indexed = kinds.count("indexed") + kinds.count("mixed")
    return "mixed" in kinds and indexed >= kinds.count("white")


def mask_kind(path: PathLike) -> str | None:
    """The kind of the values of a mask other than 0.

    Returns:
        `white` (255 alone), `indexed` (class indices), `mixed` (both) or None.
    """
    try:
        values = read_mask_values(path)[1]
    except (InputError, OSError):
        return None
    if values is None:
        return None
    levels = np.unique(values)
    levels = levels[levels > 0]
    rest = levels[levels != IGNORE]
    if not len(levels) or (len(rest) and rest.max() > MAX_INDEX):
        return None
    if not len(rest):
        return "white"
    return "mixed" if levels[-1] == IGNORE else "indexed"
