r"""Turns recordings into images, so that a recording becomes a data set.

    goodparts frames line.mp4 --out frames --rate 5
    goodparts frames recordings/ --out frames --roi 220,0,150,400@640x480

Writes frames/line/line_000042.png and so on, without loss; the number is that of the
frame in its video. Frames that hardly differ from the last frame that was kept are left
out. A minute of 640x360 takes some seconds. The images of a video are written
completely or not at all: after an interruption, run the command again; complete videos
are not processed again.

Sort the images into folders by class and run goodparts folders. Their names keep the
order in time for --grouping chronological, and --grouping pattern
--pattern '(.+)_\d+$' keeps each video together.
"""

if __name__ == "__main__":
    from goodparts.cli import start

    start("frames")

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from goodparts.command import InputError
from goodparts.files import PathLike, file_hash, read_json, remove_leftovers, write_json
from preprocessing.images import write_image
from preprocessing.region import Roi, cut, fit_region, make_region
from preprocessing.video_file import read_frames, to_rgb

VIDEO_SUFFIXES = frozenset(
    ".mp4 .m4v .mov .avi .mkv .webm .gif .mpg .mpeg .ts .mts .wmv .flv .3gp".split()
)
RECORD = ".frames.json"  # of how the images of a folder were made
GREY_DIFFERENCE = 20  # of 255, above it a pixel has changed
CHANGED_SHARE = 0.01  # of the pixels, below it an image is a near-duplicate


class Counts(NamedTuple):
    """Frames of a video: all, those due at the rate, near-duplicates, images."""

    num_read: int
    num_due: int
    num_duplicates: int
    num_kept: int


def extract_frames(
    video: PathLike,
    out: PathLike,
    *,
    rate: float | None = None,
    roi: Roi | None = None,
    mask: PathLike | None = None,
    keep_duplicates: bool = False,
) -> Counts:
    """Writes the images of one video to `<out>/<its name>` and prints a line.

    A folder that was made before with the same arguments is not changed.

    Args:
        video: Any file that FFmpeg reads; rotated according to its metadata.
        out: Folder of all videos' folders.
        rate: Images per second, chosen by time stamp; every frame if None, or if the
            video has fewer.
        roi: `Roi`, or None for the whole frame; see `make_region`.
        mask: Path of an image, white on the part, or None.
        keep_duplicates: Whether near-duplicates are written too.

    Returns:
        `Counts`.

    Raises:
        InputError: If the file is not a video, is damaged or truncated, the region does
            not fit it, or the folder exists with other images.
    """
    video = Path(video)
    folder = Path(out) / video.stem
    recipe = {
        "video": video.name,
        "sha256": file_hash(video),
        "rate": rate,
        "roi": roi and [list(roi.box), roi.frame_size and list(roi.frame_size)],
        "mask_sha256": mask and file_hash(mask),
        "keep_duplicates": keep_duplicates,
    }
    counts = _counts_of_done(folder, recipe)
    is_new = counts is None
    if is_new:
        remove_leftovers(folder)
        partial = folder.with_name(f".{folder.name}.partial")
        partial.mkdir(parents=True)
        try:
            counts = _write_images(
                video, partial, rate=rate, roi=roi, mask=mask, keep=keep_duplicates
            )
            write_json(partial / RECORD, {**recipe, "counts": counts._asdict()})
            os.rename(partial, folder)
        except InputError as error:
            raise InputError(f"{video}: {error}") from None
        finally:
            remove_leftovers(folder)
    print(_describe(folder, counts, rate=rate, is_new=is_new))
    return counts


def _counts_of_done(folder, recipe):
    """The counts of a complete folder; None if there is no folder."""
    if not os.path.lexists(folder):
        return None
    record = read_json(folder / RECORD) if (folder / RECORD).exists() else {}
    counts = record.pop("counts", None)
    if record == recipe:
        return Counts(**counts)
    differs = ", ".join(key for key in recipe if record.get(key) != recipe[key])
    made = (
        f"was made with a different {differs}"
        if record
        else "was not made by this command"
    )
    raise InputError(
        f"{folder} already exists and {made}. Remove it, or choose another --out."
    )


def _write_images(video, folder, *, rate, roi, mask, keep):
    region, last, next_due = None, None, 0
    num_read = num_due = num_duplicates = 0
    for number, (seconds, frame) in enumerate(read_frames(video)):
        num_read += 1
        if rate is not None:
            # A clock of whole milliseconds shows some frames a little early.
            early = min(float(frame.time_base), 0.1 / rate)
            if (seconds + early) * rate < next_due:
                continue
            next_due = max(next_due, math.floor(seconds * rate)) + 1
        num_due += 1
        image = to_rgb(frame)
        if region is None:
            region = make_region(roi, mask, image.shape[:2])
        seen = fit_region(region, image.shape[:2]).mask
        image = cut(image, region)
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        if not keep and is_near_duplicate(grey, last, seen):
            num_duplicates += 1
            continue
        last = grey
        write_image(folder / f"{video.stem}_{number:06d}.png", image)
    return Counts(num_read, num_due, num_duplicates, num_due - num_duplicates)


def is_near_duplicate(
    grey: np.ndarray, last: np.ndarray | None, seen: np.ndarray | None = None
) -> bool:
    """Whether a picture hardly differs from the last one that was kept.

    Args:
        grey: uint8, `(height, width)`.
        last: The same of the last one kept; None if there is none.
        seen: Bool, `(height, width)`, the pixels that count; None for all.
    """
    if last is None or last.shape != grey.shape:
        return False
    num_changed = np.count_nonzero(cv2.absdiff(grey, last) > GREY_DIFFERENCE)
    num_pixels = grey.size if seen is None else np.count_nonzero(seen)
    return bool(num_changed < CHANGED_SHARE * num_pixels)


def _describe(folder, counts, *, rate, is_new):
    due = "" if rate is None else f", {counts.num_due} selected at {rate:g} per second"
    return (
        f"{folder}: {'' if is_new else 'up to date, '}{counts.num_read} frames read"
        f"{due}, {counts.num_duplicates} near-duplicates left out, "
        f"{counts.num_kept} images"
    )


def find_videos(paths: Iterable[PathLike]) -> list[Path]:
    """The videos among files and the folders that hold them.

    Raises:
        InputError: If a path is missing, a folder has no video, or two videos have
            one name, so that their images would go to one folder.
    """
    videos = []
    for path in map(Path, paths):
        if not path.exists():
            raise InputError(f"There is no file or folder {path}. Check the path.")
        found = _videos_of(path) if path.is_dir() else [path]
        if not found:
            suffixes = " ".join(sorted(VIDEO_SUFFIXES))
            raise InputError(f"{path} contains no videos ({suffixes}). Check the path.")
        videos += found
    by_stem = {}
    for video in videos:
        other = by_stem.setdefault(video.stem, video)
        if other is not video:
            raise InputError(
                f"{other} and {video} would both be written to the folder "
                f"{video.stem!r}. Rename one of them, or process them one at a time, "
                "each with its own --out."
            )
    return videos


def _videos_of(folder):
    return sorted(
        path
        for path in folder.glob("[!.]*")
        if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()
    )
