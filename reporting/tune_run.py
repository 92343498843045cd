"""Tunes a run with anomaly maps: threshold and least area of a defect, together."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from decisions.outcomes import seen
from decisions.regions import (
    Choice,
    RegionRule,
    Regions,
    as_json,
    choose_rule,
    choose_thresholds,
    find_regions,
    region_mask,
    rejects,
)
from evaluation.anomaly_maps import read_map
from evaluation.overlay import draw_overlay
from evaluation.plots.regions import region_sizes_plot, regions_plot, rule_scores_plot
from evaluation.plots.style import save_plot
from evaluation.wording import WIDTH, known
from goodparts.command import InputError, progress
from goodparts.files import replace_folder, write_json
from preprocessing.images import read_image, resize, write_image
from reporting.mistakes import find_dataset
from reporting.overlays import beside, fit

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.run_folder import Run

FOLDER = "tuning"  # of a run folder
EXAMPLES = 4  # of each class, of validate
Compared = Callable[[np.ndarray], list[tuple[np.ndarray, str]]]


def tune_run(run: Run, compared: Compared | None = None) -> dict[str, Any]:
    """Chooses threshold and least area on `validate`, and writes `tuning/`.

    The rule is written down beside the threshold of the scores, which stays what
    decides.

    Args:
        run: A run with anomaly maps.
        compared: Of its `Predictor`, for pictures of the reconstruction.

    Returns:
        The content of tuning.json: `threshold`, `least_area`, `score_on_validate`,
        `reason`, and what the rule and the threshold of the scores do on `test`.

    Raises:
        InputError: If the run has no maps, or no good part in validate.
    """
    check_tunable(run)
    validate = run.split("validate")
    is_defect = (validate["label"] != run.config["normal_class"]).to_numpy()
    thresholds = choose_thresholds(_maps(run, validate), is_defect)
    steps = progress(_maps(run, validate), "regions of validate", len(validate))
    regions = find_regions(steps, thresholds)
    choice = choose_rule(regions, is_defect)
    record = as_json(choice) | {
        "split": "validate",
        "has_defects": bool(is_defect.any()),
        "test": _outcomes(run, choice.rule),
        "test_by_score": _outcomes(run, None),
    }
    partial = run.folder / f".{FOLDER}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    write_json(partial / "tuning.json", record)
    _write_plots(partial, regions, choice, is_defect)
    _write_examples(partial / "examples", run, validate, choice.rule, compared)
    replace_folder(partial, run.folder / FOLDER)
    return record


def check_tunable(run: Run) -> None:
    """Raises InputError if a run has no maps, or no good part in validate."""
    if "map" not in run.outputs or run.config["normal_class"] is None:
        raise InputError(
            f"{run.name} has no anomaly maps, so there are no regions to tune. Give a "
            "run of a one-class detector."
        )
    if not (run.split("validate")["label"] == run.config["normal_class"]).any():
        raise InputError(
            f"{run.name} has no good part in validate, which the rule has to accept. "
            "Split the data set again."
        )


def tuning_text(run: Run, record: Mapping[str, Any]) -> str:
    """The result of `tune_run` as plain text."""
    area = 100 * record["least_area"]
    lines = [
        f"{run.name}: a part is defective if a region of its map with values from "
        f"{record['threshold']:.4g} on covers {area:.3g} % of the image or more "
        f"({record['reason']}).",
        f"On test this misses {known(record['test']['missed'])} of the groups of "
        f"defective parts and rejects {known(record['test']['false_rejected'])} of "
        "those of good parts; the threshold of the scores misses "
        f"{known(record['test_by_score']['missed'])} and rejects "
        f"{known(record['test_by_score']['false_rejected'])}.",
        "predict, export and live go on deciding by the threshold of the scores.",
    ]
    wrapped = [line for text in lines for line in textwrap.wrap(text, WIDTH)]
    return "\n".join([*wrapped, f"written: {run.folder / FOLDER}"])


def _maps(run, table):
    return (read_map(run.folder / path) for path in table["map_path"])


def _outcomes(run, rule: RegionRule | None):
    """What a rule does on test; that of the scores if None."""
    table = run.split("test")
    if rule is None:
        is_rejected = (table["defect_score"] >= run.threshold).to_numpy()
    else:
        is_rejected = np.array([rejects(each, rule) for each in _maps(run, table)])
    decided = table.assign(
        decision=np.where(is_rejected, "reject", "accept"), reason=""
    )
    found = seen(decided, run.config["classes"], run.config["normal_class"])
    return {key: found[key] for key in ("classes", "missed", "false_rejected")}


def _write_plots(folder, regions: Regions, choice: Choice, is_defect):
    thresholds, row = regions.thresholds, choice.place[0]
    good, defective = (
        np.concatenate(
            [
                np.empty(0),
                *(regions.areas[i][row] for i in np.flatnonzero(is_defect == kind)),
            ]
        )
        for kind in (False, True)
    )
    label = "mean of defects rejected and goods accepted"
    figures = {
        "regions": regions_plot(
            thresholds, regions.areas, is_defect, choice.rule.threshold
        ),
        "region_sizes": region_sizes_plot(good, defective, choice.rule.least_area),
        "scores": rule_scores_plot(
            thresholds,
            choice.areas,
            choice.scores,
            choice.place,
            label if is_defect.any() else "good parts accepted",
        ),
    }
    for name, figure in figures.items():
        save_plot(figure, folder / f"{name}.png")


def _write_examples(folder, run, table: pd.DataFrame, rule, compared):
    """Pictures of validate: image, reconstruction, map, and regions that count."""
    dataset, _ = find_dataset(run)
    if dataset is None:
        return
    paths = dataset.manifest.set_index("sample_id")["path"]
    low, high = run.config["map_range"]
    for _, rows in table.sort_values("defect_score").groupby("label"):
        places = np.linspace(0, len(rows) - 1, min(EXAMPLES, len(rows))).astype(int)
        for row in rows.iloc[places].itertuples():
            path = dataset.folder / str(paths.get(row.sample_id, ""))
            if not path.is_file():
                continue
            image = read_image(path)
            shown, _ = fit(image)
            found = read_map(run.folder / row.map_path)
            heat = np.clip((found - low) / (high - low), 0, 1)
            mask = region_mask(found, rule)
            size = shown.shape[:2]
            covered = resize(mask.astype(np.uint8), size).astype(bool)
            grey = resize((255 * heat).astype(np.uint8), size)
            answer = "rejected" if mask.any() else "accepted"
            panels = [
                (shown, row.label),
                *(compared(image) if compared else []),
                (
                    np.stack([grey] * 3, axis=2),
                    f"map, {low:.3g} black to {high:.3g} white",
                ),
                (draw_overlay(shown, truth=covered), f"regions that count: {answer}"),
            ]
            name = f"{row.label}__{answer}__{row.sample_id.replace('/', '_')}.jpg"
            write_image(folder / name, beside(panels))
