"""What the pixels of the masks of a data set mean, and several masks as one."""

import numpy as np

from goodparts.command import InputError
from preprocessing.images import read_mask_values

IGNORE = 255  # beside class indices: pixels that do not count


def read_masks(paths, ignore=None):
    """The union of masks.

    Args:
        paths: Of the masks of one image, which have one size.
        ignore: The value that does not count, or None.

    Returns:
        Two bool masks `(height, width)`: what is defect, and what does not count.
    """
    marked = ignored = None
    for path in paths:
        seen, values = read_mask_values(path)
        left_out = np.zeros_like(seen)
        if ignore is not None and values is not None:
            left_out = values == ignore
            seen = seen & ~left_out
        if marked is not None and seen.shape != marked.shape:
            raise InputError(f"{path} has another size than the other masks")
        marked = seen if marked is None else marked | seen
        ignored = left_out if ignored is None else ignored | left_out
    if marked is None:
        raise InputError("there is no mask")
    return marked, ignored & ~marked


def mixes_ignore(path):
    """Whether a mask has small class indices and 255, which then does not count."""
    try:
        values = read_mask_values(path)[1]
    except (InputError, OSError):
        return False
    if values is None:
        return False
    levels = np.unique(values)
    rest = levels[(levels > 0) & (levels < IGNORE)]
    return bool(levels[-1] == IGNORE and len(rest) and rest.max() <= 32)
