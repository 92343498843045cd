"""Text in pictures, in any script.

OpenCV draws ASCII alone and `?` for all else. Other letters are drawn with a font of
the system, or of matplotlib where it is installed, that has them. Letters that no font
has become their number in Unicode, such as `\\u826f`, so that the text still says which
class is meant. Neither matplotlib nor pandas is imported: the live runner draws with
this.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
PIXELS = 30  # size of a font that is as high as OpenCV's at the scale 1
SUFFIXES = (".ttf", ".otf", ".ttc", ".otc")
NO_LETTER = "\U0010fffe"  # stands for what a font lacks
BOXES = re.compile("last.?resort", re.IGNORECASE)  # fonts that draw boxes
UNUSUAL = re.compile("bold|italic|oblique|mono|condensed|light|thin|black", re.I)


def draw_text(
    image: np.ndarray,
    text: str,
    place: tuple[int, int],
    *,
    scale: float,
    strokes: Sequence[tuple[Colour, int]],
) -> None:
    """Draws text on an image, in place.

    Args:
        image: uint8 RGB `(height, width, 3)`.
        text: One line in any script.
        place: x and y in pixels of its left end, on its base line.
        scale: Size as of `cv2.putText`; 1 is about 21 pixels for a capital letter.
        strokes: Colour and width in pixels of the lines, drawn one over the other.
    """
    if text.isascii():
        font, line = cv2.FONT_HERSHEY_SIMPLEX, cv2.LINE_AA
        for colour, width in strokes:
            cv2.putText(image, text, place, font, scale, colour, width, line)
        return
    size = _pixels(scale)
    pieces = list(fonts_for(text, size))
    length = text_width(text, scale)
    (x, y), room = place, max(width for _, width in strokes)
    top, left = max(0, y - 2 * size), max(0, x - room)
    part = image[top : y + size, left : x + length + size]
    if not part.size:
        return
    drawn = Image.fromarray(part)
    pencil = ImageDraw.Draw(drawn)
    for colour, width in strokes:
        at = float(x - left)
        for piece, font in pieces:
            where, border = (at, y - top), width // 2  # 1 is the letter itself
            pencil.text(where, piece, colour, font, anchor="ls", stroke_width=border)
            at += font.getlength(piece)
    part[:] = np.asarray(drawn)


def text_width(text: str, scale: float) -> int:
    """Width in pixels of a line that `draw_text` draws at this scale."""
    if text.isascii():
        (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        return width
    pieces = fonts_for(text, _pixels(scale))
    return round(sum(font.getlength(piece) for piece, font in pieces))


def _pixels(scale):
    return max(8, round(PIXELS * scale))


def fonts_for(
    text: str, size: int
) -> Iterator[tuple[str, ImageFont.FreeTypeFont | ImageFont.ImageFont]]:
    """Yields the pieces of a text, each with a font that has its letters.

    Letters that no font has are escaped.

    Args:
        text: One line in any script.
        size: Of the fonts, in pixels.
    """
    paths = _paths_for(frozenset(filter(_is_drawn, text)))
    text = "".join(
        sign
        if sign.isascii() or sign.isspace() or _any_has(paths, sign)
        else sign.encode("ascii", "backslashreplace").decode()
        for sign in text
    )
    rest = text
    while rest:
        lengths = {path: _length_in(path, rest) for path in paths}
        path = max(paths, key=lengths.__getitem__, default=None)
        length = lengths.get(path, 0)
        if not length:  # of an escape, which is ASCII
            others = (n for n, sign in enumerate(rest) if _any_has(paths, sign))
            path, length = None, next(others, len(rest))
        yield rest[:length], _open(path, size)
        rest = rest[length:]


def _any_has(paths, sign):
    return any(_has(path, sign) for path in paths)


def _length_in(path, text):
    """How much of the beginning of a text a font can draw."""
    for number, sign in enumerate(text):
        if _is_drawn(sign) and not _has(path, sign):
            return number
    return len(text)


def _is_drawn(sign):
    return not sign.isspace() and sign.isprintable()


@lru_cache(maxsize=1024)
def _paths_for(letters):
    """The fewest font files that have these letters, as far as there are any."""
    found, missing = [], set(letters)
    for path in font_files():
        if all(_has(path, sign) for sign in letters):
            return (path,)
    candidates = list(font_files())
    while missing and candidates:
        num_had = [sum(_has(path, x) for x in missing) for path in candidates]
        best = max(range(len(candidates)), key=num_had.__getitem__)
        if not num_had[best]:
            break
        found.append(candidates.pop(best))
        missing = {x for x in missing if not _has(found[-1], x)}
    return tuple(found)


@lru_cache(maxsize=1)
def font_files() -> tuple[str, ...]:
    """The font files of this machine, usual ones first."""
    folders = [
        Path.home() / ".local/share/fonts",
        Path.home() / ".fonts",
        *(
            Path(folder) / "fonts"
            for folder in os.environ.get(
                "XDG_DATA_DIRS", "/usr/local/share:/usr/share"
            ).split(":")
        ),
        Path("/System/Library/Fonts"),
        Path("/Library/Fonts"),
        Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts",
    ]
    plots = importlib.util.find_spec("matplotlib")
    if plots and plots.origin:
        folders.append(Path(plots.origin).parent / "mpl-data/fonts/ttf")
    found = {
        str(path)
        for folder in folders
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not BOXES.search(path.name)
    }
    return tuple(sorted(found, key=_rank))


def _rank(path):
    name = os.path.basename(path)
    return (
        name != "DejaVuSans.ttf",
        bool(UNUSUAL.search(name)),
        "sans" not in name.lower(),
        len(name),
        path,
    )


@lru_cache(maxsize=100_000)
def _has(path, sign):
    """Whether a font file has a letter."""
    try:
        font = _open(path, 16)
        return _look(font, sign) != _look(font, NO_LETTER)
    except (OSError, ValueError):
        return False


def _look(font, sign):
    mask = font.getmask(sign)
    return mask.size, bytes(mask)


@lru_cache(maxsize=64)
def _open(path, size):
    if path is None:
        return ImageFont.load_default(size)
    return ImageFont.truetype(path, size)
