"""Plots of scores and probabilities: thresholds, ROC curve and calibration.

Each function returns a matplotlib `Figure`; no global state, no window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evaluation import metrics
from evaluation.calibration import NUM_BINS, calibration_error, confidences, reliability
from evaluation.intervals import share_interval
from evaluation.plots.style import (
    COLOURS,
    DEFECT,
    GOOD,
    INK,
    LEADER,
    MARKERS,
    OTHER,
    TITLE,
    calm,
    error,
    legend_above,
    new_figure,
    percent_axis,
    plain,
)
from evaluation.wording import counted, share

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.run_folder import Run

SMALL_RATE = 0.001  # below it the false reject axis is linear, above logarithmic


def score_histogram(
    table: pd.DataFrame, *, normal_class: str, threshold: float
) -> Figure:
    """Histogram of the defect scores of good and defective parts, with the threshold.

    Args:
        table: Predictions of one split.
        normal_class: The class of good parts.
        threshold: Scores at or above it are rejected.
    """
    scores = table["defect_score"].to_numpy(np.float64)
    is_defect = (table["label"] != normal_class).to_numpy()
    figure = Figure(figsize=(5.5, 4.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    finite = np.append(scores[np.isfinite(scores)], threshold)
    margin = 1e-3 if np.ptp(finite) < 1e-3 else 0.0
    span = (finite.min() - margin, finite.max() + margin)
    edges = np.histogram_bin_edges(finite, bins=40, range=span)
    rejected = scores >= threshold
    panels = [
        (upper, ~is_defect, rejected, GOOD, "good parts", "rejected"),
        (lower, is_defect, ~rejected, DEFECT, "defects", "missed"),
    ]
    for axes, kind, wrong, colour, what, verb in panels:
        calm(axes)
        axes.hist(scores[kind], bins=edges, color=colour)
        axes.axvline(threshold, color=INK, linewidth=1.5, linestyle="--")
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.set_ylabel("images")
        axes.set_title(
            f"{what}: {int((kind & wrong).sum())} of {int(kind.sum())} {verb}",
            **TITLE,
        )
    lower.set_xlabel(
        f"defect score (dashed: threshold {threshold:.4g}; rejected at or above it)"
    )
    return figure


def miss_against_false_reject_plot(runs: Sequence[Run], names: Sequence[str]) -> Figure:
    """Miss rate against false reject rate, for every threshold on test.

    The dot is the threshold chosen on validate. Both axes have a square root scale, so
    that small rates, which matter most, are visible.
    """
    figure, axes = new_figure(4.4, 4.4)
    for index, (run, name) in enumerate(zip(runs, names, strict=True)):
        table = run.split("test")
        scores = table["defect_score"].to_numpy(np.float64)
        is_defect = (table["label"] != run.config["normal_class"]).to_numpy()
        lines = np.append(np.unique(scores), np.inf)
        missed = _shares_below(scores[is_defect], lines)
        rejected = 1 - _shares_below(scores[~is_defect], lines)
        colour = COLOURS[index]
        axes.plot(
            rejected,
            missed,
            color=colour,
            linewidth=2.2 if index == 0 else 1.2,
            drawstyle="steps-post",
            label=plain(name),
        )
        axes.plot(
            _mean_or_nan(scores[~is_defect] >= run.threshold),
            _mean_or_nan(scores[is_defect] < run.threshold),
            MARKERS[index],
            color=colour,
            markersize=9 - index,
            clip_on=False,
            zorder=3 + index,
        )
    ticks = [0, 0.01, 0.05, 0.1, 0.2, 0.5, 1]
    for axis, set_scale in (
        (axes.xaxis, axes.set_xscale),
        (axes.yaxis, axes.set_yscale),
    ):
        set_scale("function", functions=(_signed_root, _signed_square))
        axis.set_ticks(ticks, [f"{100 * tick:g} %" for tick in ticks])
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("good parts rejected (test)")
    axes.set_ylabel("defects missed (test)")
    legend_above(figure, axes)
    return figure


def roc_plot(
    table: pd.DataFrame,
    points: Sequence[Mapping[str, Any]],
    *,
    normal_class: str,
    threshold: float,
) -> Figure:
    """ROC curve: defects caught against good parts rejected, on test.

    The axis of false rejects is logarithmic, because only small rates are acceptable in
    production. Rates below one good group cannot be measured: this range is grey, and
    the points in it are hollow.

    Args:
        table: Predictions of one split.
        points: Its `roc` of metrics.json, see `roc_points`.
        normal_class: The class of good parts.
        threshold: The deployed one, drawn as a diamond.
    """
    scores = table["defect_score"].to_numpy(np.float64)
    is_defect = (table["label"] != normal_class).to_numpy()
    goods, defects = metrics.rejected(scores, is_defect, np.ones(len(table)))
    figure, axes = new_figure(5.4, 4.2)
    axes.set_xscale("symlog", linthresh=SMALL_RATE, linscale=0.5)
    num_groups = points[0]["num_good_groups"]
    axes.axvspan(
        0,
        1 / max(num_groups, 1),
        color="#F0F0F0",
        zorder=0,
        label=f"less than one of {counted(num_groups, 'good group')}",
    )
    axes.plot(
        goods / max(goods[-1], 1),
        defects / max(defects[-1], 1),
        color=LEADER,
        linewidth=2,
        drawstyle="steps-post",
    )
    known = [point for point in points if point["recall"]["value"] is not None]
    for number, point in enumerate(known):
        axes.errorbar(
            point["max_false_reject_rate"],
            point["recall"]["value"],
            yerr=error(point["recall"]),
            fmt="o",
            color=LEADER,
            markersize=7,
            markerfacecolor=LEADER if point["is_measurable"] else "white",
            elinewidth=1.5,
            capsize=3,
            clip_on=False,
            zorder=4,
            label=None if number else "ROC curve, 95 % confidence interval",
        )
    rejected = scores >= threshold
    caught = _mean_or_nan(rejected[is_defect])
    axes.plot(
        _mean_or_nan(rejected[~is_defect]),
        caught,
        "D",
        color=DEFECT,
        markersize=8,
        clip_on=False,
        zorder=3,
        label="chosen threshold",
    )
    ticks = [0, 0.001, 0.01, 0.05, 0.2, 1]
    axes.xaxis.set_ticks(ticks, [f"{100 * tick:g} %" for tick in ticks])
    axes.xaxis.set_ticks([], minor=True)
    axes.set_xlim(0, 1)
    lowest = np.nanmin([caught, *(point["recall"]["low"] for point in known), 1.0])
    bottom = max(0, np.floor(10 * lowest - 0.5) / 10)
    axes.set_ylim(bottom, 1 + 0.01 * (1 - bottom))
    percent_axis(axes.yaxis)
    axes.set_xlabel("good parts rejected (test)")
    axes.set_ylabel("defects caught (test)")
    legend_above(figure, axes)
    return figure


def reliability_plot(table: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """Accuracy against confidence; below, the number of predictions in each bin.

    Args:
        table: Predictions of one split.
        classes: Class names.

    Reference:
        Guo et al., On Calibration of Modern Neural Networks, ICML 2017, figure 1.
    """
    sureness, is_right = confidences(table, classes)
    counts, accuracy, confidence = reliability(sureness, is_right)
    filled = counts > 0
    low, high = share_interval((counts * accuracy)[filled], counts[filled])
    right = accuracy[filled]
    figure = Figure(figsize=(4.6, 5.0), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    calm(upper)
    upper.plot([0, 1], [0, 1], "--", color=INK, linewidth=1, label="calibrated")
    upper.errorbar(
        confidence[filled],
        right,
        yerr=[right - low, high - right],
        fmt="o",
        color=LEADER,
        markersize=6,
        elinewidth=1.5,
        clip_on=False,
        zorder=4,
        label="accuracy, 95 % interval by image",
    )
    upper.set_ylim(0, 1)
    upper.set_ylabel("accuracy (test)")
    gap = calibration_error(sureness, is_right, np.ones(len(table)))
    upper.set_title(f"expected calibration error {share(float(gap))} %", **TITLE)
    _count_bars(calm(lower), counts)
    lower.set_xlabel("confidence: probability of the predicted class")
    for axis in (upper.xaxis, upper.yaxis, lower.xaxis):
        percent_axis(axis)
    legend_above(figure, upper)
    return figure


def _count_bars(axes, counts):
    centres = (np.arange(NUM_BINS) + 0.5) / NUM_BINS
    axes.bar(centres, counts, 0.92 / NUM_BINS, color=OTHER)
    for centre, count in zip(centres, counts, strict=True):
        if count:
            axes.annotate(
                str(count),
                (centre, count),
                xytext=(0, 1),
                ha="center",
                textcoords="offset points",
                fontsize=6.5,
                color=INK,
            )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.25 * counts.max())
    axes.set_ylabel("images")
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))


def _shares_below(values, lines):
    """The share of values below each line; NaN without values."""
    counts = np.searchsorted(np.sort(values), lines, side="left")
    return counts / values.size if values.size else np.full(len(lines), np.nan)


def _mean_or_nan(values):
    return values.mean() if values.size else np.nan


def _signed_root(values):
    return np.sign(values) * np.sqrt(np.abs(values))


def _signed_square(values):
    return np.sign(values) * np.square(values)
