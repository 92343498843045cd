"""Pixels of a decoded picture: as RGB, and whether two are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from preprocessing import video_file

if TYPE_CHECKING:
    import av


def to_rgb(pixels: av.VideoFrame | np.ndarray) -> np.ndarray:
    """The picture as contiguous uint8 RGB `(height, width, 3)`, turned upright.

    Args:
        pixels: A frame of PyAV of any pixel format, or an RGB array.
    """
    return pixels if isinstance(pixels, np.ndarray) else video_file.to_rgb(pixels)


def is_same_picture(
    first: av.VideoFrame | np.ndarray, second: av.VideoFrame | np.ndarray
) -> bool:
    """Whether two pictures are equal in every byte."""
    if isinstance(first, np.ndarray):
        return isinstance(second, np.ndarray) and np.array_equal(first, second)
    if isinstance(second, np.ndarray) or _form(first) != _form(second):
        return False
    return all(map(_is_same_plane, first.planes, second.planes, _row_bytes(first)))


def _form(frame):
    return frame.width, frame.height, frame.rotation, frame.format.name


def _row_bytes(frame):
    """Bytes of a row of each plane that are pixels; what pads it may be anything."""
    parts = frame.format.components
    return [
        sum(plane.width * -(-part.bits // 8) for part in parts if part.plane == number)
        for number, plane in enumerate(frame.planes)
    ]


def _is_same_plane(first, second, row_bytes):
    rows = (
        np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[:, :row_bytes]
        for plane in (first, second)
    )
    return np.array_equal(*rows)
