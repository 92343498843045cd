"""Judges one run again from its predictions: metrics, plots and its mistakes."""

import shutil
from pathlib import PurePosixPath

from evaluation.conclusions import threshold_rule
from evaluation.gallery import decisions, find_dataset
from evaluation.leaderboard import METRICS
from evaluation.run_plots import write_plots
from evaluation.runs import write_metrics
from evaluation.wording import counted, percent
from preprocessing.files import replace_folder, write_bytes


def evaluate_run(run):
    """Refreshes metrics.json, plots/ and mistakes/ of a run folder.

    Metrics come from predictions.csv and the threshold that was stored; nothing is
    fitted or chosen. `mistakes/` gets a copy of every misclassified test image, named
    `<true>__as__<answer>__<stem>`.

    Returns:
        A dict: `name`, `threshold`, `threshold_rule`, `test` (as in metrics.json),
        `num_mistakes`, `num_copied`, `note` (of missing pictures) and `folder`.
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
    wrong = table[table["is_wrong"]]
    num_copied, note = _copy_mistakes(run, wrong)
    return {
        "name": run.name,
        "threshold": run.threshold,
        "threshold_rule": threshold_rule(run),
        "test": run.metrics["test"],
        "num_mistakes": len(wrong),
        "num_copied": num_copied,
        "note": note,
        "folder": run.folder,
    }


def evaluation_text(result):
    """What `evaluate_run` found as plain text, at most 100 columns wide."""
    test = result["test"]
    lines = [
        result["name"],
        f"{counted(test['num_samples'], 'test image')} in "
        f"{counted(test['num_groups'], 'group')}, with 95 % intervals:",
    ]
    for metric, title in METRICS.items():
        if metric in test["metrics"]:
            lines.append(f"  {title:<20}{percent(test['metrics'][metric])}")
    lines.append(f"threshold {result['threshold']:.4g}: {result['threshold_rule']}")
    for name, values in test.get("per_class", {}).items():
        lines.append(
            f"  recall of {name}: {percent(values['recall'])}, "
            f"{counted(values['num_groups'], 'group')}"
        )
    mistakes = counted(result["num_mistakes"], "mistake")
    lines.append(f"{mistakes} on test, {result['num_copied']} copied to mistakes/")
    if result["note"]:
        lines.append(result["note"])
    return "\n".join(lines)


def _copy_mistakes(run, wrong):
    dataset, note = find_dataset(run)
    partial = run.folder / ".mistakes.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    paths = {}
    if dataset is not None:
        paths = dict(
            zip(dataset.manifest["sample_id"], dataset.manifest["path"], strict=True)
        )
    num_copied = 0
    for row in wrong.itertuples():
        path = dataset and dataset.folder / paths.get(row.sample_id, "")
        if path and path.is_file():
            stem = row.sample_id.removeprefix(f"{row.label}/").replace("/", "_")
            name = f"{row.label}__as__{row.answer}__{stem}"
            suffix = PurePosixPath(path).suffix
            write_bytes(partial / f"{name}{suffix}", path.read_bytes())
            num_copied += 1
    replace_folder(partial, run.folder / "mistakes")
    return num_copied, note
