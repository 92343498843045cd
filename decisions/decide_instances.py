"""Chooses the score thresholds of the instances of a finished run again."""

import os
from typing import Any

from evaluation.metric_table import METRICS
from evaluation.run_folder import compute_metrics, read_run
from evaluation.score_thresholds import instance_thresholds
from evaluation.wording import figure
from goodparts.command import InputError
from goodparts.files import write_json
from preprocessing.manifest import find_unchanged

SHOWN = ("detection_rate", "false_alarms")


def decide_instances(
    run_folder: str | os.PathLike[str], false_alarms: float
) -> dict[str, Any]:
    """Chooses them on `validate`; threshold.json and metrics.json are written again.

    Args:
        run_folder: Of a finished run with instances.
        false_alarms: Allowed false alarms per image, 0 or more.

    Returns:
        The content of threshold.json.

    Raises:
        InputError: If the run has no instances, or its data set no longer exists, was
            changed or has none.
    """
    run = read_run(run_folder)
    if "instances" not in run.outputs:
        raise InputError(
            f"{run.name} finds no instances, so --false-alarms does not apply to it."
        )
    dataset = find_unchanged(run.config)
    table, config = run.predictions, run.config
    chosen = instance_thresholds(
        run.folder, table, config, dataset, false_alarms=false_alarms
    )
    if not chosen:
        raise InputError(
            f"The data set of {run.name} no longer exists, was changed after the "
            "training, or has no instances to choose the score thresholds with. "
            f"Restore {config['dataset_folder']}, or train again."
        )
    record = run.threshold_record | chosen
    scores = chosen["instance_scores"]
    metrics = compute_metrics(
        run.folder, table, config, run.threshold, dataset, instance_scores=scores
    )
    write_json(run.folder / "threshold.json", record)
    write_json(run.folder / "metrics.json", metrics)
    return record


def instances_text(run_folder: str | os.PathLike[str]) -> str:
    """The score thresholds of a run, and what they give on validate and test."""
    run = read_run(run_folder)
    allowed = run.threshold_record["false_alarms_per_image"]
    lines = [
        f"score thresholds for at most {allowed:g} false alarms per image, chosen on "
        "validate:"
    ]
    lines += [
        f"  {value:<8.4f}{name}" for name, value in (run.instance_scores or {}).items()
    ]
    for split in ("validate", "test"):
        metrics = run.metrics[split]["metrics"]
        shown = (
            f"{METRICS[name].title} {figure(metrics[name], METRICS[name].is_share)}"
            for name in SHOWN
        )
        lines.append(f"on {split}: {', '.join(shown)}")
    return "\n".join(lines)
