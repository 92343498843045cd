"""Captures the frames of a source in a separate thread.

For cameras and streams, the newest frame is returned: frames that are not taken in time
are dropped and counted. Lost connections are retried indefinitely, with growing pauses,
unless the camera never delivered a picture and the reason is permanent, such as a wrong
password. For files and folders, every frame is returned, then `EndOfSource` is raised.

Decoded frames that are equal in every byte may come from a frozen camera, or from a
static scene behind an encoder that sends "no change" (a sensor has noise, but an
encoder can remove it). The two cannot be distinguished, so the same picture is returned
for `frozen_after` seconds and then no longer; the stream is restarted once (state
"frozen"); if the picture still does not change, the state is "still" and the stream is
kept until the picture changes.

A picture that waited because decoding is too slow is dropped; if this continues, the
stream is restarted to get current pictures.
"""

import os
import threading
import time
from collections import Counter, deque
from contextlib import closing
from typing import Any, NamedTuple, Self

import numpy as np

from goodparts.command import InputError
from goodparts.files import escaped
from live.camera import sources
from live.camera.addresses import without_secrets
from live.camera.pixels import is_same_picture, to_rgb
from live.camera.received import Picture, Source, SourceLost

FROZEN_AFTER = 5.0  # seconds
LATE = 1.0  # seconds behind the camera from which a picture is dropped
LATE_FOR = 2.0  # seconds of late pictures after which the stream is begun again
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 2.0  # seconds between two tries to connect
HEALTHY_PICTURES = 10  # of a connection, after which the next pause is the first
HEALTHY_AFTER = 10.0  # seconds of new pictures that make up for one that stood still
STOP_WITHIN = 2.0  # seconds to wait for a thread that may hang in a read
FILE_QUEUE = 4  # frames read ahead of a file or folder
RATE_OVER = 60  # frames over which the rate is measured


class EndOfSource(Exception):
    """The file or folder has no more frames, or the capture was stopped."""


class Frame(NamedTuple):
    """One complete frame.

    Attributes:
        image: uint8 RGB, contiguous, `(height, width, 3)` as the source had it: its
            size may change from frame to frame.
        number: From 0 over the whole run; frames that were dropped or damaged count.
        captured_at: `time.monotonic()` when it was completely received, or would have
            been if it had not waited to be read.
        media_time: Seconds in the file or stream, or None.
        name: Name of the image file, or None.
    """

    image: np.ndarray
    number: int
    captured_at: float
    media_time: float | None
    name: str | None = None


class NoFrame(NamedTuple):
    """The reason why a file gave no frame."""

    name: str
    problem: str
    is_bad: bool  # False where no frame was lost


class Frozen(SourceLost):
    """The source is connected but delivers nothing new."""


class Capture:
    """Takes frames from a source until it ends or `stop` is called.

    Args:
        source: Text as `live.camera.sources.open_source` takes it, or the `Source`.
        frozen_after: Seconds without a new picture after which a camera or stream is
            restarted.

    Example:
        with Capture("rtsp://camera/stream") as capture:
            while True:
                frame = capture.next(timeout=1)
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | Source,
        *,
        frozen_after: float = FROZEN_AFTER,
    ):
        self.frozen_after = frozen_after
        self._given = source
        self._source: Source  # from `start` on
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._changed = threading.Condition()  # guards all below
        # number (None of a `NoFrame`), picture and name, the oldest first
        self._waiting: deque[tuple[Any, Picture | NoFrame, str | None]] = deque()
        self._arrivals: deque[float] = deque(maxlen=RATE_OVER)
        self._state = "connecting"
        self._num_frames = self._num_dropped = self._num_bad = 0
        self._num_reconnects = 0
        self._last_error: str | None = None
        self._size: list[int] | None = None
        self._follows = False
        self._fault: Exception | None = None
        self._broken: Exception | None = None  # a camera's picture was not converted
        # Of the thread alone:
        self._last: Picture | None = None  # the newest that was not as the one before
        self._was_restarted = False  # for a picture that did not change
        self._num_whole = 0  # pictures of this connection
        self._late_since: float | None = None

    def start(self) -> Self:
        """Starts the thread.

        Returns:
            Itself.

        Raises:
            InputError: If a file, folder or address cannot be used. A camera that does
                not respond is not an error here: see `status()["last_error"]`.
        """
        if isinstance(self._given, Source):
            self._source = self._given
        else:
            self._source = sources.open_source(
                self._given, read_timeout=self.frozen_after
            )
        self._follows = self._source.follows
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self._thread.start()
        return self

    def next(self, timeout: float | None = None) -> Frame | NoFrame | None:
        """Returns the next frame: the newest of a camera, the following one of a file.

        Args:
            timeout: Maximum time to wait in seconds; None waits indefinitely.

        Returns:
            A `Frame`; `NoFrame` for a file that gives none; None if nothing arrived in
            time.

        Raises:
            EndOfSource: If a file or folder is at its end, or `stop` was called.
            InputError: If a camera that never gave a picture cannot be used.
        """
        with self._changed:
            if not self._changed.wait_for(self._is_ready, timeout):
                return None
            if self._fault:
                raise self._fault
            if self._stopping.is_set() or not self._waiting:
                raise EndOfSource(f"{self._source.name} has no more frames.")
            number, picture, name = self._waiting.popleft()
            self._changed.notify_all()
        if isinstance(picture, NoFrame):
            return picture
        try:
            image = to_rgb(picture.pixels)
        except Exception as fault:  # told by `status` if it is a camera's
            if not self._source.is_live:
                raise
            self._broken = fault
            return None
        return Frame(image, number, picture.captured_at, picture.media_time, name)

    def status(self) -> dict[str, Any]:
        """The state of the capture, as values for JSON.

        Returns:
            A dict: `state` ("connecting", "running", "reconnecting", "frozen", "still",
            "ended", "stopped"), `num_frames` (completely received), `num_dropped` (of
            these never returned), `num_bad` (damaged), `num_reconnects`, `last_error`
            (text or None), `frames_per_s`, `size` ([height, width] or None),
            `follows` (whether it waits for files, so that none may come).
        """
        with self._changed:
            return {
                "state": self._state,
                "num_frames": self._num_frames,
                "num_dropped": self._num_dropped,
                "num_bad": self._num_bad,
                "num_reconnects": self._num_reconnects,
                "last_error": self._last_error,
                "frames_per_s": self._rate(),
                "size": self._size,
                "follows": self._follows,
            }

    def stop(self) -> None:
        """Ends the capture within two seconds, even if the camera hangs."""
        self._stopping.set()
        with self._changed:
            self._state = "stopped"
            self._waiting.clear()
            self._changed.notify_all()
        if self._thread:
            self._thread.join(STOP_WITHIN)

    __enter__ = start

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _run(self):
        try:
            if self._source.is_live:
                self._watch()
            else:
                self._read_all()
        except Exception as fault:  # handed to the caller of `next`
            self._fault = fault
        with self._changed:
            self._set_state("ended")
            self._changed.notify_all()

    def _read_all(self):
        self._set_state("running")
        for received in map(_with_names_as_text, self._source.receive()):
            with self._changed:
                self._count(received)
                if received.picture:
                    self._hand_on(received.picture, received.name)
                elif received.name:
                    self._hand_on_problem(received)
                self._changed.wait_for(
                    lambda: len(self._waiting) < FILE_QUEUE or self._stopping.is_set()
                )
            if self._stopping.is_set():
                return

    def _watch(self):
        """Connects, receives pictures, and reconnects after a loss, until stopped."""
        pause, fails = FIRST_PAUSE, Counter()
        while not self._stopping.is_set():
            self._num_whole = 0
            try:
                self._take_pictures(time.monotonic())
            except Frozen as lost:
                self._note_loss("frozen", str(lost))
            except SourceLost as lost:
                fails = Counter({lost.args: fails[lost.args] + 1})  # in a row
                if lost.tries and not self._num_frames:
                    self._give_up(lost, fails[lost.args])
                self._note_loss("reconnecting", str(lost))
            except Exception as fault:  # told by `status`; a camera may come back
                self._note_loss("reconnecting", f"{type(fault).__name__}: {fault}")
            if self._num_whole >= HEALTHY_PICTURES:
                pause = FIRST_PAUSE
            self._stopping.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            with self._changed:
                self._num_reconnects += not self._stopping.is_set()

    def _give_up(self, lost, num_tries):
        """Ends the capture if the source never worked and the reason is permanent."""
        if num_tries >= lost.tries:
            raise InputError(f"--source {self._source.name}: {lost}.")

    def _note_loss(self, state, text):
        with self._changed:
            self._set_state(state)
            self._last_error = without_secrets(text)

    def _take_pictures(self, began):
        last_at = self._late_since = self._broken = None
        with closing(self._source.receive()) as everything:
            for received in everything:
                if self._stopping.is_set():
                    return
                if self._broken:
                    raise self._broken
                now = time.monotonic()
                with self._changed:
                    self._count(received)
                last_at = last_at or now  # connected
                if now - last_at > self.frozen_after:  # a picture that comes now is old
                    raise Frozen(f"no complete picture for {self.frozen_after:g} s")
                if received.picture:
                    last_at = now
                    self._num_whole += 1
                    if not self._is_late(received.picture, now):
                        self._judge(received.picture, now - began)

    def _is_late(self, picture, now):
        """Drops an outdated picture; restarts a stream that delivers nothing else."""
        age = now - picture.captured_at
        if age <= LATE:
            self._late_since = None
            return False
        with self._changed:
            self._num_dropped += 1
        self._late_since = self._late_since or now
        if now - self._late_since > LATE_FOR:
            raise SourceLost(
                f"the picture is {age:.1f} s behind the camera, because this computer "
                "or the network is too slow; set the camera to a lower resolution or "
                "frame rate"
            )
        return True

    def _judge(self, picture, connected_for):
        """Passes a picture on unless it has been the same for too long."""
        at = picture.captured_at
        if self._last is None or not is_same_picture(self._last.pixels, picture.pixels):
            self._last = picture
            if connected_for > HEALTHY_AFTER:
                self._was_restarted = False
        is_stuck = at - self._last.captured_at > self.frozen_after
        with self._changed:
            self._num_dropped += 1 if is_stuck else len(self._waiting)
            if not is_stuck:
                self._set_state("running")
                self._waiting.clear()
                self._hand_on(picture)
            elif self._was_restarted:
                self._set_state("still")
            else:
                self._was_restarted = True
                raise Frozen(f"the same picture for {self.frozen_after:g} s")

    def _hand_on(self, picture, name=None):
        number = self._num_frames + self._num_bad - 1
        self._waiting.append((number, picture, name))
        self._arrivals.append(picture.captured_at)
        self._size = _size(picture.pixels)
        self._changed.notify_all()

    def _hand_on_problem(self, received):
        is_bad = received.num_bad > 0
        problem = NoFrame(received.name, received.problem, is_bad)
        self._waiting.append((None, problem, None))
        self._changed.notify_all()

    def _count(self, received):
        self._num_frames += received.picture is not None
        self._num_bad += received.num_bad
        self._last_error = received.problem or self._last_error

    def _set_state(self, state):
        if not self._stopping.is_set():
            self._state = state

    def _is_ready(self):
        self._drop_stale()
        is_over = self._state in ("ended", "stopped")
        return bool(self._waiting) or is_over or self._fault is not None

    def _drop_stale(self):
        """Drops a camera frame that was not taken in time and is outdated."""
        if self._source.is_live and self._waiting:
            age = time.monotonic() - self._waiting[0][1].captured_at
            if age > self.frozen_after:
                self._waiting.clear()
                self._num_dropped += 1

    def _rate(self):
        """The recent number of frames per second; 0 if none arrived for two seconds."""
        times = self._arrivals
        if len(times) < 2 or time.monotonic() - times[-1] > 2:
            return 0.0
        return round((len(times) - 1) / max(times[-1] - times[0], 1e-9), 1)


def _with_names_as_text(received):
    name, problem = received.name, received.problem
    return received._replace(
        name=name and escaped(name), problem=problem and escaped(problem)
    )


def _size(pixels):
    if isinstance(pixels, np.ndarray):
        return list(pixels.shape[:2])
    size = [pixels.height, pixels.width]
    return size[::-1] if round(pixels.rotation / 90) % 2 else size
