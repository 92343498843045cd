"""The loss of quality by 8-bit integers, and the check that limits it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deployment.bundle_decision import answers_of
from evaluation.comparison.leaderboard import leading_metric
from evaluation.metric_table import METRICS
from evaluation.wording import counted, percent
from goodparts.command import InputError

if TYPE_CHECKING:
    from evaluation.run_folder import Run

MAX_OTHERWISE = 0.05  # share of validate that int8 may decide or name otherwise


def cost_of_int8(run: Run, quantised: Run) -> dict[str, dict[str, Any]]:
    """The loss by quantisation, from the tables of the run and of its `quantised_run`.

    Returns:
        By split, `metric` (the one that ranks such runs), its value for `fp32` and
        `int8` with intervals, `num_images`, and `num_otherwise`, the number of images
        with another decision or class.
    """
    costs, metric = {}, leading_metric([run])
    for split in ("validate", "test"):
        before, after = (answers_of(each, split) for each in (run, quantised))
        costs[split] = {
            "num_images": len(before),
            "num_otherwise": int((before != after).any(axis=1).sum()),
            "metric": metric,
            "fp32": run.metrics[split]["metrics"][metric],
            "int8": quantised.metrics[split]["metrics"][metric],
        }
    return costs


def cost_text(split: str, cost: Mapping[str, Any]) -> str:
    """One line about the loss by 8 bits on a split."""
    return (
        f"{split}: {METRICS[cost['metric']].title} {percent(cost['int8'])} in int8, "
        f"{percent(cost['fp32'])} before; {cost['num_otherwise']} of "
        f"{counted(cost['num_images'], 'image')} with another decision or class"
    )


def check_cost(cost: Mapping[str, Any]) -> None:
    """Raises InputError if 8 bits change more than MAX_OTHERWISE of validate."""
    num_images, changed = cost["num_images"], cost["num_otherwise"]
    if changed > MAX_OTHERWISE * num_images:
        raise InputError(
            f"In int8, {changed} of {num_images} validate images get another decision "
            f"or class, more than {MAX_OTHERWISE:.0%}: "
            f"{METRICS[cost['metric']].title} {percent(cost['int8'])} instead of "
            f"{percent(cost['fp32'])}. Export in fp32. Nothing was written."
        )
