"""Checks bundle.json field by field before any file of the bundle is loaded.

The hashes show that a bundle is unchanged, not that its content is valid.
"""

from collections import Counter
from collections.abc import Collection
from typing import Any

from evaluation.predictor import OUTPUTS
from goodparts.command import InputError
from goodparts.fields import (
    check_choice,
    check_file,
    check_list,
    check_number,
    check_object,
    check_text,
    check_whole,
    refuse,
)
from models import bundled
from networks.engines import ENGINES, PRECISIONS
from preprocessing.bit_depth import BIT_DEPTHS

FIELDS = ("name", "made", "run", "images", "precision", "decision", "views")
FIELDS += ("engine", "model", "files", "bit_depth")
MAX_CLASSES = 1000
MAX_FRAMES = 256  # of a clip
MAX_MEMBERS = 100
MAX_DEPTH = 3  # an ensemble of ensembles
INFINITIES = ("inf", "-inf")


def check_about(about: dict[str, Any]) -> None:
    """Checks the content of bundle.json.

    Raises:
        InputError: For the first field that is missing or invalid; the text has its
            name, what was expected and what was received.
    """
    check_object(about, "it", *FIELDS)
    for name in ("name", "made", "images"):
        check_text(about[name], name)
    check_object(about["run"], "run", "name")
    for name in ("parity", "cost"):  # what export found: kept to be read by people
        check_object(about.get(name, {}), name)
    check_choice(about["precision"], "precision", PRECISIONS)
    check_whole(about["bit_depth"], "bit_depth", BIT_DEPTHS[0], BIT_DEPTHS[-1])
    check_object(about["engine"], "engine", "name", "version")
    check_choice(about["engine"]["name"], "engine.name", ENGINES)
    check_text(about["engine"]["version"], "engine.version")
    check_model(about["model"], "model", about["files"])
    _check_decision(
        about["decision"], has_classes="classes" in about["model"]["outputs"]
    )
    if about["views"] is not None:
        check_file(about["views"], "views", about["files"])


def check_model(
    model: dict[str, Any], where: str, files: Collection[str], *, depth: int = 1
) -> None:
    """Checks the description of a model and of its members, each by its own family.

    Args:
        model: The part of bundle.json about the model.
        where: Name of the model in error messages.
        files: The files of the bundle, by name.
        depth: Nesting depth of the members, 1 at the top level.
    """
    names = ("family", "name", "classes", "normal_class", "outputs")
    check_object(model, where, *names, "num_frames", "map_range")
    check_text(model["family"], f"{where}.family")
    check_text(model["name"], f"{where}.name")
    family = bundled(model["family"])
    _check_classes(model, where)
    _check_outputs(model, where)
    if (model["family"] == "ensemble") != ("members" in model):
        raise InputError(f"{where} must have members if and only if it is an ensemble.")
    if "members" in model:
        check_list(model["members"], f"{where}.members", 1, MAX_MEMBERS)
        if depth == MAX_DEPTH:
            raise InputError(
                f"{where} has nested members at more than {MAX_DEPTH} levels."
            )
        for number, member in enumerate(model["members"]):
            check_model(member, f"{where}.members[{number}]", files, depth=depth + 1)
    if hasattr(family, "check"):  # a family that writes nothing of its own has none
        family.check(model, where, files)


def _check_classes(model, where):
    classes = model["classes"]
    check_list(classes, f"{where}.classes", 1, MAX_CLASSES)
    for number, name in enumerate(classes):
        check_text(name, f"{where}.classes[{number}]")
    twice = [name for name, count in Counter(classes).items() if count > 1]
    if twice:
        raise InputError(f"{where}.classes has {twice[0][:80]!r} twice.")
    if model["normal_class"] not in classes:
        refuse(f"{where}.normal_class", "one of the classes", model["normal_class"])


def _check_outputs(model, where):
    outputs = model["outputs"]
    check_list(outputs, f"{where}.outputs", 1, len(OUTPUTS))
    for name in outputs:
        check_choice(name, f"{where}.outputs", OUTPUTS)
    if len(set(outputs)) < len(outputs) or "score" not in outputs:
        refuse(f"{where}.outputs", "distinct values that include score", outputs)
    low = 2 if "clips" in outputs else 1
    high = MAX_FRAMES if "clips" in outputs else 1
    check_whole(model["num_frames"], f"{where}.num_frames", low, high)
    span = model["map_range"]
    if "map" not in outputs:
        if span is not None:
            refuse(f"{where}.map_range", "null for a model without maps", span)
        return
    check_list(span, f"{where}.map_range", 2, 2)
    for value in span:
        check_number(value, f"{where}.map_range")
    if not span[0] < span[1]:
        refuse(f"{where}.map_range", "[low, high], ascending", span)


def _check_decision(lines, *, has_classes):
    names = ("accept_below", "reject_from", "least_probability", "false_rejects")
    check_object(lines, "decision", *names, "drawn_by")
    check_text(lines["drawn_by"], "decision.drawn_by")
    for name in names[:2]:
        if lines[name] not in INFINITIES:
            check_number(lines[name], f"decision.{name}")
    low, high = (float(lines[name]) for name in names[:2])
    if not low <= high:
        refuse("decision.accept_below", f"at most reject_from, {high:g}", low)
    check_number(lines["false_rejects"], "decision.false_rejects", 0, 1)
    if lines["false_rejects"] in (0, 1):
        refuse("decision.false_rejects", "between 0 and 1", lines["false_rejects"])
    scores = lines.get("instance_scores")
    if scores is not None:
        check_object(scores, "decision.instance_scores")
        for name, value in scores.items():
            check_number(value, f"decision.instance_scores[{name[:80]!r}]", 0, 2)
    if lines["least_probability"] is not None:
        check_number(lines["least_probability"], "decision.least_probability", 0, 1)
        if not has_classes:
            raise InputError(
                "decision.least_probability must be null for a model without classes."
            )
