"""The style of the plots, which is readable for colour-blind people, and saving."""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from evaluation.plots.glyphs import names_key, use_fonts
from goodparts.files import write_bytes, write_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

# Okabe and Ito, Color Universal Design, 2008; `GOOD` and `DEFECT` differ in every
# kind of colour vision and in grey print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6B6B6B")
MARKERS = "osD^vP*"
GOOD, DEFECT, LEADER, OTHER, INK = "#56B4E9", "#D55E00", "#0072B2", "#8A8A8A", "#333333"
TITLE: dict[str, Any] = {"loc": "left", "fontsize": 10, "color": INK}
DOTS_PER_INCH = 150
PIXELS_PER_INCH = 92


def save_plot(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG, completely or not at all, with the key of its names.

    There is a key, `<name>.txt`, if no font has all characters; see `glyphs`.
    """
    write_bytes(path, _png(figure))
    key = names_key(figure)
    if key:
        write_text(path.with_suffix(".txt"), key + "\n")
    else:
        path.with_suffix(".txt").unlink(missing_ok=True)


def width_on_page(figure: Figure) -> int:
    """CSS pixels at which the figure's letters are as large as the page's."""
    return round(PIXELS_PER_INCH * figure.get_figwidth())


def plot_as_data_uri(figure: Figure) -> str:
    """A figure as the `src` of an `<img>` that needs no file."""
    return "data:image/png;base64," + base64.b64encode(_png(figure)).decode()


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, calm(figure.subplots())


def calm(axes: Axes) -> Axes:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(OTHER)
    axes.grid(color="#E6E6E6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9, length=3)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_fontsize(9)
        label.set_color(INK)
    return axes


def _png(figure):
    use_fonts(figure)
    FigureCanvasAgg(figure)
    content = io.BytesIO()
    figure.savefig(
        content, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None}
    )
    return content.getvalue()


def name_lines(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(np.arange(len(names)), [wrapped(name, 34) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(False, axis="y")


def percent_axis(axis: Axis) -> None:
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g} %"))
    axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))


def legend_above(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    room = 11 * figure.get_figwidth()  # letters that fit beside each other
    widest = max(len(label) for label in labels) + 8
    figure.legend(
        handles,
        labels,
        loc="outside upper left",
        frameon=False,
        fontsize=9,
        ncols=max(1, min(len(labels), int(room // widest))),
    )


def side_by_side(count: int, width: float) -> np.ndarray:
    return np.linspace(-width / 2, width / 2, count) if count > 1 else np.zeros(1)


def error(interval: Mapping[str, float]) -> list[list[float]]:
    value = interval["value"]
    return [[value - interval["low"]], [interval["high"] - value]]


def plain(text: object) -> str:
    """Text that matplotlib shows as it is: `$` would start a formula."""
    return str(text).replace("$", r"\$")


def wrapped(name: object, width: int = 18) -> str:
    spaced = str(name).replace("_", "_\0").replace("-", "-\0").replace("\0", " ")
    lines = textwrap.wrap(spaced, width) or [""]
    joined = "\n".join(lines).replace("_ ", "_").replace("- ", "-")
    return plain(joined)
