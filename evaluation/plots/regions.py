"""Plots of the regions of anomaly maps: how many, how large, and where to cut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from evaluation.plots.style import DEFECT, GOOD, INK, TITLE, calm, legend_above

Areas = Sequence[Sequence[np.ndarray]]  # per image and threshold, shares of the image
KINDS = ((False, "good parts", GOOD, "-"), (True, "defective parts", DEFECT, "--"))


def regions_plot(
    thresholds: np.ndarray, areas: Areas, is_defect: np.ndarray, chosen: float
) -> Figure:
    """Regions of an image, and their mean area with its spread, by threshold.

    Args:
        thresholds: `(thresholds,)`.
        areas: Of the regions of each image at each of them.
        is_defect: Bool `(images,)`.
        chosen: One of the thresholds.
    """
    figure = Figure(figsize=(5.6, 5.0), layout="constrained")
    upper, lower = (calm(axes) for axes in figure.subplots(2, 1, sharex=True))
    for kind, name, colour, style in KINDS:
        rows = [areas[index] for index in np.flatnonzero(is_defect == kind).tolist()]
        if not rows:
            continue
        counts = np.mean([[len(each) for each in row] for row in rows], axis=0)
        upper.plot(thresholds, counts, style, color=colour, linewidth=2, label=name)
        pooled = [np.concatenate(each) for each in zip(*rows, strict=True)]
        mean = np.array([each.mean() if each.size else np.nan for each in pooled])
        spread = np.array([each.std() if each.size else np.nan for each in pooled])
        lower.plot(thresholds, 100 * mean, style, color=colour, linewidth=2)
        lower.fill_between(
            thresholds,
            100 * np.maximum(mean - spread, 0),
            100 * (mean + spread),
            color=colour,
            alpha=0.2,
            linewidth=0,
        )
    for axes in (upper, lower):
        axes.axvline(chosen, color=INK, linestyle=":", linewidth=1.5)
    upper.set_ylabel("regions of an image")
    lower.set_ylabel("area of a region, % of the image")
    lower.set_title("mean, and one standard deviation", **TITLE)
    lower.set_xlabel("threshold of map values (dotted: chosen)")
    legend_above(figure, upper)
    return figure


def region_sizes_plot(
    good: np.ndarray, defective: np.ndarray, least_area: float
) -> Figure:
    """The areas of the regions at the chosen threshold.

    Args:
        good, defective: Areas of all regions, shares of the image.
        least_area: That counts as a defect.
    """
    figure = Figure(figsize=(5.6, 4.2), layout="constrained")
    upper, lower = (calm(axes) for axes in figure.subplots(2, 1, sharex=True))
    everything = np.concatenate([good, defective, [least_area]])
    low, high = everything.min() / 1.5, 1.5 * everything.max()
    edges = np.geomspace(low, high * 1.001, 30).tolist()
    panels = ((upper, good, GOOD, "good"), (lower, defective, DEFECT, "defective"))
    for axes, areas, colour, name in panels:
        axes.hist(areas, edges, color=colour)
        axes.axvline(least_area, color=INK, linestyle="--", linewidth=1.5)
        is_large = int((areas >= least_area).sum())
        text = f"{name} parts: {is_large} of {len(areas)} regions count"
        axes.set_title(text, **TITLE)
        axes.set_ylabel("regions")
        axes.set_ylim(bottom=0)
    lower.set_xscale("log")
    lower.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:g} %"))
    lower.xaxis.set_minor_formatter(NullFormatter())
    lower.set_xlabel("area of a region, share of the image (dashed: least area)")
    return figure


def rule_scores_plot(
    thresholds: np.ndarray,
    areas: np.ndarray,
    scores: np.ndarray,
    place: tuple[int, int],
    label: str,
) -> Figure:
    """The score of every pair of threshold and least area.

    Args:
        thresholds, areas: `(thresholds,)` and `(areas,)`.
        scores: `(thresholds, areas)` of 0 to 1.
        place: The chosen pair.
        label: What the score is.
    """
    figure = Figure(figsize=(5.6, 4.2), layout="constrained")
    axes = calm(figure.subplots())
    drawn = axes.pcolormesh(
        thresholds, 100 * areas, scores.T, cmap="viridis", shading="nearest"
    )
    axes.plot(
        thresholds[place[0]],
        100 * areas[place[1]],
        "D",
        color="white",
        markeredgecolor=INK,
        markersize=9,
    )
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.grid(False)
    axes.set_xlabel("threshold of map values (diamond: chosen)")
    axes.set_ylabel("least area of a region, % of the image")
    figure.colorbar(drawn, ax=axes, label=label)
    return figure
