"""The picture of the page and of the window."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import cv2

from evaluation.anomaly_maps import heat
from evaluation.overlay import draw_overlay
from goodparts.command import InputError, reason

if TYPE_CHECKING:
    import numpy as np

    from live.inspection import Seen

OUTLINE = (255, 255, 255), (0, 0, 0)  # white on black shows on every part
QUALITY = 85
LONGEST_SIDE = 16_000  # pixels of a JPEG, which has 65,535 at most
STALE_S = 2.0  # an older picture is no live view


def outlined(image: np.ndarray, box: tuple[int, int, int, int] | None) -> np.ndarray:
    """A copy of uint8 RGB `(height, width, 3)` with the box drawn; or the image."""
    if box is None:
        return image
    x, y, width, height = box
    image = image.copy()
    for colour, thickness in zip(OUTLINE[::-1], (3, 1), strict=True):
        corner = x + width - 1, y + height - 1
        cv2.rectangle(image, (x, y), corner, colour, thickness)
    return image


def marked(seen: Seen, map_range: Sequence[float] | None) -> np.ndarray:
    """The frame of a `Seen` with its region, and in it what the model found."""
    image, verdict = seen.frame.image, seen.verdict
    if verdict and (verdict.anomaly_map is not None or verdict.instances is not None):
        seen_heat = None
        if verdict.anomaly_map is not None and map_range is not None:
            seen_heat = heat(verdict.anomaly_map, map_range)
        height, width = image.shape[:2]
        x, y, width, height = seen.box or (0, 0, width, height)
        rows, columns = slice(y, y + height), slice(x, x + width)
        image = image.copy()
        image[rows, columns] = draw_overlay(
            image[rows, columns], heat=seen_heat, instances=verdict.instances
        )
    return outlined(image, seen.box)


def as_jpeg(image: np.ndarray) -> bytes:
    """The bytes of a JPEG of uint8 RGB, reduced where it is too large for one."""
    scale = LONGEST_SIDE / max(image.shape[:2])
    if scale < 1:
        height, width = (max(1, round(scale * side)) for side in image.shape[:2])
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    found = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return found[1].tobytes()


class Window:
    """A window with the picture and the verdict, where there is a display.

    Raises:
        InputError: If there is no display, or OpenCV was built without windows.
    """

    def __init__(self, title: str, map_range: Sequence[float] | None = None):
        self.title, self.map_range = title, map_range
        if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise InputError("--window needs a display; there is none. Use the page.")

    def __enter__(self) -> Self:
        try:
            cv2.namedWindow(self.title, cv2.WINDOW_NORMAL)
        except cv2.error as error:
            raise InputError(
                f"OpenCV shows no windows here: {reason(error)}"
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        cv2.destroyAllWindows()

    def show(self, seen: Seen | None) -> bool:
        """Shows a `Seen`, or that none comes; False when q was pressed."""
        if seen is None:
            return cv2.waitKey(1) & 0xFF != ord("q")
        picture = cv2.cvtColor(marked(seen, self.map_range), cv2.COLOR_RGB2BGR)
        words = "not judged"
        if time.monotonic() - seen.frame.captured_at > STALE_S:
            words = "no new frame"
        elif seen.verdict is not None:
            words = f"{seen.verdict.decision} {seen.verdict.defect_score:.3f}".upper()
        for colour, thickness in zip(OUTLINE[::-1], (4, 2), strict=True):
            place = 10, picture.shape[0] - 12
            cv2.putText(
                picture, words, place, cv2.FONT_HERSHEY_SIMPLEX, 0.8, colour, thickness
            )
        cv2.imshow(self.title, picture)
        return cv2.waitKey(1) & 0xFF != ord("q")
