"""Clips: images that are frames of one recording, and the last frames before each."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

MAX_STEP = 10  # frame numbers between neighbours; a larger step begins a new clip
LARGEST = np.iinfo(np.int64).max  # a number beyond it is no frame number
SEPARATORS = "_-. "


def name_clips(sources: Iterable[str]) -> pd.DataFrame:
    """Determines from the file names which clips the images are frames of.

    The last number of a file's stem is that of the frame, and the rest of its path
    names the clip. A file without a number is a still image, and so are files of one
    clip with the same number: which of them is the frame is not known.

    Args:
        sources: Paths relative to the source folder, with `/`.

    Returns:
        Table with the text columns `clip` and `frame`, a row per path, both empty for
        a still image. A clip directly in the source folder, named by numbers alone,
        is called ".".

    Example:
        >>> name_clips(["good/line_000123.png", "good/7.png"])
                clip frame
        0  good/line   123
        1       good     7
    """
    named = [_clip_and_frame(PurePosixPath(source)) for source in sources]
    table = pd.DataFrame(named, columns=["clip", "frame"], dtype=str)
    table[table.duplicated(keep=False)] = ""
    return table


def _clip_and_frame(path):
    found = re.fullmatch(r"(.*?)(\d+)(\D*)", path.stem, re.DOTALL)
    if not found or int(found[2]) > LARGEST:
        return "", ""
    before, number, after = found.groups()
    name = before + after if after else before.rstrip(SEPARATORS)
    return str(path.parent / name), str(int(number))


def clip_windows(
    rows: pd.DataFrame, num_frames: int, *, max_step: int = MAX_STEP
) -> np.ndarray:
    """Finds for every row the last frames of its clip, itself included.

    Args:
        rows: Manifest table; frames of other tables are not looked for. The order of
            the rows does not matter, that of the frame numbers does.
        num_frames: Frames in a window, 1 or more.
        max_step: Frame numbers may be missing, but where a number is more than this
            above the one before, the clip begins anew.

    Returns:
        Integer array `(rows, num_frames)` of positions in `rows`, the earliest frame
        first and the row's own position last. Where a clip has not yet so many
        frames, its first one is repeated; a row without a clip is a clip of one.

    Raises:
        ValueError: If `num_frames` is less than 1.

    Example:
        >>> frames = [("a", "9"), ("a", "11"), ("a", "10"), ("", "")]
        >>> rows = pd.DataFrame(frames, columns=["clip", "frame"])
        >>> clip_windows(rows, 3)
        array([[0, 0, 0],
               [0, 2, 1],
               [0, 0, 2],
               [3, 3, 3]])
    """
    if num_frames < 1:
        raise ValueError(f"num_frames must be 1 or more. Received: {num_frames}.")
    is_still = ((rows["clip"] == "") | (rows["frame"] == "")).to_numpy(bool)
    places = np.arange(len(rows))
    clips = np.where(is_still, -1 - places, pd.factorize(rows["clip"])[0])
    frames = np.where(is_still, "0", rows["frame"].to_numpy(str)).astype(np.int64)
    order = np.lexsort((frames, clips))
    clips, frames = clips[order], frames[order]
    begins = np.ones(len(rows), bool)
    begins[1:] = (clips[1:] != clips[:-1]) | (frames[1:] - frames[:-1] > max_step)
    first = np.maximum.accumulate(np.where(begins, places, 0))
    window = places[:, None] - np.arange(num_frames)[::-1]
    windows = np.empty_like(window)
    windows[order] = order[np.maximum(window, first[:, None])]
    return windows
