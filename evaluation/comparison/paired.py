"""Which run is best: chosen on `validate`, compared in pairs on `test`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.comparison.leaderboard import (
    can_rank,
    leading_metric,
    ranked,
    value_of,
)
from evaluation.intervals import paired_interval
from evaluation.metric_table import METRICS, metric_values
from evaluation.wording import counted, display_names, listed, points
from goodparts.command import InputError

if TYPE_CHECKING:
    from evaluation.run_folder import Run

MAX_IN_SENTENCE = 3
NOT_RANKED = (
    "These runs cannot be ranked: validate has no defective parts, and test must not "
    "be used for the choice. Add defective parts, and split again so that validate "
    "has some of them."
)


def paired_difference(
    run_a: Run, run_b: Run, *, metric: str = "macro_f1", num_rivals: int = 1
) -> dict[str, Any]:
    """How much higher a metric of `run_a` is on test, both on the same resamples.

    Pairing removes the sampling variation that both runs share; two overlapping
    intervals can hide a clear difference.

    Args:
        run_a, run_b: Runs with the same test samples.
        metric: A key of METRICS, of scores or classes.
        num_rivals: Runs that `run_a` is compared with; the interval is widened so
            that all of them together hold with 95 % (Bonferroni).

    Returns:
        `{"value", "low", "high", "num_groups_apart", "is_same"}`: the difference a - b
        with its interval, None where it has no value, on how many test groups the
        predictions of the two differ (for AUROC: the groups of the rarer kind), and
        whether they are equal on every image.

    Raises:
        InputError: If the test samples differ, or a run has no classes.

    Reference:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 8.
    """
    judged_a, judged_b = _aligned_test(run_a, run_b, metric)
    values_a, values_b = (
        metric_values([metric], judged)[metric] for judged in (judged_a, judged_b)
    )
    return {
        **paired_interval(values_a - values_b, num_rivals=num_rivals),
        "num_groups_apart": _groups_apart(judged_a, judged_b, metric),
        "is_same": _is_same(judged_a, judged_b, metric),
    }


def _groups_apart(judged_a, judged_b, metric):
    """Number of groups on which the two differ; for rankings, of the rarer kind."""
    if metric == "auroc":
        return min(judged_a.num_bad_groups, judged_a.num_good_groups)
    if METRICS[metric].output == "classes":
        first, second = (each.table["predicted"] for each in (judged_a, judged_b))
    else:
        first, second = judged_a.rejected, judged_b.rejected
    return judged_a.groups_of(np.asarray(first) != np.asarray(second))


def _is_same(judged_a, judged_b, metric):
    """Whether the predicted classes, or the order of images by score, are equal."""
    if METRICS[metric].output == "classes":
        return bool((judged_a.table["predicted"] == judged_b.table["predicted"]).all())
    orders = (np.unique(x.scores, return_inverse=True)[1] for x in (judged_a, judged_b))
    return bool(np.array_equal(*orders))


def groups_needed(num_rivals: int) -> int:
    """Minimum number of differing groups for a significant difference of two runs.

    Two methods that differ on 5 groups can differ in the same direction on all of them
    by chance (2 * 0.5 ** 5 = 6 %); for 6 groups the probability is below 5 %. With
    several rivals it must be below 5 % / rivals.
    """
    return 1 + math.ceil(math.log2(num_rivals / 0.05))


def verdict(runs: Sequence[Run]) -> dict[str, Any]:
    """Determines the best run of one data set, and how certain that is.

    The leader is the best run on `validate`. It is clearly better than another run if
    the paired interval of the difference on test, widened for the number of rivals, is
    above 0 and the two differ on enough groups. The metric is that of `leading_metric`.
    If validate cannot rank the runs, the first one by name is used as leader and
    `is_ranked` is False.

    Returns:
        A dict: `leader` (a run), `name`, `is_ranked`, `rivals` (each `run`, `name`,
        `metric`, `difference`, `is_thin`, `is_tied` on validate, and `outcome`:
        "better", "worse", "same" (the same answers on test) or "open", seen from the
        leader), `is_clear` and `text`.
    """
    leader, *others = ranked(runs)
    name, *other_names = display_names([leader, *others])
    rivals, metric = [], leading_metric(runs)
    is_ranked = can_rank(runs) or not others
    for run, rival_name in zip(others, other_names, strict=True):
        difference = paired_difference(
            leader, run, metric=metric, num_rivals=len(others)
        )
        is_thin = difference["num_groups_apart"] < groups_needed(len(others))
        outcome = "open" if is_thin else _outcome(difference, metric)
        rivals.append(
            {
                "run": run,
                "name": rival_name,
                "metric": metric,
                "difference": difference,
                "is_thin": is_thin,
                "is_tied": value_of(run, metric) == value_of(leader, metric),
                "outcome": "same" if difference["is_same"] else outcome,
            }
        )
    return {
        "leader": leader,
        "name": name,
        "rivals": rivals,
        "is_ranked": is_ranked,
        "is_clear": is_ranked and all(x["outcome"] == "better" for x in rivals),
        "text": _verdict_text(name, rivals) if is_ranked else NOT_RANKED,
    }


def _verdict_text(name, rivals):
    if not rivals:
        return f"{name} is the only run, so there is nothing to compare it with."
    groups = {"same": [], "open": [], "better": [], "worse": []}
    for rival in rivals:
        groups[rival["outcome"]].append(rival)
    sentences = []
    if groups["same"]:
        names = listed([name, *(rival["name"] for rival in groups["same"])])
        sentences.append(f"{names} make the same predictions on test.")
    if groups["open"]:
        names = listed([name, *(rival["name"] for rival in groups["open"])])
        against = ""
        if len(groups["open"]) <= MAX_IN_SENTENCE:
            against = f", {name} compared with {_differences(groups['open'])},"
        sentences.append(
            f"No clear winner between {names}: the difference on test{against} may be "
            "due to chance."
        )
    if groups["better"]:
        sentences.append(
            f"{name} is clearly better than {_differences(groups['better'])}."
        )
    if groups["worse"]:
        sentences.append(
            f"{name} is best on validate, but clearly worse on test than "
            f"{_differences(groups['worse'])}. The two splits disagree, so more parts "
            "are needed for a choice."
        )
    return " ".join(sentences)


def difference_text(rival: Mapping[str, Any]) -> str:
    """The lead over a rival on test, and the number of groups on which it is based."""
    difference = rival["difference"]
    text = f"{points(difference)} in {METRICS[rival['metric']].title}"
    if rival["is_thin"]:
        groups = counted(difference["num_groups_apart"], "group")
        text += f", based on only {groups}"
    return text


def _differences(rivals):
    """Names with their differences; for many runs only the names."""
    if len(rivals) > MAX_IN_SENTENCE:
        return listed(rival["name"] for rival in rivals)
    return listed(f"{rival['name']} ({difference_text(rival)})" for rival in rivals)


def _outcome(difference, metric):
    if difference["value"] is None or difference["low"] <= 0 <= difference["high"]:
        return "open"
    is_better = (difference["low"] > 0) == METRICS[metric].is_higher_better
    return "better" if is_better else "worse"


def _aligned_test(run_a, run_b, metric):
    """The `Judged` of both runs on test, with rows in the same order."""
    judged = []
    for run in (run_a, run_b):
        if METRICS[metric].output not in run.outputs:
            raise InputError(
                f"{run.name} has no {METRICS[metric].title}: its outputs are "
                f"{', '.join(sorted(run.outputs))}. Compare it by auroc instead."
            )
        judged.append(run.judged("test"))
    shared = ["sample_id", "label", "group"]
    table_a, table_b = (each.table[shared] for each in judged)
    if not table_a.equals(table_b):
        only = set(table_a["sample_id"]) ^ set(table_b["sample_id"])
        example = f", for example {min(only)!r} is in only one of them" if only else ""
        raise InputError(
            f"{run_a.name} and {run_b.name} were tested on different samples or "
            f"labels{example}. Compare runs of the same data set."
        )
    return judged
