"""Where frames come from: an RTSP or HTTP camera, a device, a video file, a folder.

A source gives what it received, one packet at a time, not yet as RGB: only the
pictures that are handed on are converted. Pictures that are damaged, or that build
on a damaged or lost one, are left out and counted.
"""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import av
import cv2
import numpy as np

from live.lost_frames import FrameNumbers
from preprocessing.command import InputError
from preprocessing.images import is_image, read_image

OPEN_TIMEOUT = 5.0  # seconds to connect and learn what the stream is
SCHEMES = ("rtsp", "rtsps", "http", "https")
STREAM_OPTIONS = {
    "rtsp_transport": "tcp",
    "allowed_media_types": "video",
    "fpsprobesize": "0",  # do not watch 20 frames only to guess their rate
}
# The pictures of a decoder that conceals errors look whole: it is to refuse instead.
STRICT = {"err_detect": "explode"}
EXPECTED = (
    "Expected rtsp://..., http(s)://..., a device number such as 0, a video file or a "
    "folder of images."
)


class SourceLost(Exception):
    """A camera or stream gives nothing any more; its text says why, without secrets."""


class Picture(NamedTuple):
    """One whole picture as it was received; `to_rgb(pixels)` makes an image of it.

    FFmpeg knows that a picture of an RTSP stream is whole when the next one begins:
    one frame interval after its last byte.
    """

    pixels: av.VideoFrame | np.ndarray  # an array is RGB already
    captured_at: float  # time.monotonic() when it had been received whole
    media_time: float | None  # seconds in the file or stream


class Received(NamedTuple):
    """What one packet brought: perhaps a picture, perhaps damage, perhaps nothing."""

    picture: Picture | None = None
    num_bad: int = 0
    problem: str | None = None


class Source(NamedTuple):
    """A place that frames come from.

    Attributes:
        name: The text it was opened by, without user, password and query.
        is_live: True for cameras and streams (the newest frame counts, and they come
            back after a loss), False for files and folders (every frame counts).
        receive: Connects and yields `Received`; raises `SourceLost` or `InputError`.
    """

    name: str
    is_live: bool
    receive: Callable[[], Iterator[Received]]


def open_source(text, *, read_timeout=5.0):
    """The source that `text` names.

    Files and folders are looked at now, cameras when frames are asked for.

    Args:
        text: `rtsp://...`, `http://...`, `https://...`, a device number, a video
            file, an image or a folder of images (natural order of their names).
        read_timeout: Seconds after which a read that blocks is given up.

    Returns:
        A `Source`.

    Raises:
        InputError: If there is no such file, it holds no video, the folder no image,
            or the scheme is unknown.
    """
    text = str(text)
    name = without_secrets(text)
    if text.isdecimal():
        return Source(f"device {text}", True, lambda: _read_device(int(text)))
    if "://" in text:
        _check_url(text, name)
        timeout = (OPEN_TIMEOUT, read_timeout)
        return Source(name, True, lambda: _read_stream(text, timeout))
    path = Path(text).expanduser()
    if path.is_dir() or is_image(path):
        images = _images_of(path)
        return Source(name, False, lambda: _read_images(images))
    _check_video(path)
    return Source(name, False, lambda: _read_video(path))


def without_secrets(text):
    """The text of a URL without `user:password@` and query values; others as is."""
    return re.sub(
        r"(\w+://)(?:[^/\s]*@)?([^\s?]*)(\?\S*)?",
        lambda found: found[1] + found[2] + ("?..." if found[3] else ""),
        text,
    )


def to_rgb(pixels):
    """The picture as contiguous uint8 RGB `(height, width, 3)`, turned upright.

    Video that says it was filmed on its side is turned by its quarter turns.

    Args:
        pixels: A frame of PyAV of any pixel format, or an RGB array.
    """
    if isinstance(pixels, np.ndarray):
        return pixels
    image = pixels.to_ndarray(format="rgb24", threads=1)
    return np.ascontiguousarray(np.rot90(image, round(pixels.rotation / 90)))


def is_same_picture(first, second):
    """Whether two pictures are equal in every byte."""
    if isinstance(first, np.ndarray):
        return np.array_equal(first, second)
    if _form(first) != _form(second):
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


def _check_url(text, name):
    try:
        parts = urlsplit(text)
        is_whole = parts.scheme.lower() in SCHEMES and bool(parts.hostname)
    except ValueError:
        is_whole = False
    if not is_whole:
        raise InputError(f"--source {name} is no camera address. {EXPECTED}")


def _images_of(path):
    if not path.is_dir():
        read_image(path)
        return [path]
    images = sorted(filter(is_image, path.iterdir()), key=lambda image: _natural(image))
    if not images:
        raise InputError(
            f"The folder {path} has no images. Give the folder that holds them "
            "(PNG, JPEG, BMP, TIFF, WebP), not one above it."
        )
    return images


def _natural(path):
    """Sort key by which frame 9 comes before frame 10."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _check_video(path):
    if not path.is_file():
        raise InputError(f"There is no file or folder {path}. {EXPECTED}")
    try:
        with av.open(f"file:{path}") as container:
            found = bool(container.streams.video)
    except (av.FFmpegError, OSError) as error:
        raise InputError(
            f"{path} cannot be read as a video ({_reason(error)}). {EXPECTED}"
        ) from None
    if not found:
        raise InputError(f"{path} holds no video. {EXPECTED}")


def _read_images(paths):
    for path in paths:
        try:
            image = read_image(path)
        except InputError as error:
            yield Received(num_bad=1, problem=str(error))
        else:
            yield Received(Picture(np.ascontiguousarray(image), time.monotonic(), None))


def _read_device(number):
    device = cv2.VideoCapture(number)
    try:
        if not device.isOpened():
            raise SourceLost(f"there is no camera number {number}, or it is in use")
        device.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        yield Received()  # connected
        while True:
            whole, pixels = device.read()
            at = time.monotonic()
            if not whole:
                raise SourceLost("the camera gives no picture")
            yield Received(Picture(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), at, None))
    finally:
        device.release()


def _read_stream(url, timeout):
    try:
        with av.open(url, options=STREAM_OPTIONS, timeout=timeout) as container:
            yield Received()  # connected
            yield from _decode(container)
    except (av.FFmpegError, OSError) as error:
        raise SourceLost(_reason(error)) from None
    raise SourceLost("the camera ended the stream")


def _read_video(path):
    try:
        with av.open(f"file:{path}") as container:
            yield from _decode(container)
    except (av.FFmpegError, OSError) as error:
        yield Received(num_bad=1, problem=f"{path} breaks off: {_reason(error)}")


def _decode(container):
    """Yields the whole pictures; after damage none until the next key frame."""
    if not container.streams.video:
        raise SourceLost("the stream holds no video")
    stream = container.streams.video[0]
    decoder = stream.codec_context
    decoder.options = STRICT
    decoder.thread_type = "NONE"  # frame threads delay, slice threads hide damage
    decoder.thread_count = 1
    is_h264 = decoder.name == "h264"
    numbers = FrameNumbers(decoder.extradata) if is_h264 else None
    damage = Damage()
    for packet in container.demux():  # of all streams: sound alone must not block
        at = time.monotonic()
        if packet.stream is not stream:
            yield Received()
            continue
        if numbers and packet.size and numbers.is_gap(bytes(packet)):
            damage.begin(packet.pts, "a frame was lost on the way")
        try:
            frames = packet.decode()
        except av.FFmpegError as error:
            damage.begin(packet.pts, f"damaged frame: {_reason(error)}")
            yield Received(num_bad=1, problem=damage.problem)
            continue
        for frame in frames:
            if frame.is_corrupt or packet.is_corrupt:
                damage.begin(packet.pts, "damaged frame")
            if damage.reaches(frame):
                yield Received(num_bad=1, problem=damage.problem)
            else:
                yield Received(Picture(frame, at, frame.time))
        if not frames:
            yield Received()


class Damage:
    """Damage reaches every frame up to the next key frame, as does the beginning."""

    def __init__(self):
        self.is_open = True
        self.since = self.problem = None

    def begin(self, since, problem):
        self.is_open, self.since, self.problem = True, since, problem

    def reaches(self, frame):
        is_later = None in (self.since, frame.pts) or frame.pts > self.since
        if frame.key_frame and is_later and not frame.is_corrupt:
            self.is_open = False
        return self.is_open


def _reason(error):
    """The cause in plain words; never the address, which may hold a password."""
    if isinstance(error, av.error.ExitError):
        return "no answer in time"
    if isinstance(error, av.error.HTTPUnauthorizedError):
        return "user or password is wrong (401 unauthorised)"
    if isinstance(error, av.error.InvalidDataError):
        return "what came is no video"
    return (error.strerror or type(error).__name__).lower()
