"""Judges one run again from its predictions: metrics, plots and its mistakes."""

import shutil
import textwrap

from evaluation.comparison.leaderboard import METRICS
from evaluation.plots.run import write_plots
from evaluation.run_folder import write_metrics
from evaluation.wording import counted, number, percent, too_few_goods
from goodparts.files import replace_folder, write_bytes
from reporting.limits import threshold_rule
from reporting.mistakes import decisions, find_dataset
from reporting.overlays import Mistake, write_evidence

WIDTH = 100
BY_CLASS = (
    "A mistake here is a wrong class, by the most probable one; `predict` accepts and "
    "rejects by the threshold, so its errors are others: see defects missed and good "
    "rejected."
)


def evaluate_run(run, explain=None):
    """Refreshes metrics.json, plots/ and mistakes/ of a run folder.

    Metrics come from predictions.csv and the threshold that was stored; nothing is
    fitted or chosen. `mistakes/` gets a copy of every misclassified test image, named
    `<true>__as__<answer>__<stem>`.

    Args:
        run: The run.
        explain: Shows where a class was seen: takes uint8 RGB images
            `(batch, height, width, 3)` of one size and the class of each, returns maps
            `(batch, height, width)` in `[0, 1]`. With it, `<name>_evidence.jpg` lies
            beside each mistake of a classifier.

    Returns:
        A dict: `name`, `threshold`, `threshold_rule`, `has_classes`, `test` (as in
        metrics.json), `num_mistakes`, `num_copied`, `num_explained`, `note` (of missing
        pictures) and `folder`.
    """
    write_metrics(
        run.folder,
        run.predictions,
        run.config["classes"],
        run.config["normal_class"],
        run.threshold,
    )
    write_plots(run)
    table = decisions(run)
    num_copied, num_explained, note = _copy_mistakes(run, explain)
    return {
        "name": run.name,
        "threshold": run.threshold,
        "threshold_rule": threshold_rule(run),
        "has_classes": "classes" in run.outputs,
        "test": run.metrics["test"],
        "num_mistakes": int(table["is_wrong"].sum()),
        "num_copied": num_copied,
        "num_explained": num_explained,
        "note": note,
        "folder": run.folder,
    }


def mistake_pictures(run):
    """The images of test that a run got wrong and whose files are there.

    Returns:
        `(pictures, note)`: a list of `(row of decisions, path)`, worst first, and
        why pictures are missing.
    """
    dataset, note = find_dataset(run)
    if dataset is None:
        return [], note
    rows = dataset.manifest
    paths = dict(zip(rows["sample_id"], rows["path"], strict=True))
    table = decisions(run)
    pictures = [
        (row, dataset.folder / paths[row.sample_id])
        for row in table[table["is_wrong"]].itertuples()
        if row.sample_id in paths
    ]
    return [item for item in pictures if item[1].is_file()], note


def evaluation_text(result):
    """What `evaluate_run` found as plain text, at most 100 columns wide."""
    test = result["test"]
    lines = [
        result["name"],
        f"{counted(test['num_samples'], 'test image')} in "
        f"{counted(test['num_groups'], 'group')}, with 95 % intervals:",
    ]
    values = test["metrics"]
    for metric, title in METRICS.items():
        if metric in values:
            lines.append(f"  {title:<20}{percent(values[metric])}")
    if result["has_classes"]:
        lines.append(
            f"  {'calibration error':<20}{percent(values['calibration_error'])}"
        )
        lines.append(f"  {'cross-entropy':<20}{number(values['cross_entropy'])}")
    lines.append(f"threshold {result['threshold']:.4g}: {result['threshold_rule']}")
    lines += roc_lines(test["roc"])
    lines += class_lines(test.get("per_class", {}))
    mistakes = counted(result["num_mistakes"], "mistake")
    lines.append(f"{mistakes} on test, {result['num_copied']} copied to mistakes/")
    if result["num_explained"]:
        lines[-1] += f", {result['num_explained']} with a picture of the evidence"
    if result["has_classes"]:
        lines += textwrap.wrap(BY_CLASS, WIDTH)
    if result["note"]:
        lines.append(result["note"])
    return "\n".join(lines)


def roc_lines(points):
    """The recall at each false reject rate, and where test is too small for it."""
    lines = ["defects caught by the best threshold on test (not the chosen one), at"]
    for point in points:
        rate = f"{100 * point['max_false_reject_rate']:g} % good rejected"
        lines.append(f"  {rate:<20}{percent(point['recall'])}")
        if not point["is_measurable"]:
            lines.append(f"    {too_few_goods(point)}")
    return lines


def class_lines(per_class):
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


def _copy_mistakes(run, explain):
    """Returns how many were copied, how many explained, and a note."""
    pictures, note = mistake_pictures(run)
    partial = run.folder / ".mistakes.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    mistakes, targets = [], []
    for row, path in pictures:
        stem = row.sample_id.removeprefix(f"{row.label}/").replace("/", "_")
        name = f"{row.label}__as__{row.answer}__{stem}"
        write_bytes(partial / f"{name}{path.suffix}", path.read_bytes())
        mistakes.append(Mistake(path, row.answer, row.label))
        targets.append(partial / f"{name}_evidence.jpg")
    num_explained = 0
    if explain is not None and "classes" in run.outputs:
        num_explained = write_evidence(mistakes, targets, explain)
    replace_folder(partial, run.folder / "mistakes")
    return len(pictures), num_explained, note
