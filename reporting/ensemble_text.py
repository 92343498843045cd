"""The content of ensemble.json as sentences and as rows of a table.

It is written by `ensemble/contributions.py`: the combiners, the members, and the
contribution of each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from evaluation.comparison.paired import groups_needed
from evaluation.metric_table import METRICS
from evaluation.wording import counted, listed, percent, points, value_and_range
from goodparts.command import InputError, command_line, reason
from goodparts.files import read_json

if TYPE_CHECKING:
    from evaluation.run_folder import Run

KEYS = (
    "chosen",
    "metric",
    "combiners",
    "members",
    "best_member",
    "gain",
    "both_wrong",
    "oracle",
)


def read_ensemble(run: Run) -> dict[str, Any] | None:
    """The content of ensemble.json; None for a run that is not an ensemble.

    Raises:
        InputError: If it is damaged.
    """
    path = run.folder / "ensemble.json"
    if not path.is_file():
        return None
    try:
        found = read_json(path)
    except ValueError as error:
        raise InputError(
            f"{path} is not valid JSON: {reason(error)}. Run "
            f"{command_line('ensemble')} again."
        ) from error
    missing = [key for key in KEYS if key not in found]
    if missing:
        raise InputError(
            f"{path} lacks {missing[0]}: it is damaged or of an earlier version. Run "
            f"{command_line('ensemble')} again."
        )
    return found


def short_name(run_name: str) -> str:
    """`2026-11-21-bovw-parts-1` as `bovw-parts-1`."""
    return re.sub(r"^\d{4}-\d\d-\d\d-", "", run_name)


def ensemble_text(found: Mapping[str, Any]) -> str:
    """The figures to know before an ensemble is deployed, as plain text."""
    width = max(len(row["combiner"]) for row in found["combiners"])
    title = METRICS[found["metric"]].title
    lines = [
        f"combiners ({title} and log loss on validate, out of fold; {title} on test;",
        "* chosen: the simplest one within one standard error of the lowest log loss):",
    ]
    for row in found["combiners"]:
        mark = "*" if row["combiner"] == found["chosen"] else " "
        lines.append(
            f"{mark} {row['combiner']:<{width}}  "
            f"{value_and_range(row['validate'], unit='')[0]:>5}  "
            f"{row['validate_log_loss']:.3f}  {percent(row['test'], unit='')}"
        )
    lines.append(f"members ({title} on test; what each adds to the ensemble):")
    names = [short_name(row["member"]) for row in found["members"]]
    width = max(map(len, names))
    for name, row in zip(names, found["members"], strict=True):
        lines.append(
            f"  {name:<{width}}  {percent(row['test'], unit=''):<24} "
            f"{gain_text(row['gain'], len(names))}"
        )
    return "\n".join([*lines, *conclusions(found)])


def gain_text(gain: Mapping[str, Any] | None, num_rivals: int) -> str:
    """A paired difference, and whether it may be due to chance.

    Args:
        gain: Gain of a member; None for the only classifier.
        num_rivals: Number of comparisons for which the interval was widened.
    """
    if gain is None:
        return "the only classifier"
    doubt = ", may be due to chance" if _is_open(gain, num_rivals) else ""
    return points(gain) + doubt


def _is_open(gain, num_rivals=1):
    is_thin = gain["num_groups_apart"] < groups_needed(num_rivals)
    return is_thin or gain["value"] is None or gain["low"] <= 0 <= gain["high"]


def conclusions(found: Mapping[str, Any]) -> list[str]:
    """Sentences: the ensemble compared with its best member, and the limit of
    combining.
    """
    names = [short_name(row["member"]) for row in found["members"]]
    best, gain = short_name(found["best_member"]), found["gain"]
    if gain is None:
        return ["validate has no defective parts, so the best member is not known."]
    kind = "classifier" if None in [x["test"] for x in found["members"]] else "member"
    verdict = "is not clearly better than"
    if not _is_open(gain):
        verdict = f"is clearly {'better' if gain['low'] > 0 else 'worse'} than"
    return [
        f"On test, {found['chosen']} of {listed(names)} {verdict} the {kind} that is "
        f"best on validate, {best}: {points(gain)} in "
        f"{METRICS[found['metric']].title}, based on "
        f"{counted(gain['num_groups_apart'], 'group')} for which they differ.",
        f"At least one member is correct on {percent(found['oracle'])} of test: no "
        "choice between their predictions can be correct more often.",
    ]
