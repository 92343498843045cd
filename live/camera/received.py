"""What a source gives: pictures, damage, and why there is nothing any more."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import av
import numpy as np


class SourceLost(Exception):
    """A source gives nothing any more; its text says why, without secrets.

    Args:
        text: Why.
        tries: How many attempts in a row may end so before a source that never gave
            a picture is given up; None for what may pass, as a camera that starts.
    """

    def __init__(self, text: str, *, tries: int | None = None):
        super().__init__(text)
        self.tries = tries


class Picture(NamedTuple):
    """One whole picture as it was received; `to_rgb(pixels)` makes an image of it.

    FFmpeg knows that a picture of an RTSP stream is whole when the next one begins:
    one frame interval after its last byte.
    """

    pixels: av.VideoFrame | np.ndarray  # an array is RGB already
    captured_at: float  # time.monotonic() when it came, or would have without a queue
    media_time: float | None  # seconds in the file or stream


class Received(NamedTuple):
    """What one packet brought: perhaps a picture, perhaps damage, perhaps nothing."""

    picture: Picture | None = None
    num_bad: int = 0
    problem: str | None = None
    name: str | None = None  # of the image file that it is from


class Source(NamedTuple):
    """A place that frames come from.

    Attributes:
        name: The text it was opened by, without user, password and query.
        is_live: True for cameras and streams (the newest frame counts, and they come
            back after a loss), False for files and folders (every frame counts).
        ends: Whether it ends by itself, as a recording does.
        follows: Whether it waits for files: that none comes is no fault.
        receive: Connects and yields `Received`; raises `SourceLost` or `InputError`.
        note: What the user should know of how it is read, or None.
        left_out: Files that were left out since they are no images, by suffix.
    """

    name: str
    is_live: bool
    receive: Callable[[], Iterator[Received]]
    note: str | None = None
    ends: bool = False
    follows: bool = False
    left_out: Mapping[str, int] = MappingProxyType({})
