"""Where frames come from: an RTSP or HTTP camera, a device, a video file, a folder.

A source gives what it received, one packet at a time, not yet as RGB: only the
pictures that are handed on are converted. Pictures that are damaged, or that build
on a damaged or lost one, are left out and counted.
"""

import logging
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import av
import cv2
import numpy as np

from goodparts.command import InputError
from goodparts.files import natural_key
from live.camera.lost_frames import Damage, FrameNumbers, StreamClock
from preprocessing.images import is_image, read_image

OPEN_TIMEOUT = 5.0  # seconds to connect and learn what the stream is
MISSING_END = 1.0  # seconds at the end of a video file that tell that it is cut off
SCHEMES = ("rtsp", "rtsps", "http", "https")
STREAM_OPTIONS = {
    "rtsp_transport": "tcp",
    "allowed_media_types": "video",
    "fpsprobesize": "0",  # do not watch 20 frames only to guess their rate
    "reorder_queue_size": "10",  # packets; without a queue no lost one is noticed
}
# FFmpeg says only in its log that packets were lost: it is read, and not shown.
LOST_PACKETS = "RTP: missed"
DOUBTFUL = 3  # coded pictures from such a message on that the loss may be in
# Codecs in which a lost or damaged picture of a camera is recognised.
LIVE_CODECS = ("h264", "hevc", "mjpeg")
INVENTS_TIMES = av.format.Flags.no_timestamps.value  # a format without time stamps
# The pictures of a decoder that conceals errors look whole: it is to refuse instead.
STRICT = {"err_detect": "explode"}
LOGIN = re.compile(r"(\w+://)(?:\S*@)?([^\s?]*)(\?\S*)?")
PASSWORD = re.compile(r"(?i)((?:pass\w*?|pwd|psw|token|secret)=)[^\s&/;?]+")
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
    captured_at: float  # time.monotonic() when it came, or would have without a queue
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
    _hear_of_lost_packets()
    text = str(text)
    name = without_secrets(text)
    if text.isdecimal():
        return Source(f"device {text}", True, lambda: _read_device(int(text)))
    if "://" in text:
        name = without_secrets(re.sub(r"\s", "%20", text))
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
    """The text without what is or may be a password: for the screen and the log.

    Of a URL neither `user:password@` (up to the last @, whatever it holds) nor the
    query is left; of any text no value of `password=`, `pwd=` and the like.
    """
    text = LOGIN.sub(
        lambda found: found[1] + found[2] + ("?..." if found[3] else ""), text
    )
    return PASSWORD.sub(r"\1...", text)


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
    images = filter(is_image, path.iterdir())
    images = sorted(images, key=lambda image: natural_key(image.name))
    if not images:
        raise InputError(
            f"The folder {path} has no images. Give the folder that holds them "
            "(PNG, JPEG, BMP, TIFF, WebP), not one above it."
        )
    return images


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


def _hear_of_lost_packets():
    """Makes FFmpeg's warnings messages that are read, and shown to nobody."""
    av.logging.set_level(av.logging.WARNING)
    av.logging.set_skip_repeated(False)
    logging.getLogger("libav").addHandler(logging.NullHandler())


def _read_stream(url, timeout):
    try:
        with (
            av.logging.Capture(local=True) as messages,
            av.open(url, options=STREAM_OPTIONS, timeout=timeout) as container,
        ):
            yield Received()  # connected
            _check_codec(container)
            yield from _decode(container, messages)
    except (av.FFmpegError, OSError) as error:
        raise SourceLost(_reason(error)) from None
    raise SourceLost("the camera ended the stream")


def _check_codec(container):
    for stream in container.streams.video[:1]:
        name = stream.codec_context.name if stream.codec_context else "an unknown codec"
        if name not in LIVE_CODECS:
            raise SourceLost(
                f"the camera sends {name}, in which damaged pictures cannot be "
                "recognised; set it to H.264, H.265 or MJPEG"
            )


def _read_video(path):
    reached = 0.0
    try:
        with av.open(f"file:{path}") as container:
            seconds = _seconds(container)
            for received in _decode(container):
                if received.picture:
                    reached = _end(received.picture.pixels) or reached
                elif received.problem:
                    received = received._replace(problem=f"{path}: {received.problem}")
                yield received
    except (av.FFmpegError, OSError) as error:
        yield Received(num_bad=1, problem=f"{path} breaks off: {_reason(error)}")
    else:
        if reached < seconds - MISSING_END:
            problem = f"{path} has no picture after {reached:.1f} of {seconds:.1f} s"
            yield Received(num_bad=1, problem=problem)


def _end(frame):
    """When the next picture is due, in seconds of the video."""
    return frame.time and frame.time + float((frame.duration or 0) * frame.time_base)


def _seconds(container):
    """When the video ends by what the file says of itself; 0 if it does not."""
    stream = container.streams.video[0]
    if stream.duration:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    is_alone = len(container.streams) == 1  # else the sound may be longer
    return (container.duration or 0) / av.time_base if is_alone else 0.0


def _decode(container, messages=None):
    """Yields the whole pictures; after damage none until the next key frame.

    Args:
        container: What was opened.
        messages: FFmpeg's log of a live stream, as it grows; None for a file.
    """
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
    is_live = messages is not None
    has_times = is_live and not container.format.flags & INVENTS_TIMES
    clock, doubtful = StreamClock(), 0
    for packet in container.demux():  # of all streams: sound alone must not block
        at = time.monotonic()
        if packet.stream is not stream:
            yield Received()
            continue
        if messages:
            is_lost = any(LOST_PACKETS in text for _, _, text in messages)
            doubtful = DOUBTFUL if is_lost else doubtful
            messages.clear()
        if doubtful:
            doubtful -= 1
            damage.begin(packet.pts, "a part of the stream was lost on the way")
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
                sent_at = clock.captured_at(at, frame.time if has_times else None)
                yield Received(Picture(frame, sent_at, frame.time))
        if not frames:
            yield Received()


def _reason(error):
    """The cause in plain words; never the address, which may hold a password."""
    if isinstance(error, av.error.ExitError):
        return "no answer in time"
    if isinstance(error, av.error.HTTPUnauthorizedError):
        return "user or password is wrong (401 unauthorised)"
    if isinstance(error, av.error.InvalidDataError):
        return "what came is no video"
    return (error.strerror or type(error).__name__).lower()
