"""Evaluates one run again from its predictions: metrics, plots and mistakes."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from evaluation.instance_summary import instance_lines
from evaluation.instance_table import areas_text, instance_rows
from evaluation.metric_table import METRICS
from evaluation.plots.run import write_plots
from evaluation.run_folder import Run, compute_metrics, read_run
from evaluation.thresholds import threshold_text
from evaluation.wording import WIDTH, counted, figure, percent, too_few_goods
from goodparts.command import progress, working
from goodparts.files import replace_folder, write_bytes, write_csv, write_json
from preprocessing.images import write_image
from preprocessing.manifest import find_unchanged
from reporting.instance_pictures import (
    close_ups,
    matches_of_test,
    worst_instances,
)
from reporting.mistakes import decisions, examples, find_dataset
from reporting.overlays import Overlays

if TYPE_CHECKING:
    import numpy as np

BY_CLASS = (
    "A mistake here is an image whose most probable class is wrong. predict accepts "
    "and rejects by the threshold, so its errors differ: see miss rate and false "
    "reject rate."
)


def evaluate_run(
    run: Run,
    explain: Callable[[np.ndarray, list[str]], np.ndarray] | None = None,
    compared: Callable[[np.ndarray], list[tuple[np.ndarray, str]]] | None = None,
    *,
    mm_per_pixel: float | None = None,
) -> dict[str, Any]:
    """Refreshes metrics.json, plots/, mistakes/ and examples/ of a run folder.

    Metrics come from the stored predictions.csv, maps, instances and threshold; nothing
    is fitted or chosen. `mistakes/` gets a copy of every wrong test image, named
    `<true>__as__<answer>__<stem>`, with what the run found in it; `examples/` shows
    what a run with maps or instances found in some images of every class. A run with
    instances that can be compared with the truth also gets `instances.csv`, a row for
    each instance of test, and `worst_instances/` with close-ups of the largest missed
    defects and the most certain false alarms.

    Args:
        run: The run.
        explain: Of the `Predictor` of a classifier, for pictures of where it saw a
            class.
        compared: Of the `Predictor` of a detector, for pictures of what an image was
            compared with.
        mm_per_pixel: Side of a pixel, so that areas are in mm² instead of pixels.

    Returns:
        A dict: `name`, `threshold`, `threshold_rule`, `has_classes`, `test` (as in
        metrics.json), `num_mistakes`, `num_copied`, `num_explained`, `num_examples`,
        `areas` (a text on the areas of instances; empty without any), `num_worst`,
        `note` (of missing pictures) and `folder`.
    """
    dataset, note = find_dataset(run)
    judged_by = find_unchanged(run.config)
    with working("computing the metrics"):
        metrics = compute_metrics(
            run.folder,
            run.predictions,
            run.config,
            run.threshold,
            judged_by,
            instance_scores=run.instance_scores,
        )
        if judged_by is None:
            _keep_judged_by_truth(metrics, run.metrics)
        write_json(run.folder / "metrics.json", metrics)
        run = read_run(run.folder)
        write_plots(run)
    overlays = None if dataset is None else Overlays(run, dataset, explain, compared)
    areas, num_worst = _write_instances(run, judged_by, overlays, mm_per_pixel)
    table = decisions(run)
    num_copied, num_explained = _write_mistakes(run, table, overlays)
    return {
        "name": run.name,
        "threshold": run.threshold,
        "threshold_rule": threshold_text(run.threshold_record),
        "has_classes": "classes" in run.outputs,
        "test": run.metrics["test"],
        "num_mistakes": int(table["is_wrong"].sum()),
        "num_copied": num_copied,
        "num_explained": num_explained,
        "num_examples": _write_examples(run, overlays),
        "areas": areas,
        "num_worst": num_worst,
        "note": note,
        "folder": run.folder,
    }


def _keep_judged_by_truth(metrics, before):
    """Keeps the figures of maps and instances if their masks no longer exist or
    changed.
    """
    for split, found in metrics.items():
        for name, value in before[split]["metrics"].items():
            if METRICS[name].output in ("map", "instances"):
                found["metrics"].setdefault(name, value)
        if "instances" in before[split]:
            found.setdefault("instances", before[split]["instances"])


def mistake_pictures(run: Run) -> list[Path]:
    """The paths of the existing test images on which a run is wrong."""
    dataset, _ = find_dataset(run)
    if dataset is None:
        return []
    overlays, table = Overlays(run, dataset), decisions(run)
    paths = [overlays.path(name) for name in table["sample_id"][table["is_wrong"]]]
    return [path for path in paths if path is not None]


def evaluation_text(result: Mapping[str, Any]) -> str:
    """The result of `evaluate_run` as plain text, at most 100 columns wide."""
    test = result["test"]
    lines = [
        result["name"],
        f"{counted(test['num_samples'], 'test image')} in "
        f"{counted(test['num_groups'], 'group')}, with 95 % confidence intervals:",
    ]
    for name, metric in METRICS.items():
        if name in test["metrics"]:
            shown = figure(test["metrics"][name], metric.is_share)
            lines.append(f"  {metric.title:<24}{shown}")
    if result["threshold"] is not None:
        rule = f"threshold {result['threshold']:.4g}: {result['threshold_rule']}"
        lines += textwrap.wrap(rule, WIDTH)
        lines += roc_lines(test["roc"])
    lines += class_lines(test.get("per_class", {}))
    if "instances" in test:
        lines += instance_lines(test["instances"])
    if result["areas"]:
        lines.append(result["areas"])
    mistakes = counted(result["num_mistakes"], "mistake")
    lines.append(f"{mistakes} on test, {result['num_copied']} copied to mistakes/")
    if result["num_explained"]:
        lines[-1] += f", {result['num_explained']} with an explanation picture"
    if result["num_examples"]:
        lines.append(
            f"{result['num_examples']} pictures of what the model found in examples/"
        )
    if result["num_worst"]:
        lines.append(
            f"{result['num_worst']} close-ups of missed defects and false alarms in "
            "worst_instances/"
        )
    if result["has_classes"] and result["threshold"] is not None:
        lines += textwrap.wrap(BY_CLASS, WIDTH)
    if result["note"]:
        lines.append(result["note"])
    return "\n".join(lines)


def roc_lines(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """The recall at each false reject rate, and for which rates test is too small."""
    lines = ["defects caught at the threshold on test (not the chosen one) that gives"]
    for point in points:
        rate = f"{100 * point['max_false_reject_rate']:g} % false rejects"
        lines.append(f"  {rate:<24}{percent(point['recall'])}")
        if not point["is_measurable"]:
            lines.append(f"    {too_few_goods(point)}")
    return lines


def class_lines(per_class: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Recall and precision of each class as a table; none without classes."""
    rows = [
        (
            percent(found["recall"]),
            percent(found["precision"]),
            found["num_groups"],
            name,
        )
        for name, found in per_class.items()
    ]
    head = [("recall", "precision", "groups", "class")] if rows else []
    return [
        f"  {recall:<25}{precision:<25}{groups:>6}  {name}"
        for recall, precision, groups, name in (*head, *rows)
    ]


def _write_mistakes(run, table, overlays):
    """Returns how many were copied, and how many explained."""
    num_copied = num_explained = 0
    partial = _new_partial(run, "mistakes")
    wrong = table[table["is_wrong"]]
    for row in progress(wrong.itertuples(), "drawing the mistakes", len(wrong)):
        path = overlays and overlays.path(row.sample_id)
        if path is None:
            continue
        stem = row.sample_id.removeprefix(f"{row.label}/").replace("/", "_")
        name = f"{row.label}__as__{row.answer}__{stem}"
        write_bytes(partial / f"{name}{path.suffix}", path.read_bytes())
        num_copied += 1
        picture = overlays.overlay_for(row)
        if picture is not None:
            write_image(partial / f"{name}_evidence.jpg", picture)
            num_explained += 1
    replace_folder(partial, run.folder / "mistakes")
    return num_copied, num_explained


def _write_examples(run, overlays):
    """Returns how many pictures were written; a classifier has none."""
    if overlays is None or not run.outputs & {"map", "instances"}:
        return 0
    partial, count = _new_partial(run, "examples"), 0
    for row in examples(run).itertuples():
        picture = overlays.overlay_for(row)
        if picture is not None:
            name = f"{row.label}__{row.answer}__{row.sample_id.replace('/', '_')}.jpg"
            write_image(partial / name, picture)
            count += 1
    replace_folder(partial, run.folder / "examples")
    return count


def _write_instances(run, dataset, overlays, mm_per_pixel):
    """Writes instances.csv and worst_instances/; returns the text on areas, and how
    many pictures were written.
    """
    matches = matches_of_test(run, dataset)
    if matches is None:
        return "", 0
    rows = list(instance_rows(matches.outcomes, mm_per_pixel=mm_per_pixel))
    if not rows:
        return "", 0
    write_csv(run.folder / "instances.csv", pd.DataFrame(rows))
    partial, count = _new_partial(run, "worst_instances"), 0
    worst = worst_instances(matches.outcomes) if overlays is not None else {}
    for kind, entries in worst.items():
        pictures = enumerate(close_ups(entries, overlays), 1)
        for number, (entry, picture) in pictures:
            words = f"{kind} {number:02d} {entry['label']} {entry['sample_id']}"
            name = re.sub(r"[/ ]", "_", words)
            write_image(partial / f"{name}.jpg", picture)
            count += 1
    replace_folder(partial, run.folder / "worst_instances")
    return areas_text(rows, mm_per_pixel), count


def _new_partial(run, name):
    partial = run.folder / f".{name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    return partial
