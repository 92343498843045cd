"""Decodes complete pictures from a stream or video file opened with FFmpeg.

Pictures that are damaged, or that depend on a damaged or lost one, are left out and
counted.
"""

import errno
import logging
import time
from collections.abc import Iterator

import av

from live.camera.lost_frames import Damage, FrameNumbers, StreamClock
from live.camera.received import Picture, Received, SourceLost
from preprocessing.video_file import main_video

# FFmpeg says only in its log that packets were lost: it is read, and not shown.
LOST_PACKETS = "RTP: missed"
DOUBTFUL = 3  # coded pictures from such a message on that the loss may be in
# A format without time stamps; for the stubs of PyAV a flag's value is a flag.
INVENTS_TIMES: int = av.format.Flags.no_timestamps.value  # type: ignore[assignment]
# The pictures of a decoder that conceals errors look whole: it is to refuse instead.
STRICT = {"err_detect": "explode"}


def hear_of_lost_packets() -> None:
    """Captures the warnings of FFmpeg instead of printing them."""
    av.logging.set_level(av.logging.WARNING)
    av.logging.set_skip_repeated(False)
    logging.getLogger("libav").addHandler(logging.NullHandler())


def decode(
    container: av.container.InputContainer,
    messages: list[tuple[int, str, str]] | None = None,
) -> Iterator[Received]:
    """Yields the complete pictures; after damage none until the next key frame.

    Frames that an edit list of a file excludes are decoded, because later frames depend
    on them, but not yielded.

    Args:
        container: The opened container.
        messages: The growing FFmpeg log of a live stream; None for a file.
    """
    stream = main_video(container)
    if stream is None:
        raise SourceLost("the stream contains no video", tries=1)
    decoder = stream.codec_context
    decoder.options = STRICT
    decoder.thread_type = "NONE"  # frame threads delay, slice threads hide damage
    decoder.thread_count = 1
    is_h264 = decoder.name == "h264"
    numbers = FrameNumbers(decoder.extradata) if is_h264 else None
    damage = Damage()
    is_live = messages is not None
    has_times = not is_live or not container.format.flags & INVENTS_TIMES
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
            damage.begin(packet.pts, "a part of the stream was lost in transmission")
        if numbers and packet.size and numbers.is_gap(bytes(packet)):
            damage.begin(packet.pts, "a frame was lost in transmission")
        try:
            frames = decoder.decode(packet)
        except av.FFmpegError as error:
            damage.begin(packet.pts, f"damaged frame: {reason(error)}")
            yield Received(num_bad=1, problem=damage.problem)
            continue
        if packet.is_discard and packet.is_keyframe and not packet.is_corrupt:
            damage.end()
        for frame in frames:
            if frame.is_corrupt or packet.is_corrupt:
                damage.begin(packet.pts, "damaged frame")
            if damage.reaches(frame):
                yield Received(num_bad=1, problem=damage.problem)
                continue
            media_time = frame.time if has_times else None
            sent_at = clock.captured_at(at, media_time if is_live else None)
            yield Received(Picture(frame, sent_at, media_time))
        if not frames:
            yield Received()


def reason(error: av.FFmpegError | OSError) -> str:
    """The cause in plain words, without the address, which may contain a password."""
    if isinstance(error, av.error.ExitError):
        return "no response in time"
    if isinstance(error, av.error.InvalidDataError):
        return "the response is not a video"
    if error.errno == errno.EIO:
        return "the connection was interrupted"
    return (error.strerror or type(error).__name__).lower()
