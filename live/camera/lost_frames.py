"""Detects lost, damaged and late frames from the data of the stream itself.

A decoder fills the gap of a lost frame with copies and continues without a warning: the
pictures up to the next key frame are wrong. RTSP over TCP hides frames that a camera
skipped, so only the frame numbers in the slice headers of H.264 show the loss.
Likewise, only the time stamp of a frame shows how long it waited to be read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av

START_CODE = re.compile(b"\0\0\1")
HEAD = 400  # bytes of a NAL unit that hold all that is read here
PLAIN_PROFILES = (66, 77, 88)  # without the chroma fields of the high profiles
SLICE, KEY_SLICE, PARAMETERS = 1, 5, 7
JUMP = 1.0  # seconds back that mean that the camera set its clock
DRIFT = 0.002  # seconds a second by which clocks may differ; 29.97 for 30 is 0.001


class Damage:
    """Damage affects every frame up to the next key frame, as does the start."""

    def __init__(self):
        self.is_open = True
        self.since = self.problem = None

    def begin(self, since: int | None, problem: str) -> None:
        self.is_open, self.since, self.problem = True, since, problem

    def end(self) -> None:
        """Notes that a key frame was decoded that is not shown."""
        self.is_open = False

    def reaches(self, frame: av.VideoFrame) -> bool:
        is_later = None in (self.since, frame.pts) or frame.pts > self.since
        if frame.key_frame and is_later and not frame.is_corrupt:
            self.is_open = False
        return self.is_open


class StreamClock:
    """Determines from the media time since when a picture was available.

    If decoding is too slow, pictures wait in the network: they arrive late, but their
    media time is correct. The minimum of `arrival - media_time` belongs to a picture
    that did not wait; the difference to it is the waiting time. The minimum rises
    slowly, because the clocks of camera and computer differ.
    """

    def __init__(self):
        self.least = None  # of arrival - media_time, seconds
        self.last = None  # arrival and media time of the picture before
        self.waited = 0.0

    def captured_at(self, arrival: float, media_time: float | None) -> float:
        """When the picture arrived or would have arrived, never after `arrival`.

        Args:
            arrival: `time.monotonic()` when it was read.
            media_time: Seconds in the stream, or None: the waiting time of the last one
                is used.
        """
        if media_time is None:
            return arrival - self.waited
        offset = arrival - media_time
        if self.last is None or media_time < self.last[1] - JUMP:
            self.least = offset
        else:
            drift = DRIFT * (arrival - self.last[0])
            self.least = min(offset, self.least + drift)
        self.last = arrival, media_time
        self.waited = offset - self.least
        return arrival - self.waited


class FrameNumbers:
    """Follows the frame numbers of one H.264 stream or file.

    Args:
        extradata: Parameter sets that came before the pictures (of an SDP or of an
            MP4 file), or None.
    """

    def __init__(self, extradata: bytes | None):
        extradata = extradata or b""
        # of a frame number; None: unknown, or gaps are allowed
        self.num_bits: int | None = None
        self.last: int | None = None
        # before each unit, as in MP4; None: start codes
        self.length_bytes: int | None = None
        if extradata[:1] == b"\1":
            self.num_bits = _frame_number_bits(_Bits(extradata[8 : 8 + HEAD]))
            self.length_bytes = (extradata[4] & 3) + 1
        else:
            self.is_gap(extradata)

    def is_gap(self, packet: bytes) -> bool:
        """Whether at least one frame is missing between the last packet and this one.

        Args:
            packet: Bytes of one coded picture.
        """
        for unit in self._units(packet):
            kind = unit[0] & 31
            if kind == PARAMETERS:
                self.num_bits = _frame_number_bits(_Bits(unit))
            elif kind in (SLICE, KEY_SLICE):
                return self._steps_over(unit, kind == KEY_SLICE)
        return False

    def _units(self, packet):
        """The beginnings of the NAL units of a packet."""
        if self.length_bytes is None:
            starts = (found.end() for found in START_CODE.finditer(packet))
        else:
            starts = _starts_by_length(packet, self.length_bytes)
        for start in starts:
            if start < len(packet):
                yield packet[start : start + HEAD]

    def _steps_over(self, unit, is_key):
        if self.num_bits is None:
            return False
        bits = _Bits(unit)
        for _ in ("first macroblock", "slice type", "picture parameters"):
            bits.exp_golomb()
        number = bits.take(self.num_bits)
        last = None if is_key else self.last
        is_referred = unit[0] >> 5 & 3  # only frames that others build on are numbered
        self.last = number if is_referred else number - 1
        return last is not None and (number - last) % 2**self.num_bits > 1


def _starts_by_length(packet, length_bytes):
    start = length_bytes
    while start < len(packet):
        yield start
        length = int.from_bytes(packet[start - length_bytes : start], "big")
        start += length + length_bytes


def _frame_number_bits(bits):
    """Bits of a frame number by a sequence parameter set, None if gaps are allowed."""
    profile = bits.take(8)
    bits.take(16)  # constraints, level
    bits.exp_golomb()  # its own number
    if profile not in PLAIN_PROFILES:
        chroma = bits.exp_golomb()
        if chroma == 3 and bits.take(1):
            return None  # colour planes of their own: not followed
        bits.exp_golomb(), bits.exp_golomb(), bits.take(1)  # bit depths, bypass
        if bits.take(1):
            for number in range(8 if chroma != 3 else 12):
                if bits.take(1):
                    _skip_scaling_list(bits, 16 if number < 6 else 64)
    num_bits = bits.exp_golomb() + 4
    order = bits.exp_golomb()
    if order == 0:
        bits.exp_golomb()
    elif order == 1:
        bits.take(1)
        bits.exp_golomb(), bits.exp_golomb()
        for _ in range(min(bits.exp_golomb(), 255)):
            bits.exp_golomb()
    bits.exp_golomb()  # number of reference frames
    gaps_are_allowed = bits.take(1)
    return None if gaps_are_allowed or num_bits > 16 else num_bits


def _skip_scaling_list(bits, size):
    last = following = 8
    for _ in range(size):
        if following:
            code = bits.exp_golomb()
            following = (last + (code + 1) // 2 * (1 if code % 2 else -1)) % 256
        last = following or last


class _Bits:
    """Reads bits of a NAL unit after its first byte; zeros past the end."""

    def __init__(self, unit):
        content = unit[1:].replace(b"\0\0\3", b"\0\0")
        self.value = int.from_bytes(content, "big")
        self.left = len(content) * 8

    def take(self, count):
        self.left -= count
        shifted = self.value >> self.left if self.left > 0 else self.value << -self.left
        return shifted & (1 << count) - 1

    def exp_golomb(self):
        zeros = 0
        while not self.take(1) and zeros < 32:
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)
