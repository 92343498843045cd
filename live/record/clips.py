"""Clips and thumbnails of events."""

import contextlib
import hashlib
import os
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from evaluation.picture_text import draw_text
from goodparts.files import atomic_path, file_hash, write_bytes
from live.overlay import as_jpeg
from live.record.known_events import event_number
from preprocessing.images import resize

MAX_SECONDS = 60  # of one clip
MAX_WIDTH = 1920  # wider frames are reduced: 4K would take a core while it is written
MAX_BYTES = 64_000_000  # of the seconds before, and of what one clip has to write yet
MAX_FRAMES_WAITING = 4  # as they came from the camera, so not many
MAX_CLIPS_WAITING = 3
MILLISECOND = Fraction(1, 1000)
THUMBNAIL_WIDTH = 320
MAX_THUMBNAILS = 5000  # some 20 kB each


class _Picture(NamedTuple):
    """A compressed frame; `size` is (height, width)."""

    captured_at: float
    size: tuple[int, int]
    jpeg: bytes


class _Clip:
    """A clip that is being recorded by one thread and written by another."""

    def __init__(self, event_id, starts, ends):
        self.event_id, self.starts, self.ends = event_id, starts, ends
        self.pictures = queue.SimpleQueue()  # of _Picture, then None

    def offer(self, picture):
        """Offers a picture; it is left out if too many are waiting for a slow disk."""
        if self.pictures.qsize() * len(picture.jpeg) < MAX_BYTES:
            self.pictures.put(picture)


class ClipRecorder:
    """Keeps the last seconds of a camera and writes a clip of every event.

    A clip is `<folder>/<event id>.mp4` (H.264, plays in browsers) and has the true
    times of its frames, so a gap in the stream is a still picture of that length. The
    file appears when it is complete. It ends `seconds_after` after the last defective
    frame, 60 s after its first frame, when no frame comes for `seconds_after`, when the
    next event starts, or when the frames change their size or go back in time.

    The newest `max_megabytes` of clips are kept: each new clip deletes the oldest
    `.mp4` files of the folder beyond that, by the numbers of their events: a clock may
    be set back. Nothing here waits for a disk or an encoder in the caller's thread:
    frames are left out instead. The last error is in `problem`, None if there is none.

    Args:
        folder: Created if missing. Unfinished files of a killed run are deleted.
        frames_per_s: At most this many frames of a second are kept.
        tell: Called in the writing thread with each clip that is complete: a dict of
            `file` "clips/<event id>.mp4", `bytes` and `clip_sha256`.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        seconds_before: float = 5.0,
        seconds_after: float = 5.0,
        frames_per_s: float = 10,
        max_megabytes: int = 2000,
        tell: Callable[[dict[str, Any]], None] = lambda clip: None,
    ):
        self.folder = Path(folder)
        self.seconds_before, self.seconds_after = seconds_before, seconds_after
        self.max_bytes, self._tell = max_megabytes * 1_000_000, tell
        self._pause = 1 / frames_per_s
        self._next = self._newest = self._last_defective = float("-inf")
        # calls for the keeping thread, with their arguments; None ends
        self._inbox: queue.SimpleQueue[tuple[Any, ...] | None] = queue.SimpleQueue()
        self._pictures: deque[_Picture] = deque()
        self._num_bytes, self._stopped = 0, False
        self._clip: _Clip | None = None
        self._clips: queue.Queue[_Clip | None] = queue.Queue(MAX_CLIPS_WAITING)
        self._problem: str | None = self._prepare_folder()
        self._threads = [
            threading.Thread(target=target, name=f"clips: {name}", daemon=True)
            for name, target in (("keep", self._keep), ("write", self._write))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def problem(self) -> str | None:
        if not (self._stopped or all(thread.is_alive() for thread in self._threads)):
            return "A thread of the clip recorder has ended. Restart the program."
        return self._problem

    def add(
        self,
        image: np.ndarray,
        captured_at: float,
        *,
        caption: str | None = None,
        defective: bool = False,
    ) -> None:
        """Records an inspected frame; returns at once.

        Args:
            image: uint8 RGB of shape `(height, width, 3)`. It is not copied, so do
                not write into it afterwards.
            captured_at: Seconds, on any clock that all frames share.
            caption: Text for a strip above the picture, such as the verdict; give
                it with every frame or with none.
            defective: Whether the event goes on, see the class.
        """
        if captured_at < self._newest:
            self._next = self._last_defective = float("-inf")
        self._newest = captured_at
        if defective:
            self._last_defective = captured_at
        if captured_at < self._next or self._inbox.qsize() >= MAX_FRAMES_WAITING:
            return
        due = self._next + self._pause
        self._next = due if captured_at < due else captured_at + self._pause / 2
        self._inbox.put((self._keep_picture, image, captured_at, caption))

    def start_event(self, event_id: str, at: float) -> None:
        """Begins a clip with the seconds before; `at` is on the clock of the frames."""
        self._inbox.put((self._open_clip, event_id, at))

    def stop(self, wait_s: float = 5.0) -> None:
        """Ends an open clip and waits for at most `wait_s` until it is written."""
        self._stopped = True
        self._inbox.put(None)
        ends = monotonic() + wait_s
        for thread in self._threads:
            thread.join(max(0, ends - monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            self._problem = f"Clips were not complete after {wait_s:g} s and are lost."

    # What follows up to _close_clip runs in the keeping thread.

    def _keep(self):
        _be_nice()
        try:
            while (message := self._next_message()) is not None:
                call, *arguments = message
                call(*arguments)
        finally:
            self._close_clip()
            self._clips.put(None)

    def _next_message(self):
        """The next from the inbox; ends the clip when none comes for long."""
        try:
            return self._inbox.get(timeout=self.seconds_after + 1)
        except queue.Empty:
            self._close_clip()
            return self._inbox.get()

    def _keep_picture(self, image, captured_at, caption):
        picture = _picture(image, captured_at, caption)
        newest = self._pictures[-1] if self._pictures else picture
        if picture.size != newest.size or captured_at < newest.captured_at:
            self._close_clip()
            self._pictures.clear()
            self._num_bytes = 0
        self._pictures.append(picture)
        self._num_bytes += len(picture.jpeg)
        while (
            self._pictures[0].captured_at < captured_at - self.seconds_before
            or self._num_bytes > MAX_BYTES
        ):
            self._num_bytes -= len(self._pictures.popleft().jpeg)
        if self._clip is not None:
            self._continue_clip(picture)

    def _open_clip(self, event_id, at):
        self._close_clip()
        starts = self._pictures[0].captured_at if self._pictures else at
        clip = _Clip(event_id, starts, at + self.seconds_after)
        try:
            self._clips.put_nowait(clip)
        except queue.Full:
            self._problem = (
                f"There is no clip of event {event_id}: {MAX_CLIPS_WAITING} earlier "
                "clips have not been written yet."
            )
            return
        for picture in self._pictures:
            clip.offer(picture)
        self._clip = clip

    def _continue_clip(self, picture):
        clip = self._clip
        clip.ends = max(clip.ends, self._last_defective + self.seconds_after)
        if picture.captured_at > min(clip.ends, clip.starts + MAX_SECONDS):
            self._close_clip()
        else:
            clip.offer(picture)

    def _close_clip(self):
        if self._clip is not None:
            self._clip.pictures.put(None)
            self._clip = None

    # What follows runs in the writing thread.

    def _write(self):
        _be_nice()
        while (clip := self._clips.get()) is not None:
            path = self.folder / f"{clip.event_id}.mp4"
            try:
                _write_clip(path, iter(clip.pictures.get, None))
                if path.exists():  # not where there was no picture
                    self._tell(_about(path))
                self._delete_oldest(keep=path)
            except (OSError, av.error.FFmpegError) as error:
                reason = error.strerror or str(error)
                self._problem = f"There is no clip {path}: {reason}."
            else:
                self._problem = None

    def _delete_oldest(self, keep):
        clips = {path: path.stat() for path in self.folder.glob("[!.]*.mp4")}
        num_bytes = sum(status.st_size for status in clips.values())
        for path in sorted(clips, key=lambda path: _age_of(path.name)):
            if num_bytes > self.max_bytes and path != keep:
                path.unlink(missing_ok=True)
                num_bytes -= clips[path].st_size

    def _prepare_folder(self):
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for leftover in self.folder.glob(".*.mp4.partial"):
                leftover.unlink()
        except OSError as error:
            return f"Clips cannot be written to {self.folder}: {error.strerror}."
        return None


def _about(path):
    about = {"file": f"clips/{path.name}", "bytes": path.stat().st_size}
    return {**about, "clip_sha256": file_hash(path)}


def _age_of(name):
    """Sort key of the names of files of events, the oldest first."""
    return event_number(name.rpartition(".")[0]), name


def write_thumbnail(path: Path, image: np.ndarray) -> str:
    """Writes uint8 RGB as a JPEG at most 320 pixels wide; whole or not at all.

    The newest 5,000 of the folder are kept, by the numbers of their events.

    Returns:
        sha256 of the file's bytes as hexadecimal text.

    Raises:
        OSError: If the disk is full or the folder cannot be written.
    """
    content = as_jpeg(_narrow(image, THUMBNAIL_WIDTH))
    write_bytes(path, content)
    names = [name for name in os.listdir(path.parent) if name.endswith(".jpg")]
    for name in sorted(names, key=_age_of)[:-MAX_THUMBNAILS]:
        if name != path.name:
            (path.parent / name).unlink(missing_ok=True)
    return hashlib.sha256(content).hexdigest()


def _be_nice():
    """Lowers the priority below that of the inspection; on Linux it is per thread.

    A process may already have a lower priority, and only privileged users may raise it.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with contextlib.suppress(OSError):
            niceness = max(10, os.getpriority(os.PRIO_PROCESS, thread))
            os.setpriority(os.PRIO_PROCESS, thread, niceness)


def _narrow(image, max_width):
    height, width = image.shape[:2]
    if width <= max_width:
        return image
    return resize(image, (max(1, round(height * max_width / width)), max_width))


def _picture(image, captured_at, caption):
    """Even height and width, as H.264 asks: an odd row or column is cut off."""
    image = _narrow(image, MAX_WIDTH)
    height, width = (size - size % 2 for size in image.shape[:2])
    image = image[:height, :width]
    if caption is not None:
        image = _with_caption(image, caption)
    return _Picture(captured_at, image.shape[:2], as_jpeg(image))


def _with_caption(image, caption):
    """Above the picture, not on it: a caption must not hide the defect."""
    strip = max(16, image.shape[0] // 32 * 2)
    image = cv2.copyMakeBorder(image, strip, 0, 0, 0, cv2.BORDER_CONSTANT)
    where, scale = (strip // 3, strip * 3 // 4), strip / 32
    draw_text(image, caption, where, scale=scale, strokes=[((255, 255, 255), 1)])
    return image


def _write_clip(path, pictures):
    """Writes pictures of one size, as they come, as an MP4 with their times."""
    first = next(pictures, None)
    if first is None:
        return
    options = {"movflags": "+faststart"}
    with (
        atomic_path(path) as temporary,
        av.open(
            f"file:{temporary}", "w", format="mp4", container_options=options
        ) as container,
    ):
        stream = container.add_stream("libx264", options={"preset": "veryfast"})
        stream.height, stream.width = first.size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = MILLISECOND
        stream.codec_context.thread_count = 1
        stream.codec_context.colorspace = Colorspace.ITU709
        stream.codec_context.color_range = ColorRange.MPEG
        last = -1
        for picture in chain([first], pictures):
            milliseconds = round(1000 * (picture.captured_at - first.captured_at))
            last = max(milliseconds, last + 1)
            container.mux(stream.encode(_video_frame(picture, last)))
        container.mux(stream.encode())


def _video_frame(picture, milliseconds):
    jpeg = np.frombuffer(picture.jpeg, np.uint8)
    image = cv2.imdecode(jpeg, cv2.IMREAD_COLOR_RGB)
    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
    frame = frame.reformat(
        format="yuv420p",
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
    )
    frame.pts, frame.time_base = milliseconds, MILLISECOND
    return frame
