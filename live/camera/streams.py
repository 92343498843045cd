"""Reads RTSP and HTTP cameras, and recognises addresses that can never work."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import av

from live.camera.addresses import HOW_TO_WRITE
from live.camera.decoding import decode, reason
from live.camera.received import Received, SourceLost
from preprocessing.video_file import main_video

STREAM_OPTIONS = {
    "rtsp_transport": "tcp",
    "allowed_media_types": "video",
    "fpsprobesize": "0",  # do not watch 20 frames only to guess their rate
    "reorder_queue_size": "10",  # packets; without a queue no lost one is noticed
}
# Of JPEGs without headers nothing has to be learnt before the first one is handed on.
JPEG_OPTIONS = STREAM_OPTIONS | {"probesize": "32", "analyzeduration": "1"}
# Codecs in which a lost or damaged picture of a camera is recognised.
LIVE_CODECS = ("h264", "hevc", "mjpeg")
NO_VIDEO = "the response is not a video"
SOME_TRIES = 3  # for what passes when a camera is just starting, else never
# What never passes by itself. A wrong password is not tried again: cameras lock out.
NEVER_WORKS = {
    av.error.HTTPUnauthorizedError: (
        f"the user name or the password is wrong (401 unauthorised); {HOW_TO_WRITE}",
        1,
    ),
    av.error.HTTPForbiddenError: ("this user has no access (403 forbidden)", 1),
    av.error.HTTPNotFoundError: (
        "there is no such path on the camera (404 not found); see its manual",
        SOME_TRIES,
    ),
    av.error.HTTPBadRequestError: (
        "the camera does not understand the address (400 bad request)",
        SOME_TRIES,
    ),
    av.error.InvalidDataError: (NO_VIDEO, SOME_TRIES),
    av.error.ProtocolNotFoundError: ("the protocol is not supported", 1),
    av.error.ArgumentError: (f"the address is not valid; {HOW_TO_WRITE}", 1),
}


def read_stream(url: str, timeout: tuple[float, float]) -> Iterator[Received]:
    """Connects and yields `Received` until the stream is lost.

    Args:
        url: As `camera_url` gives it.
        timeout: Timeout in seconds for connecting and for reading.

    Raises:
        SourceLost: When the stream ends, with the reason.
    """
    num_pictures = 0
    try:
        with (
            av.logging.Capture(local=True) as messages,
            _open(url, timeout) as container,
        ):
            yield Received()  # connected
            _check_codec(container)
            for received in decode(container, messages):
                num_pictures += received.picture is not None
                yield received
            is_jpegs = container.format.name == "mjpeg"
    except (av.FFmpegError, OSError) as error:
        raise _lost(error, url) from None
    if is_jpegs and not num_pictures:
        raise SourceLost(NO_VIDEO, tries=SOME_TRIES)
    raise SourceLost("the camera ended the stream")


def _open(url, timeout):
    """Opens a stream; JPEGs are found by their content where the headers are wrong.

    Small cameras send the first boundary after the first picture, as browsers take.
    """
    try:
        return av.open(url, options=STREAM_OPTIONS, timeout=timeout)
    except av.error.InvalidDataError:
        if not url.lower().startswith("http"):
            raise
    return av.open(url, format="mjpeg", options=JPEG_OPTIONS, timeout=timeout)


def _check_codec(container):
    stream = main_video(container)
    if stream is None:
        return  # told when it is decoded
    name = stream.codec_context.name if stream.codec_context else "an unknown codec"
    if name not in LIVE_CODECS:
        raise SourceLost(
            f"the camera sends {name}, in which damaged pictures cannot be "
            "recognised; set it to H.264, H.265 or MJPEG",
            tries=1,
        )


def _lost(error, url):
    for kind, (text, tries) in NEVER_WORKS.items():
        if isinstance(error, kind):
            return SourceLost(text, tries=tries)
    if not _is_known_host(url):
        return SourceLost("the host name is not known", tries=SOME_TRIES)
    return SourceLost(reason(error))


def _is_known_host(url):
    try:
        socket.getaddrinfo(urlsplit(url).hostname, None)
    except socket.gaierror:
        return False
    except (OSError, UnicodeError):
        pass
    return True
