"""The plots of a run folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from evaluation.plots import classes as plots
from evaluation.plots import scores as score_plots
from evaluation.plots.style import save_plot
from evaluation.predictions import has_both_kinds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from evaluation.run_folder import Run


def write_plots(run: Run) -> None:
    """Writes plots/ of a run folder, about two seconds."""
    for name, figure in run_plots(run).items():
        save_plot(figure, run.folder / "plots" / f"{name}.png")


def run_plots(run: Run) -> dict[str, Figure]:
    """The figures by the stem of their file; those that do not apply are missing."""
    table = run.split("test")
    name = run.config["model"]
    figures = {}
    threshold = run.threshold
    if threshold is not None:
        figures["scores"] = score_plots.score_histogram(
            table, normal_class=run.config["normal_class"], threshold=threshold
        )
    if threshold is not None and has_both_kinds(table, run.config["normal_class"]):
        figures["miss_against_false_reject"] = (
            score_plots.miss_against_false_reject_plot([run], [name])
        )
        figures["roc"] = score_plots.roc_plot(
            table,
            run.metrics["test"]["roc"],
            normal_class=run.config["normal_class"],
            threshold=threshold,
        )
    if "classes" in run.outputs:
        figures["confusion"] = plots.confusion_plot(
            run.metrics["test"]["confusion_matrix"], run.config["classes"], title=name
        )
        figures["per_class_recall"] = plots.per_class_recall_plot([run], [name])
        figures["reliability"] = score_plots.reliability_plot(
            table, run.config["classes"]
        )
    if "instances" in run.metrics["test"]:
        figures["instance_confusion"] = plots.instance_confusion_plot(run)
    history = run.folder / "history.csv"
    if history.is_file():
        figures["curves"] = plots.curves_plot(pd.read_csv(history))
    return figures
