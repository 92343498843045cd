"""Class names in any script can be read in plots, or in the key beside them."""

import warnings
from pathlib import Path

import jinja2
import numpy as np
import pytest

from evaluation.plots import glyphs
from evaluation.plots.classes import confusion_plot
from evaluation.plots.glyphs import names_key, use_fonts
from evaluation.plots.style import new_figure, plain, save_plot, wrapped
from reporting import report
from reporting.report import _image

CHINESE = ["良品", "划痕 <1mm & 坑"]
DRAWN = ["хорошо", "جيد", "gut, $5"]  # the font of matplotlib has these


@pytest.fixture
def no_fonts(monkeypatch):
    """A machine with the fonts of matplotlib alone."""
    own = [f for f in glyphs.font_manager.fontManager.ttflist if "DejaVu" in f.name]
    monkeypatch.setattr(glyphs.font_manager.fontManager, "ttflist", own)
    glyphs._fonts_for.cache_clear()
    yield
    glyphs._fonts_for.cache_clear()


def figure_of(names):
    figure, axes = new_figure(4, 3)
    axes.plot([0, 1], label=plain(names[-1]))
    axes.set_yticks(np.arange(len(names)), [wrapped(name) for name in names])
    axes.set_title(plain(f"{names[0]}: 0.9"))
    axes.legend()
    return figure, axes


def save_without_a_warning(figure, path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_plot(figure, path)


def test_names_without_a_font_become_numbers_with_a_key(tmp_path, no_fonts):
    figure, axes = figure_of(CHINESE)
    save_without_a_warning(figure, tmp_path / "plot.png")
    ticks = [label.get_text() for label in axes.get_yticklabels()]
    assert axes.get_title() == "(1): 0.9"
    assert ticks == ["(1)", "(2) <1mm & (3)"]
    key = "(1) 良品, (2) 划痕, (3) 坑"
    assert sorted(key.split(", ")) == sorted(names_key(figure).split(", "))
    assert (tmp_path / "plot.txt").read_text() == names_key(figure) + "\n"


def test_name_that_was_wrapped_is_one_in_the_key(no_fonts):
    figure, axes = figure_of(["a", "良品" * 15])
    use_fonts(figure)
    assert names_key(figure) == "(1) " + "良品" * 15


def test_names_that_can_be_drawn_stay(tmp_path):
    figure, axes = figure_of(DRAWN)
    (tmp_path / "plot.txt").write_text("of an earlier plot")
    save_without_a_warning(figure, tmp_path / "plot.png")
    assert names_key(figure) is None and axes.get_title() == "хорошо: 0.9"
    assert not (tmp_path / "plot.txt").exists()


def test_font_of_the_system_is_used_where_it_has_the_letters(monkeypatch):
    known = {"/own.ttf": frozenset("abc"), "/han.ttf": frozenset("良品")}
    monkeypatch.setattr(glyphs, "_letters", lambda path: known.get(path, frozenset()))
    fonts = [Font("Own", "/own.ttf"), Font("Han", "/han.ttf")]
    fonts.append(Font("Last Resort", "/boxes.ttf"))
    monkeypatch.setattr(glyphs.font_manager.fontManager, "ttflist", fonts)
    glyphs._fonts_for.cache_clear()
    assert glyphs._fonts_for(frozenset("良品")) == (["Han"], frozenset())
    assert glyphs._fonts_for(frozenset("良품")) == (["Han"], frozenset("품"))
    glyphs._fonts_for.cache_clear()


class Font:
    """As matplotlib lists a font."""

    def __init__(self, name, fname):
        self.name, self.fname, self.style = name, fname, "normal"


def test_confusion_of_classes_in_chinese(tmp_path, no_fonts):
    figure = confusion_plot([[3, 1], [0, 4]], CHINESE, title="良品_run")
    save_without_a_warning(figure, tmp_path / "plot.png")
    [axes] = figure.axes
    shown = [label.get_text() for label in axes.get_xticklabels()]
    assert all(text.isascii() for text in shown) and "<1mm" in shown[1]
    assert "良品" in names_key(figure)


def test_report_says_the_names_beside_the_plot(no_fonts):
    figure, _ = figure_of(CHINESE)
    image = _image(figure)
    assert image["key"] == names_key(figure) and "良品" in image["key"]
    template = (Path(report.__file__).parent / "report.html.jinja").read_text()
    macro = template[template.index("{% macro plot(") :]
    macro = macro[: macro.index("{% endmacro %}") + len("{% endmacro %}")]
    drawn = jinja2.Environment(autoescape=True).from_string(
        macro + "{{ plot(image, 'words') }}"
    )
    assert image["key"] in drawn.render(image=image)
