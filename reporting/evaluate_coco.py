"""Evaluates instances that were found elsewhere, from two COCO files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from evaluation.coco_results import pair_results, read_results, read_truth
from evaluation.instance_metrics import Matches
from evaluation.instance_summary import instance_lines
from evaluation.judged import Judged
from evaluation.metric_table import METRICS, metric_values
from evaluation.summary import summarise
from evaluation.wording import counted, figure
from goodparts.command import working
from goodparts.files import PathLike

GOOD, DEFECT = "good", "defect"  # images without and with annotations


def evaluate_coco(
    truth_path: PathLike, results_path: PathLike, *, min_score: float = 0.0
) -> dict[str, Any]:
    """Computes the metrics of instances, each with its 95 % interval.

    Args:
        truth_path: COCO file with images, categories and annotations.
        results_path: COCO results for these images.
        min_score: Instances below this score count as not found, except for the average
            precision.

    Returns:
        A dict as in metrics.json, with `auroc` if there are images with and without
        annotations: how well the highest score of an image tells them apart.

    Raises:
        InputError: For the first fault in a file.
    """
    truth = read_truth(truth_path)
    results = read_results(results_path, truth)
    pairings = pair_results(truth, results, (results_path, truth_path))
    table = pd.DataFrame(
        {
            "sample_id": [each.sample_id for each in pairings],
            "group": [f"{each.group:09d}" for each in pairings],
            "label": [DEFECT if each.true.labels.size else GOOD for each in pairings],
            "defect_score": [each.found.scores.max(initial=0) for each in pairings],
        }
    )
    scores = {name: min_score for name in truth.names.values()}
    judged = Judged(
        table,
        classes=[DEFECT, GOOD],
        normal_class=GOOD,
        threshold=None,
        matches=Matches(pairings, len(pairings), scores),
    )
    with working("computing the metrics"):
        summary = summarise(judged, {"instances"})
        if judged.num_good_groups and judged.num_bad_groups:
            values = metric_values(["auroc"], judged)["auroc"]
            summary["metrics"]["auroc"] = METRICS["auroc"].interval(judged, values)
    return summary


def coco_text(summary: Mapping[str, Any], *, min_score: float = 0.0) -> str:
    """The result of `evaluate_coco` as plain text, at most 100 columns wide."""
    lines = [
        f"{counted(summary['num_samples'], 'image')}, each as a group of its own, with "
        "95 % confidence intervals:"
    ]
    for name, metric in METRICS.items():
        if name in summary["metrics"]:
            shown = figure(summary["metrics"][name], metric.is_share)
            lines.append(f"  {metric.title:<24}{shown}")
    lines += instance_lines(summary["instances"])
    if min_score:
        lines.append(f"all but AP and AUROC: instances with a score from {min_score:g}")
    return "\n".join(lines)
