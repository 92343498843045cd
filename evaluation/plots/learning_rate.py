"""The plot of a learning rate finder."""

from __future__ import annotations

from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from evaluation.plots.style import DEFECT, LEADER, legend_above, new_figure


def rate_plot(rates: ArrayLike, losses: ArrayLike, chosen: float) -> Figure:
    """The loss against the learning rate, and the rate that was chosen.

    Args:
        rates: Rising.
        losses: At each of them.
        chosen: One of the rates.
    """
    figure, axes = new_figure(4.6, 3.2)
    axes.plot(rates, losses, color=LEADER, linewidth=2, label="loss, smoothed")
    axes.axvline(chosen, color=DEFECT, linestyle="--", label=f"chosen: {chosen:.2g}")
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss (train)")
    legend_above(figure, axes)
    return figure
