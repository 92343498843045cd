"""The report: one HTML file that a quality engineer reads or prints."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import pandas as pd
from markupsafe import Markup, escape

from evaluation.comparison.leaderboard import (
    by_dataset,
    compared_metrics,
    leaderboard,
    leading_metric,
    ranked_by,
    ranking_value,
)
from evaluation.comparison.paired import difference_text, verdict
from evaluation.comparison.training_cost import cost
from evaluation.metric_table import METRICS
from evaluation.plots import classes as plots
from evaluation.plots import scores as score_plots
from evaluation.plots.glyphs import names_key
from evaluation.plots.style import plot_as_data_uri, width_on_page
from evaluation.predictions import has_both_kinds
from evaluation.thresholds import threshold_text
from evaluation.wording import (
    counted,
    display_names,
    duration,
    known,
    listed,
    number,
    number_text,
    percent,
    share,
    too_few_goods,
    value_and_range,
)
from goodparts.files import write_text
from preprocessing.manifest import SPLITS, is_copy
from preprocessing.splitting.remarks import COVERS
from reporting.ensemble_text import conclusions, gain_text, read_ensemble, short_name
from reporting.headline import headline
from reporting.instance_section import instance_section
from reporting.limits import cannot_conclude
from reporting.mistakes import (
    class_samples,
    example_gallery,
    find_dataset,
    mistake_gallery,
)

if TYPE_CHECKING:
    from evaluation.run_folder import Run

NUM_BEST = 3  # runs drawn together in one plot
GROUPINGS = {
    "near_duplicates": "images of one part are kept together, as far as found",
    "none": "every image individually (random)",
    "chronological": "earlier images are in train, later ones in test",
    "blocks": "blocks of consecutive images are kept together",
    "pattern": "images of one part are kept together, by file name",
    "official": "the split of the publisher",
}


def write_report(runs: Iterable[Run], folder: str | os.PathLike[str]) -> Path:
    """Writes `report.html` about these runs: tables, plots and pictures in one file.

    Args:
        runs: Runs of one or more data sets.
        folder: Where to write it.

    Returns:
        The path of the file.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=percent,
        known=known,
        parts=value_and_range,
        share=share,
        number=number,
        counted=counted,
        too_few=too_few_goods,
        duration=duration,
        listed=listed,
        difference=difference_text,
        gain=gain_text,
        short=short_name,
        breakable=_breakable,
    )
    groups = by_dataset(runs)
    sections = [_section(name, members) for name, members in groups.items()]
    page = environment.get_template("report.html.jinja").render(
        date=datetime.date.today().isoformat(),
        sections=sections,
        splits=_same_parts(sections),
        leak_covers=COVERS,
        titles={name: metric.title for name, metric in METRICS.items()},
        shares={name: metric.is_share for name, metric in METRICS.items()},
    )
    path = Path(folder) / "report.html"
    write_text(path, page)
    return path


def _section(name, runs):
    """Everything the template says about one data set and its runs."""
    dataset, note = find_dataset(runs[0])
    info = dataset.info if dataset else {}
    names = display_names(runs)
    result, metric = verdict(runs), leading_metric(runs)
    classifier = next((run for run in runs if "classes" in run.outputs), None)
    both_kinds = has_both_kinds(runs[0].split("test"), runs[0].config["normal_class"])
    shown_names = dict(zip(runs, names, strict=True))
    with_maps = next((run for run in runs if run.outputs & {"map", "instances"}), None)
    with_instances = next(
        (run for run in runs if "instances" in run.metrics["test"]), None
    )
    mistakes, num_mistakes = mistake_gallery(runs[0], dataset)
    return {
        "name": name,
        "headline": headline(name, runs[0], result, leak=info.get("leak", 0)),
        "warnings": _warnings(runs, names),
        "note": note,
        "info": info,
        "grouping": _grouping(info),
        "data_table": _data_table(dataset),
        "samples": class_samples(dataset) if dataset else {},
        "runs": [
            {
                "name": shown,
                "run": run,
                "metrics": run.metrics["test"]["metrics"],
                "roc": run.metrics["test"].get("roc", []) if both_kinds else [],
                "ranking": ranking_value(run, metric),
                "cost": cost(run),
            }
            for shown, run in zip(names, runs, strict=True)
        ],
        "metric": metric,
        "metrics": compared_metrics(runs),
        "place_metrics": compared_metrics(runs, outputs=("map", "instances")),
        "ranked_by": ranked_by(runs),
        "leader_has_classes": "classes" in runs[0].outputs,
        "is_ranked": result["is_ranked"],
        "rivals": result["rivals"] if result["is_ranked"] else [],
        "classifier": classifier and shown_names[classifier],
        "ensemble": _ensemble(runs),
        "plots": _plots(runs, names),
        "mistakes": mistakes,
        "num_mistakes": num_mistakes,
        "examples": example_gallery(with_maps, dataset) if with_maps else [],
        "examples_of": shown_names.get(with_maps),
        "instances": with_instances and instance_section(with_instances),
        "instances_of": shown_names.get(with_instances),
        "test": runs[0].metrics["test"],
        "leader_has_scores": "score" in runs[0].outputs,
        "threshold": number_text(runs[0].threshold),
        "threshold_rule": threshold_text(runs[0].threshold_record),
        "limits": list(cannot_conclude(runs, info, result)),
    }


def _ensemble(runs):
    """What the best-ranked ensemble tells of combiners and members; None for none."""
    for run in runs:
        found = read_ensemble(run)
        if found:
            return found | {"run": run.name, "conclusions": conclusions(found)}
    return None


def _warnings(runs, names):
    """What the runs warn of, such as missing ImageNet weights: it explains figures."""
    return [
        f"{name}: {warning.rstrip('.')}."
        for run, name in zip(runs, names, strict=True)
        for warning in run.config.get("warnings", [])
    ]


def _plots(runs, names):
    """The plots of one data set; those that do not apply are missing."""
    leader, test = runs[0], runs[0].split("test")
    normal_class = leader.config["normal_class"]
    images = {}
    if has_both_kinds(test, normal_class) or normal_class is None:
        images["leaderboard"] = plots.leaderboard_plot(leaderboard(runs), names)
    if "score" in leader.outputs:
        images["scores"] = score_plots.score_histogram(
            test, normal_class=normal_class, threshold=leader.threshold
        )
    if has_both_kinds(test, normal_class):
        images["miss_against_false_reject"] = (
            score_plots.miss_against_false_reject_plot(
                runs[:NUM_BEST], names[:NUM_BEST]
            )
        )
    pairs = zip(runs, names, strict=True)
    classifiers = [(run, name) for run, name in pairs if "classes" in run.outputs]
    if classifiers:
        best, best_names = zip(*classifiers[:NUM_BEST], strict=True)
        images["recall"] = plots.per_class_recall_plot(best, best_names)
        images["reliability"] = score_plots.reliability_plot(
            best[0].split("test"), best[0].config["classes"]
        )
    found = next((run for run in runs if "instances" in run.metrics["test"]), None)
    if found is not None:
        images["instances"] = plots.instance_confusion_plot(found)
    confusions = [
        plots.confusion_plot(
            run.metrics["test"]["confusion_matrix"], run.config["classes"], title=name
        )
        for run, name in classifiers
    ]
    return {
        **{name: _image(figure) for name, figure in images.items()},
        "confusions": [_image(figure) for figure in confusions],
    }


def _image(figure):
    source = plot_as_data_uri(figure)
    key = names_key(figure)
    return {"src": source, "width": width_on_page(figure), "key": key}


def _breakable(name):
    """Lets a long name go on in the next line after each underscore."""
    return Markup(escape(name).replace("_", Markup("_<wbr>")))


def _data_table(dataset):
    """Images per class and split, copies apart, and the number of parts; total last."""
    if dataset is None:
        return []
    manifest = dataset.manifest.assign(is_copy=is_copy(dataset.manifest))
    by_class = [(name, manifest[manifest["label"] == name]) for name in dataset.classes]
    rows = []
    for name, images in [*by_class, ("all classes", manifest)]:
        originals = images[~images["is_copy"]]
        counts = {split: int((originals["split"] == split).sum()) for split in SPLITS}
        rows.append(
            {
                "name": name,
                **counts,
                "copies": int(images["is_copy"].sum()),
                "groups": originals["group"].nunique(),
            }
        )
    return rows


def _grouping(info):
    rule = info.get("grouping")
    if info.get("protocol") == "official":
        rule = "official"
    return GROUPINGS.get(rule, rule)


def _same_parts(sections):
    """For each source split in several ways, each model's score per way.

    Returns:
        A list with a dict per source: `ways`, `rows` (per model `model`, `metric`,
        `values` and `gap`, a sentence) and `image`, the plot.
    """
    sources = {}
    for section in sections:
        if section["info"].get("source"):
            sources.setdefault(section["info"]["source"], []).append(section)
    return [_side_by_side(some) for some in sources.values() if len(some) > 1]


def _side_by_side(sections):
    metric = leading_metric([x["run"] for each in sections for x in each["runs"]])
    sections = sorted(
        sections, key=lambda section: _mean_score(section, metric), reverse=True
    )
    ways = [f"{section['grouping']} ({section['name']})" for section in sections]
    models = dict.fromkeys(
        entry["run"].config["model"]
        for section in sections
        for entry in section["runs"]
    )
    rows, drawn = [], []
    for model in models:
        values = [_best_of(section, model, metric) for section in sections]
        known = [
            (way, value)
            for way, value in zip(ways, values, strict=True)
            if value and value["value"] is not None
        ]
        rows.append({"model": model, "values": values, "gap": _gap(known)})
        drawn += [{"split": way, "model": model, **value} for way, value in known]
    image = _image(plots.split_gap_plot(pd.DataFrame(drawn))) if drawn else None
    return {
        "source": sections[0]["info"]["source"],
        "ways": ways,
        "title": METRICS[metric].title,
        "rows": rows,
        "image": image,
    }


def _best_of(section, model, metric):
    """The metric of the model's run that is best on validate; None for no run."""
    for entry in section["runs"]:
        if entry["run"].config["model"] == model:
            return entry["metrics"][metric]
    return None


def _mean_score(section, metric):
    values = [entry["metrics"][metric]["value"] or 0.0 for entry in section["runs"]]
    return sum(values) / len(values)


def _gap(known):
    if len(known) < 2:
        return "one way only"
    values = [value["value"] for _, value in known]
    return f"{100 * (max(values) - min(values)):.1f} points"
