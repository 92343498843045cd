"""The pictures and colours of a video file, as video players show them.

Training and the live inspection both read through this, so that a file gives the same
pictures to both. Frames before the beginning that an edit list sets, as in an MP4 that
was cut without encoding it anew, are not shown.
"""

import shlex
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.reformatter import Colorspace

from goodparts.command import InputError, progress

MISSING_SECONDS = 1.0  # at the end of a video, above it the file was cut off
UNTAGGED = 2  # the colour space of a frame of which nobody said it
SD_WIDTH, SD_HEIGHT = 1280, 576  # pixels; what is smaller is standard definition


def main_video(container: InputContainer) -> av.VideoStream | None:
    """The video track of an opened container that is to be read.

    It is the one that players choose: of the tracks that are no cover picture, one
    marked as the default before others, then the one with more pictures.

    Returns:
        The stream, or None if there is none.
    """
    tracks = _tracks(container)
    best = container.streams.best("video") if len(tracks) > 1 else None
    first = next(iter(tracks), None)
    return next((track for track in tracks if track == best), first)


def about_tracks(container: InputContainer) -> str | None:
    """One line on which of several video tracks is read; None if there is one."""
    tracks, chosen = _tracks(container), main_video(container)
    if chosen is None or len(tracks) < 2:
        return None
    number = tracks.index(chosen) + 1
    return (
        f"{len(tracks)} video tracks; track {number} is read "
        f"({chosen.codec_context.name}, {chosen.width}x{chosen.height})."
    )


def _tracks(container):
    cover = av.stream.Disposition.attached_pic
    return [
        stream for stream in container.streams.video if not stream.disposition & cover
    ]


def read_frames(video: Path) -> Iterator[tuple[float, av.VideoFrame]]:
    """Yields the seconds since the first frame and the `av.VideoFrame`, for each.

    Raises:
        InputError: If the file is not a video, is damaged, or ends too early.
    """
    try:
        with av.open(f"file:{video}") as container:
            stream = main_video(container)
            if stream is None:
                raise InputError("it contains no pictures. Give a video.")
            if note := about_tracks(container):
                print(f"{video}: {note}")
            stream.thread_type = "AUTO"
            frames = container.decode(stream)
            first, end = None, 0.0
            steps = progress(frames, video.name, stream.frames or None, unit="frame")
            for number, frame in enumerate(steps):
                if frame.is_corrupt:
                    raise InputError(f"frame {number} is damaged. {_repair(video)}")
                time = _time(frame, number, stream)
                first = time if first is None else first
                yield time - first, frame
                end = (
                    time - first + float((frame.duration or 0) * (frame.time_base or 0))
                )
            _check_end(container, stream, first, end, video)
    except av.FFmpegError as error:
        raise InputError(
            f"it cannot be read as a video ({error.strerror}). {_repair(video)}"
        ) from error


def _time(frame, number, stream):
    """Seconds by the frame's time stamp; by its number in files that have none."""
    if frame.pts is not None:
        return float(frame.pts * frame.time_base)
    return number / float(stream.guessed_rate or 25)


def _check_end(container, stream, first, end, video):
    """Raises InputError if a file contains less than it states."""
    if first is None:
        raise InputError(f"no frame of it can be read. {_repair(video)}")
    stated = 0.0
    if stream.duration is not None:
        stated = float(stream.duration * stream.time_base)
    elif len(container.streams) == 1:  # else it may be that of a longer sound
        stated = (container.duration or 0) / av.time_base
    if stated - end > MISSING_SECONDS:
        raise InputError(
            f"it ends after {end:.1f} of {stated:.1f} seconds, so it was truncated. "
            + _repair(video)
        )


def _repair(video):
    repaired = video.with_name(f"{video.stem}_repaired.mkv")
    return "Copy it again, or repair what can be repaired: " + shlex.join(
        ["ffmpeg", "-i", f"file:{video}", "-an", f"file:{repaired}"]
    )


def to_rgb(frame: av.VideoFrame) -> np.ndarray:
    """A decoded frame as uint8 RGB, `(height, width, 3)`, turned to stand upright.

    A frame that does not say how its colours were coded is BT.709 in high definition
    (from 1280 pixels of width or above 576 of height) and BT.601 below, as players
    take it.
    """
    coded_as = None
    if frame.colorspace == UNTAGGED:
        is_hd = frame.width >= SD_WIDTH or frame.height > SD_HEIGHT
        coded_as = Colorspace.ITU709 if is_hd else Colorspace.ITU601
    frame_in_rgb = frame.reformat(format="rgb24", src_colorspace=coded_as, threads=1)
    quarter_turns = round(frame.rotation / 90) % 4  # counter-clockwise
    return np.ascontiguousarray(np.rot90(frame_in_rgb.to_ndarray(), quarter_turns))
