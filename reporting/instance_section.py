"""The section of the report about instances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from preprocessing.manifest import find_unchanged
from reporting.instance_pictures import close_ups, matches_of_test, worst_instances
from reporting.mistakes import OVERLAY_SIDE, as_data_uri
from reporting.overlays import Overlays

if TYPE_CHECKING:
    from evaluation.run_folder import Run


def instance_section(run: Run) -> dict[str, Any]:
    """The figures of each class on test, and pictures of the worst mistakes.

    Args:
        run: A run whose instances were compared with the truth.

    Returns:
        A dict: `per_class` as in metrics.json, `has_masks`, `false_alarms` (per image,
        for which the score thresholds were chosen; None for no thresholds) and `worst`,
        see `worst_pictures`.
    """
    test = run.metrics["test"]
    return {
        "per_class": test["instances"]["per_class"],
        "has_masks": "mask_ap" in test["metrics"],
        "false_alarms": run.threshold_record.get("false_alarms_per_image"),
        "worst": worst_pictures(run),
    }


def worst_pictures(run: Run) -> dict[str, list[dict[str, Any]]]:
    """The largest missed defects of test and the false alarms with the highest scores.

    Returns:
        For "missed" and "false alarm" dicts of `picture` (a data URI), `sample_id`,
        `label` and `text`, the worst first; none if the data set no longer exists or
        was changed.
    """
    dataset = find_unchanged(run.config)
    matches = matches_of_test(run, dataset)
    if dataset is None or matches is None:
        return {}
    overlays = Overlays(run, dataset)
    return {
        kind: [
            entry | {"picture": as_data_uri(picture, OVERLAY_SIDE)}
            for entry, picture in close_ups(entries, overlays)
        ]
        for kind, entries in worst_instances(matches.outcomes).items()
    }
