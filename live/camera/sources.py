"""Where frames come from: an RTSP or HTTP camera, a device, a video file, a folder.

A source yields one packet at a time, not yet as RGB: only the pictures that are passed
on are converted.
"""

import os
import time
from argparse import ArgumentTypeError
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import av
import cv2
import numpy as np

from goodparts.command import InputError
from goodparts.files import escaped, natural_key
from goodparts.secret_text import secret_text
from live.camera.addresses import camera_url, shown_source, without_secrets
from live.camera.decoding import decode, hear_of_lost_packets, reason
from live.camera.hot_folder import HotFolder, kind_of_other
from live.camera.received import Picture, Received, Source, SourceLost
from live.camera.streams import SOME_TRIES, read_stream
from preprocessing.folder_walk import is_special
from preprocessing.images import is_image, read_image
from preprocessing.video_file import about_tracks, main_video

OPEN_TIMEOUT = 5.0  # seconds to connect and learn what the stream is
MISSING_END = 1.0  # seconds at the end of a video file that tell that it is cut off
EXPECTED = (
    "Expected rtsp://..., http(s)://..., a device number such as 0, a video file or a "
    "folder of images."
)


def open_source(
    text: str | os.PathLike[str],
    *,
    read_timeout: float = 5.0,
    follow: bool = False,
    judged: Mapping[str, int] | None = None,
    bit_depth: int | None = None,
) -> Source:
    """Opens the source given by `text`.

    Files and folders are checked now, cameras when frames are requested.

    Args:
        text: `rtsp://...`, `http://...`, `https://...`, a device number, a video
            file, an image or a folder of images (natural order of their names).
        read_timeout: Timeout in seconds for a blocked read.
        follow: Whether images that arrive in the folder later are read too,
            indefinitely.
        judged: When files of a folder were inspected before, for `HotFolder`.
        bit_depth: Bit depth of image files of more than 8 bits, see `read_image`.

    Raises:
        InputError: If there is no such file, it contains no video, the folder has no
            images, the scheme is unknown, or `follow` is used without a folder.
    """
    hear_of_lost_packets()
    text = str(text)
    name = escaped(shown_source(text))
    if follow:
        folder = _hot_folder(text, name, judged, bit_depth)
        return Source(
            name, False, folder.receive, follows=True, left_out=folder.left_out
        )
    if text.isdecimal():
        return Source(f"device {text}", True, lambda: _read_device(int(text)))
    if "://" in text:
        url = camera_url(text, EXPECTED)
        timeout = (OPEN_TIMEOUT, read_timeout)
        return Source(without_secrets(url), True, lambda: read_stream(url, timeout))
    path = Path(text).expanduser()
    if path.is_dir() or is_image(path):
        images, left_out = _images_of(path, bit_depth)
        return Source(
            name,
            False,
            lambda: _read_images(images, bit_depth),
            ends=True,
            left_out=left_out,
        )
    note = _check_video(path)
    return Source(name, False, lambda: _read_video(path), note, ends=True)


def parse_source(given: str) -> str:
    """argparse type of `--source`: its text, or a reference to it.

    See `secret_text`; the content of a variable or file is not shown in errors.
    """
    text = secret_text(given)
    if text == given:
        return text  # `open_source` says what is wrong with it
    if not text.isdecimal() and not _is_address(text):
        if not Path(text).expanduser().exists():
            raise ArgumentTypeError(f"{given} contains no source. {EXPECTED}")
    return text


def _is_address(text):
    try:
        return bool(camera_url(text, EXPECTED))
    except InputError:
        return False


def _hot_folder(text, name, judged, bit_depth):
    path = Path(text).expanduser()
    if not path.is_dir():
        is_other = path.exists() or "://" in text
        raise InputError(
            f"--follow needs a folder as its --source. Received: {name}, which "
            f"{'is not a folder' if is_other else 'does not exist'}."
        )
    return HotFolder(path, judged, bit_depth)


def _images_of(path, bit_depth):
    """The image files of a folder, and how many others there are, by their kind."""
    if not path.is_dir():
        read_image(path, bit_depth)
        return [path], {}
    there = [file for file in path.iterdir() if not file.name.startswith(".")]
    images = [file for file in there if is_image(file) and not _is_other(file)]
    left_out = Counter(map(kind_of_other, set(there) - set(images)))
    images = sorted(images, key=lambda image: natural_key(image.name))
    if not images:
        raise InputError(
            f"The folder {path} has no images. Give the folder that contains them "
            "(PNG, JPEG, BMP, TIFF, WebP), not a parent folder."
        )
    return images, left_out


def _is_other(file):
    return file.is_dir() or is_special(file)


def _check_video(path):
    """What the user should know about how the file is read, or None."""
    if not path.is_file():
        raise InputError(f"There is no file or folder {path}. {EXPECTED}")
    try:
        with av.open(f"file:{path}") as container:
            found, note = main_video(container), about_tracks(container)
    except (av.FFmpegError, OSError) as error:
        raise InputError(
            f"{path} cannot be read as a video ({reason(error)}). {EXPECTED}"
        ) from None
    if found is None:
        raise InputError(f"{path} contains no video. {EXPECTED}")
    return note


def _read_images(paths, bit_depth):
    for path in paths:
        try:
            image = read_image(path, bit_depth)
        except InputError as error:
            yield Received(num_bad=1, problem=str(error), name=str(path))
        else:
            picture = Picture(np.ascontiguousarray(image), time.monotonic(), None)
            yield Received(picture, name=str(path))


def _read_device(number):
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # told below
    device = cv2.VideoCapture(number)
    try:
        if not device.isOpened():
            raise SourceLost(
                f"there is no camera with the number {number}, or it is in use",
                tries=SOME_TRIES,
            )
        device.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        yield Received()  # connected
        while True:
            whole, pixels = device.read()
            at = time.monotonic()
            if not whole:
                raise SourceLost("the camera delivers no picture")
            yield Received(Picture(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), at, None))
    finally:
        device.release()


def _read_video(path):
    reached = 0.0
    try:
        with av.open(f"file:{path}") as container:
            seconds = _seconds(container)
            for received in decode(container):
                if received.picture:
                    reached = _end(received.picture.pixels) or reached
                elif received.problem:
                    received = received._replace(problem=f"{path}: {received.problem}")
                yield received
    except (av.FFmpegError, OSError) as error:
        yield Received(num_bad=1, problem=f"{path} ends prematurely: {reason(error)}")
    else:
        if reached < seconds - MISSING_END:
            problem = f"{path} has no picture after {reached:.1f} of {seconds:.1f} s"
            yield Received(num_bad=1, problem=problem)


def _end(frame):
    """When the next picture is due, in seconds of the video."""
    return frame.time and frame.time + float((frame.duration or 0) * frame.time_base)


def _seconds(container):
    """The duration of the video that is stated in the file; 0 if none is stated."""
    stream = main_video(container)
    if stream.duration:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    is_alone = len(container.streams) == 1  # else the sound may be longer
    return (container.duration or 0) / av.time_base if is_alone else 0.0
