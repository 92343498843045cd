"""The plots of a run and of a comparison.

Each function returns a matplotlib `Figure`; no global state, no window.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evaluation.metric_table import METRICS, RANKING
from evaluation.plots.style import (
    COLOURS,
    DEFECT,
    INK,
    LEADER,
    MARKERS,
    OTHER,
    TITLE,
    calm,
    error,
    legend_above,
    name_lines,
    new_figure,
    percent_axis,
    plain,
    side_by_side,
    wrapped,
)
from evaluation.wording import counted

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.run_folder import Run


def leaderboard_plot(table: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Dots with 95 % intervals of macro-F1 and AUROC on test; hollow: on validate.

    Args:
        table: Rows of `leaderboard`, the first is the leader.
        names: What to call them.
    """
    shown = [name for name in RANKING if table[name].notna().any()]
    figure = Figure(figsize=(7.8, 1.2 + 0.36 * len(table)), layout="constrained")
    panels = figure.subplots(1, max(1, len(shown)), sharey=True, squeeze=False)[0]
    name_lines(panels[0], names)
    for axes, metric in zip(panels, shown, strict=False):
        calm(axes)
        axes.grid(False, axis="y")
        for line, row in enumerate(table.to_dict("records")):
            ends = [row[f"{metric}_low"], row[f"{metric}_high"]]
            colour = LEADER if line == 0 else OTHER
            axes.plot(ends, [line, line], color=colour, linewidth=2.5, alpha=0.6)
            axes.plot(row[metric], line, "o", color=colour, markersize=8)
        axes.plot(
            table[f"validate_{metric}"],
            np.arange(len(table)),
            "o",
            color=INK,
            markersize=5,
            markerfacecolor="white",
            zorder=3,
        )
        percent_axis(axes.xaxis)
        axes.set_xlabel(f"{METRICS[metric].title} on test (hollow: validate)")
    return figure


def confusion_plot(
    confusion_matrix: npt.ArrayLike,
    classes: Sequence[str],
    *,
    columns: Sequence[str] | None = None,
    title: str = "",
) -> Figure:
    """Counts and percentages of the row; rows are true, columns predicted classes.

    Args:
        confusion_matrix: `(classes, classes)`.
        classes: Names of the rows.
        columns: Names of the columns, if they differ.
        title: Title of the plot.
    """
    counts = np.asarray(confusion_matrix)
    parts = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(parts, 1)
    side = (0.72 if len(classes) <= 8 else 0.52) * len(classes)
    figure, axes = new_figure(side + 1.7, side + 1.4)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.15)
    size = 8 if len(classes) <= 8 else 6.5
    for row, column in np.argwhere(counts > 0):
        axes.text(
            column,
            row,
            f"{counts[row, column]}\n{100 * shares[row, column]:.0f} %",
            ha="center",
            va="center",
            fontsize=size,
            color="white" if shares[row, column] > 0.6 else INK,
            fontweight="bold" if row == column else "normal",
        )
    labels = [wrapped(name, 22) for name in columns or classes]
    positions = np.arange(len(classes))
    if any("\n" in label for label in labels):
        axes.set_xticks(positions, labels, rotation=90)
    else:
        axes.set_xticks(
            positions, labels, rotation=45, ha="right", rotation_mode="anchor"
        )
    axes.set_yticks(positions, [wrapped(name, 22) for name in classes])
    axes.set_xlabel("answer")
    axes.set_ylabel("true class")
    axes.grid(False)
    axes.tick_params(length=0)
    axes.set_title(plain(title), **TITLE)
    return figure


def instance_confusion_plot(run: Run) -> Figure:
    """Confusions of instances on test, with a row of false alarms and a column of
    missed ones.
    """
    found = run.metrics["test"]["instances"]
    return confusion_plot(
        found["confusion_matrix"],
        found["rows"],
        columns=found["columns"],
        title=run.config["model"],
    )


def per_class_recall_plot(runs: Sequence[Run], names: Sequence[str]) -> Figure:
    """Recall of each class on test with its interval, for a few runs.

    Args:
        runs: Up to seven runs of one data set that predict classes.
        names: What to call them.
    """
    classes = runs[0].config["classes"]
    height = max(0.35, 0.12 * len(runs) + 0.15)
    figure, axes = new_figure(7.2, 1.3 + height * len(classes))
    steps = side_by_side(len(runs), 0.6)
    for index, (run, name) in enumerate(zip(runs, names, strict=True)):
        per_class = run.metrics["test"]["per_class"]
        first = True
        for line, class_name in enumerate(classes):
            recall = per_class[class_name]["recall"]
            if recall["value"] is None:
                continue
            axes.errorbar(
                recall["value"],
                line + steps[index],
                xerr=error(recall),
                fmt=MARKERS[index],
                color=COLOURS[index],
                markersize=6,
                elinewidth=2,
                label=plain(name) if first else None,
            )
            first = False
    test = runs[0].metrics["test"]["per_class"]
    name_lines(
        axes,
        [f"{name} ({counted(test[name]['num_groups'], 'group')})" for name in classes],
    )
    percent_axis(axes.xaxis)
    axes.set_xlabel("recall on test with 95 % confidence interval")
    if len(runs) > 1:
        legend_above(figure, axes)
    return figure


def split_gap_plot(splits: pd.DataFrame) -> Figure:
    """One line per model across different splits of the same parts.

    Args:
        splits: Table with `split` (name of the way), `model`, `value`, `low`, `high`,
            rows in the order to draw.
    """
    ways = list(dict.fromkeys(splits["split"]))
    models = list(dict.fromkeys(splits["model"]))
    figure, axes = new_figure(max(4.5, 2.0 + 1.9 * len(ways)), 4.0)
    steps = side_by_side(len(models), 0.3)
    for index, model in enumerate(models):
        rows = splits[(splits["model"] == model) & splits["value"].notna()]
        where = [ways.index(way) + steps[index] for way in rows["split"]]
        errors = [rows["value"] - rows["low"], rows["high"] - rows["value"]]
        axes.errorbar(
            where,
            rows["value"],
            yerr=errors,
            color=COLOURS[index % len(COLOURS)],
            marker=MARKERS[index // len(COLOURS) % len(MARKERS)],
            markersize=7,
            linewidth=1.2,
            elinewidth=2.2,
            label=plain(model),
        )
    axes.set_xticks(np.arange(len(ways)), [wrapped(way) for way in ways])
    axes.set_xlim(-0.5, len(ways) - 0.5)
    percent_axis(axes.yaxis)
    axes.set_ylabel("on test, 95 % confidence interval")
    legend_above(figure, axes)
    return figure


def curves_plot(history: pd.DataFrame) -> Figure:
    """The columns of history.csv over the epochs, each with its `val_` counterpart.

    Args:
        history: Table with a row per epoch. Where its column `stage` changes, a line
            says which stage begins; `learning_rate` is drawn by powers of ten.
    """
    kinds = [name for name in history.columns if name not in ("epoch", "stage")]
    kinds = list(dict.fromkeys(name.removeprefix("val_") for name in kinds))
    epochs = _epochs(history)
    num_rows = -(-len(kinds) // 3)
    num_columns = min(3, len(kinds))
    figure = Figure(figsize=(3.4 * num_columns, 2.6 * num_rows), layout="constrained")
    panels = figure.subplots(num_rows, num_columns, squeeze=False).ravel()
    for axes in panels[len(kinds) :]:
        axes.set_axis_off()
    for axes, kind in zip(panels, kinds, strict=False):
        calm(axes)
        _draw_curves(axes, history, epochs, kind)
        has_stages = "stage" in history.columns
        if has_stages:
            _mark_stages(axes, history, epochs)
        title = plain(kind.replace("_", " "))
        axes.set_title(title, **TITLE, pad=14 if has_stages else None)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    return figure


def _epochs(history):
    """The number of each row, counted through where a stage starts again at 1."""
    numbers = np.arange(1, len(history) + 1)
    if "epoch" not in history.columns:
        return numbers
    epochs = history["epoch"].to_numpy()
    return epochs if (np.diff(epochs) > 0).all() else numbers


def _draw_curves(axes, history, epochs, kind):
    pairs = [
        (kind, LEADER, "-", "train"),
        (f"val_{kind}", DEFECT, "--", "held out"),
    ]
    for column, colour, style, label in pairs:
        if column in history.columns:
            values = history[column]
            axes.plot(epochs, values, style, color=colour, label=label, marker=".")
    if kind != "learning_rate":
        axes.legend(frameon=False, fontsize=8)
    elif (history[kind] > 0).all():
        axes.set_yscale("log")
        axes.tick_params(axis="y", which="both", labelsize=7)


def _mark_stages(axes, history, epochs):
    """A thin line before the first epoch of each later stage; the names on top."""
    stages = history["stage"].to_numpy()
    for row, name in enumerate(stages):
        if row and name == stages[row - 1]:
            continue
        left = max(epochs[row] - 0.5, axes.get_xlim()[0])
        if row:
            axes.axvline(left, color=OTHER, linewidth=0.8)
        axes.annotate(
            plain(name),
            (left, 1),
            xycoords=("data", "axes fraction"),
            xytext=(2, 1),
            textcoords="offset points",
            fontsize=7,
            color=OTHER,
        )
