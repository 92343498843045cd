"""The summary of a finished training in one line."""

from evaluation.comparison.leaderboard import can_rank, leading_metric
from evaluation.metric_table import METRICS
from evaluation.run_folder import Run
from evaluation.thresholds import threshold_text
from evaluation.wording import number, percent


def summary_line(run: Run) -> str:
    """The result of a run on `validate`."""
    metrics = run.metrics["validate"]["metrics"]
    if not can_rank([run]):
        return f"threshold {run.threshold:.4g}: {threshold_text(run.threshold_record)}"
    leading = leading_metric([run])
    said = f"on validate: {METRICS[leading].title} {percent(metrics[leading])}"
    if run.threshold is None:
        return said
    said += (
        f"; at the threshold {run.threshold:.3g} it misses "
        f"{percent(metrics['miss_rate'])} of the defects and rejects "
        f"{percent(metrics['false_reject_rate'])} of the good parts"
    )
    if "detection_rate" not in metrics:
        return said
    precision = "mask_ap" if "mask_ap" in metrics else "box_ap"
    return (
        f"{said}; {METRICS[precision].title} {percent(metrics[precision])}, it finds "
        f"{percent(metrics['detection_rate'])} of the instances with "
        f"{number(metrics['false_alarms'])} false alarms per image"
    )
