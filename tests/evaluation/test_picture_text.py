"""Names in any script can be read in pictures, or tell at least which class it is."""

import itertools
import subprocess
import sys

import cv2
import numpy as np
import pytest

from evaluation import picture_text
from evaluation.overlay import draw_overlay
from evaluation.picture_text import draw_text, font_files, fonts_for
from evaluation.predictor import Instances
from live.record.clips import _with_caption
from reporting.overlays import _captioned

NAMES = [
    "良品",
    "划痕",
    "坑洞",
    "خدش",
    "عيب",
    "брак",
    "скол",
    "größe",
    "grösse",
    "?????",
]
STROKES = [((0, 0, 0), 3), ((255, 255, 255), 1)]


def forget():
    picture_text.font_files.cache_clear()
    picture_text._paths_for.cache_clear()


@pytest.fixture(params=["all", "dejavu", "none"])
def fonts(request, monkeypatch):
    """The fonts of this machine, that of matplotlib alone, or none."""
    dejavu = tuple(x for x in font_files() if x.endswith("/DejaVuSans.ttf"))[:1]
    few = {"dejavu": dejavu, "none": ()}
    forget()
    if request.param in few:
        monkeypatch.setattr(picture_text, "font_files", lambda: few[request.param])
    yield request.param
    picture_text._paths_for.cache_clear()


def drawn(name):
    image = np.full((40, 240, 3), 90, np.uint8)
    draw_text(image, name, (5, 30), scale=0.6, strokes=STROKES)
    return image


def boxed(name):
    found = Instances(np.array([[10, 30, 40, 20]]), np.array([0.5]), [name])
    return draw_overlay(np.full((80, 240, 3), 90, np.uint8), instances=found)


def in_a_clip(name):
    return _with_caption(np.zeros((256, 640, 3), np.uint8), f"reject {name} 0.5")


def in_the_report(name):
    return _captioned(np.zeros((40, 240, 3), np.uint8), f"true: {name}")


@pytest.mark.parametrize("draw", [drawn, boxed, in_a_clip, in_the_report])
def test_every_name_looks_different(fonts, draw):
    for one, other in itertools.combinations(NAMES, 2):
        assert (draw(one) != draw(other)).any(), (one, other)


def test_what_no_font_has_is_written_as_its_number(fonts):
    text = "".join(piece for piece, _ in fonts_for("pit \U00012345 ö 0.9", 14))
    if fonts != "all":
        assert "pit \\U00012345" in text
    assert text.endswith({"none": "\\xf6 0.9"}.get(fonts, "ö 0.9"))


def test_letters_that_a_font_has_are_drawn_with_it():
    assert font_files()[0].endswith("DejaVuSans.ttf")
    for name in ("größer, хорошо", "جيد"):
        [(piece, font)] = fonts_for(name, 14)
        assert piece == name and font.path == font_files()[0]


def test_several_fonts_are_used_and_ascii_is_never_missing(monkeypatch):
    has = {"han": "良品", "arab": "خدش"}
    monkeypatch.setattr(picture_text, "font_files", lambda: ("han", "arab"))
    monkeypatch.setattr(picture_text, "_has", lambda path, sign: sign in has[path])
    monkeypatch.setattr(picture_text, "_open", lambda path, size: path)
    picture_text._paths_for.cache_clear()
    pieces = [(text.strip(), font) for text, font in fonts_for("良 ab خدش я 品", 9)]
    picture_text._paths_for.cache_clear()
    assert pieces == [
        ("良", "han"),
        ("ab", None),
        ("خدش", "arab"),
        ("\\u044f", None),
        ("品", "han"),
    ]


def test_ascii_is_drawn_as_before():
    image, expected = (np.full((40, 200, 3), 90, np.uint8) for _ in range(2))
    draw_text(image, "pit 0.9", (5, 30), scale=0.6, strokes=STROKES)
    for colour, width in STROKES:
        font, line = cv2.FONT_HERSHEY_SIMPLEX, cv2.LINE_AA
        cv2.putText(expected, "pit 0.9", (5, 30), font, 0.6, colour, width, line)
    assert (image == expected).all()


@pytest.mark.parametrize("place", [(-50, -50), (500, 20), (190, 500), (0, 0)])
def test_text_may_lie_outside(place):
    image = np.full((40, 200, 3), 90, np.uint8)
    draw_text(image, "größe", place, scale=0.6, strokes=STROKES)
    assert image.shape == (40, 200, 3)


def test_nothing_heavy_is_imported():
    code = (
        "import sys; from evaluation.picture_text import fonts_for; "
        "list(fonts_for('ö良', 9)); "
        "sys.exit(len({'matplotlib', 'pandas', 'scipy'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
