"""The leaderboard: runs ranked on `validate` and reported on `test`."""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from evaluation.metric_table import METRICS, RANKING
from evaluation.predictions import has_both_kinds
from evaluation.wording import WIDTH, counted, display_names, percent, share

if TYPE_CHECKING:
    from evaluation.run_folder import Run

NOT_COMPARED = (  # in results.csv alone
    "cross_entropy",
    "calibration_error",
    "mask_ap75",
    "box_ap50",
    "box_ap75",
)
IN_TERMINAL = ("macro_f1", "auroc", "miss_rate", "false_reject_rate")
RANKED_BY = "ranked by"


def leading_metric(runs: Sequence[Run]) -> str:
    """The metric that ranks runs of one data set: the first of RANKING all have.

    Macro-F1 for classifiers, AUROC if one of the runs only returns scores.
    """
    return next(
        name
        for name in RANKING
        if all(METRICS[name].output in run.outputs for run in runs)
    )


def can_rank(runs: Sequence[Run]) -> bool:
    """Whether validate can rank runs: it has both kinds of parts, or two classes."""
    if runs[0].config["normal_class"] is None:
        return runs[0].split("validate")["label"].nunique() > 1
    return has_both_kinds(runs[0].split("validate"), runs[0].config["normal_class"])


def ranking_value(run: Run, metric: str) -> dict[str, Any]:
    """The interval of a metric on `validate`, by which the run is ranked."""
    return run.metrics["validate"]["metrics"][metric]


def value_of(run: Run, metric: str) -> float | None:
    """The value of `ranking_value`; None if there is none."""
    return ranking_value(run, metric)["value"]


def ranked_by(runs: Sequence[Run]) -> str:
    """The ranking criterion as text: `macro-F1 on validate`."""
    if not can_rank(runs):
        return "not ranked, in alphabetical order"
    return f"{METRICS[leading_metric(runs)].title} on validate"


def ranked(runs: Sequence[Run]) -> list[Run]:
    """Runs by their result on `validate`, best first; by name if it cannot rank."""
    if not can_rank(runs):
        return sorted(runs, key=lambda run: run.name)
    metric = leading_metric(runs)

    def key(run):
        value = value_of(run, metric)
        # where two tie the simpler one leads, and one that says which defect it is
        is_combined, is_mute = "members" in run.config, "classes" not in run.outputs
        sign = -1 if METRICS[metric].is_higher_better else 1
        return sign * value, is_combined, is_mute, run.name

    return sorted(runs, key=key)


def compared_metrics(
    runs: Sequence[Run], outputs: Collection[str] = ("score", "classes")
) -> list[str]:
    """Names of the METRICS for these outputs that any of the runs has on test.

    Without NOT_COMPARED.
    """
    found = {name for run in runs for name in run.metrics["test"]["metrics"]}
    return [
        name
        for name, metric in METRICS.items()
        if name in found and metric.output in outputs and name not in NOT_COMPARED
    ]


def by_dataset(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Groups runs that were tested on the same samples, and ranks each group.

    Returns:
        A dict from the data set's name to its runs. Data sets with the same name but
        different test samples are distinguished by the start of their manifest hash.
    """
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.config["dataset"], _test_hash(run)), []).append(run)
    names = [name for name, _ in groups]
    return {
        name
        if names.count(name) == 1
        else f"{name}, manifest {members[0].config['manifest_sha256'][:8]}": ranked(
            members
        )
        for (name, _), members in groups.items()
    }


def leaderboard(runs: Iterable[Run]) -> pd.DataFrame:
    """One row per run, within each data set best on `validate` first.

    Returns:
        A table with dataset, run, model, each of METRICS on test with `_low` and
        `_high` of its 95 % interval, validate_macro_f1, validate_auroc, wall_time_s,
        peak_memory_mb, num_test_samples and num_test_groups. Fractions are in `[0, 1]`;
        metrics that do not apply to a run are NaN.
    """
    return pd.DataFrame(
        [
            _row(run, dataset)
            for dataset, members in by_dataset(runs).items()
            for run in members
        ]
    )


def leaderboard_text(runs: Sequence[Run]) -> str:
    """The leaderboard of one data set as plain text, at most 100 columns wide."""
    runs = ranked(runs)
    test = runs[0].metrics["test"]
    leading = leading_metric(runs)
    head = ["", RANKED_BY, *(METRICS[name].title for name in IN_TERMINAL)]
    rows = [
        [
            name,
            _ranking_cell(run, leading),
            *(_cell(run, metric) for metric in IN_TERMINAL),
        ]
        for name, run in zip(display_names(runs), runs, strict=True)
    ]
    columns = zip(head, *rows, strict=True)
    widths = [max(map(len, column)) for column in columns]
    widths[0] = min(widths[0], WIDTH - sum(widths[1:]) - 2 * len(widths[1:]))
    about = (
        f"{counted(test['num_samples'], 'test image')} in "
        f"{counted(test['num_groups'], 'group')}, in percent with 95 % intervals; "
        f"{f'{RANKED_BY}: ' if can_rank(runs) else ''}{ranked_by(runs)}"
    )
    lines = textwrap.wrap(about, WIDTH) + [_line(row, widths) for row in (head, *rows)]
    return "\n".join(lines)


def _line(cells, widths):
    aligned = [_shortened(cells[0], widths[0]).ljust(widths[0])]
    for cell, width in zip(cells[1:], widths[1:], strict=True):
        aligned.append(cell.rjust(width))
    return "  ".join(aligned)


def _shortened(name, width):
    """Removes the middle of a long name; its end distinguishes runs."""
    if len(name) <= width:
        return name
    end = width // 2
    return f"{name[: width - end - 1]}…{name[-end:]}"


def _ranking_cell(run, metric):
    value = value_of(run, metric)
    return "–" if value is None else share(value)


def _cell(run, metric):
    text = percent(run.metrics["test"]["metrics"].get(metric), unit="")
    return text.replace(" to ", "-")


def _row(run, dataset):
    metrics = run.metrics
    test, validate = metrics["test"], metrics["validate"]
    row = {"dataset": dataset, "run": run.name, "model": run.config["model"]}
    for name in METRICS:
        interval = test["metrics"].get(name) or {}
        row[name] = _number(interval.get("value"))
        row[f"{name}_low"] = _number(interval.get("low"))
        row[f"{name}_high"] = _number(interval.get("high"))
    for name in ("macro_f1", "auroc"):
        value = validate["metrics"].get(name) or {}
        row[f"validate_{name}"] = _number(value.get("value"))
    return {
        **row,
        "wall_time_s": run.config["wall_time_s"],
        "peak_memory_mb": run.config["peak_memory_mb"],
        "num_test_samples": test["num_samples"],
        "num_test_groups": test["num_groups"],
    }


def _number(value):
    return float("nan") if value is None else value


def _test_hash(run):
    test = run.split("test").sort_values("sample_id")
    text = test[["sample_id", "label", "group"]].to_csv(index=False)
    return hashlib.sha256(text.encode()).hexdigest()
