"""Class names in any script: system fonts, or else numbers with a key.

matplotlib draws boxes for characters that its font lacks, such as Chinese. System fonts
that have them are used; if there is none, names are replaced by numbers in the plot,
and `names_key` returns the key for a text next to the plot.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BOXES = "Last Resort"  # fonts of this name draw boxes


def use_fonts(figure: Figure) -> None:
    """Sets fonts for all characters of a figure; names without a font become numbers.

    Done once for a figure, before it is drawn.
    """
    if hasattr(figure, "names_key"):
        return
    figure.names_key = {}  # type: ignore[attr-defined]  # kept on the figure
    shown = "".join(_texts(figure))
    own = font_manager.FontProperties().get_family()
    foreign = set(filter(_is_drawn, shown)) - _letters(_path_of(own))
    if not foreign:
        return
    fonts, nowhere = _fonts_for(frozenset(foreign))
    if nowhere:
        _number(figure, nowhere)
    for text in figure.findobj(Text):
        text.set_fontfamily([*own, *fonts])


def names_key(figure: Figure) -> str | None:
    """The meaning of the numbers in a plot as text; None if it has none."""
    key = getattr(figure, "names_key", {})
    return ", ".join(f"({number}) {name}" for name, number in key.items()) or None


def _is_drawn(letter):
    return not letter.isspace() and letter.isprintable()


def _texts(figure):
    for text in figure.findobj(Text):
        yield text.get_text()
    for axis in _axes(figure):
        yield from (label.get_text() for label in axis.get_ticklabels())


def _axes(figure):
    return (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis))


def _path_of(family):
    return font_manager.findfont(font_manager.FontProperties(family=family))


@lru_cache(maxsize=256)
def _letters(path):
    """The letters that a font file has glyphs for."""
    try:
        return frozenset(map(chr, FT2Font(path).get_charmap()))
    except (OSError, RuntimeError):
        return frozenset()


@lru_cache(maxsize=64)
def _fonts_for(foreign):
    """Families of the system that have these letters, and the letters none has."""
    found, missing = [], set(foreign)
    files = {
        font.name: font.fname
        for font in font_manager.fontManager.ttflist
        if BOXES not in font.name and font.style == "normal"
    }
    while missing and files:
        name = max(sorted(files), key=lambda name: len(missing & _letters(files[name])))
        if not missing & _letters(files[name]):
            break
        missing -= _letters(files.pop(name))
        found.append(name)
    return found, frozenset(missing)


def _number(figure, nowhere):
    """Puts numbers in the place of letters that cannot be drawn."""
    one = f"[{re.escape(''.join(sorted(nowhere)))}]"
    run = re.compile(rf"{one}+(?:\s*{one}+)*")

    def number(found):
        name = re.sub(r"\s*\n\s*", "", found[0])
        return f"({figure.names_key.setdefault(name, len(figure.names_key) + 1)})"

    for axis in _axes(figure):  # texts of ticks are written anew when drawn
        if any(run.search(label.get_text()) for label in axis.get_ticklabels()):
            before = axis.get_major_formatter()
            axis.set_major_formatter(
                lambda *at, before=before: run.sub(number, before(*at))
            )
    for text in figure.findobj(Text):
        text.set_text(run.sub(number, text.get_text()))
