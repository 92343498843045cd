"""What a source delivers: pictures, damage, and the reason for its end."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import av
import numpy as np


class SourceLost(Exception):
    """A source delivers nothing any more; the text says why, without secrets.

    Args:
        text: Why.
        tries: How many consecutive attempts may fail in this way before a source that
            never delivered a picture is given up; None for temporary reasons, such as a
            camera that is starting.
    """

    def __init__(self, text: str, *, tries: int | None = None):
        super().__init__(text)
        self.tries = tries


class Picture(NamedTuple):
    """One complete picture as received; `to_rgb(pixels)` converts it to an image.

    FFmpeg only knows that a picture of an RTSP stream is complete when the next one
    begins, one frame interval after its last byte.
    """

    pixels: av.VideoFrame | np.ndarray  # an array is RGB already
    captured_at: float  # time.monotonic() when it came, or would have without a queue
    media_time: float | None  # seconds in the file or stream


class Received(NamedTuple):
    """The content of one packet: a picture, damage, or nothing."""

    picture: Picture | None = None
    num_bad: int = 0
    problem: str | None = None
    name: str | None = None  # of the image file that it is from


class Source(NamedTuple):
    """A source of frames.

    Attributes:
        name: The text with which it was opened, without user, password and query.
        is_live: True for cameras and streams (the newest frame is used, and lost
            connections are retried), False for files and folders (every frame is used).
        ends: Whether it ends by itself, as a recording does.
        follows: Whether it waits for files: that none comes is no fault.
        receive: Connects and yields `Received`; raises `SourceLost` or `InputError`.
        note: What the user should know about how it is read, or None.
        left_out: Number of files that were skipped because they are not images, by
            their kind.
    """

    name: str
    is_live: bool
    receive: Callable[[], Iterator[Received]]
    note: str | None = None
    ends: bool = False
    follows: bool = False
    left_out: Mapping[str, int] = MappingProxyType({})
