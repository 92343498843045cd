"""Which run to trust: chosen on `validate`, compared in pairs on `test`."""

import math

import numpy as np

from evaluation import metrics
from evaluation.comparison.leaderboard import (
    METRICS,
    leading_metric,
    ranked,
)
from evaluation.intervals import resample_groups
from evaluation.wording import counted, display_names, listed, points
from goodparts.command import InputError

MAX_IN_SENTENCE = 3
CLASS_METRICS = {
    "accuracy": metrics.accuracy,
    "balanced_accuracy": metrics.balanced_accuracy,
    "macro_f1": metrics.macro_f1,
}


def paired_difference(run_a, run_b, *, metric="macro_f1", num_rivals=1):
    """How much higher a metric of `run_a` is on test, both on the same resamples.

    Pairing removes what both share, the luck of which parts were drawn; two
    intervals that overlap can hide a clear difference.

    Args:
        run_a, run_b: Runs with the same test samples.
        metric: A key of METRICS.
        num_rivals: Runs that `run_a` is compared with; the interval is widened so
            that all of them together hold with 95 % (Bonferroni).

    Returns:
        `{"value", "low", "high", "num_groups_apart"}`: the difference a - b with its
        interval, None where it has no value, and on how many test groups the two
        answer differently (for AUROC: the groups of the rarer kind).

    Raises:
        InputError: If the test samples differ, or a run has no classes.

    Reference:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 8.
    """
    table_a, table_b = _aligned_test(run_a, run_b)
    names, groups = np.unique(table_a["group"].to_numpy(str), return_inverse=True)
    draws = resample_groups(len(names))
    compute = _class_values if metric in CLASS_METRICS else _score_values
    values_a, answers_a = compute(run_a, table_a, groups, draws, metric)
    values_b, answers_b = compute(run_b, table_b, groups, draws, metric)
    difference = values_a - values_b
    apart = np.unique(groups[answers_a != answers_b]).size
    if metric == "auroc":
        is_defect = (table_a["label"] != run_a.config["normal_class"]).to_numpy()
        kinds = [groups[is_defect], groups[~is_defect]]
        apart = min(np.unique(kind).size for kind in kinds)
    if np.isnan(difference[0]):
        return {"value": None, "low": None, "high": None, "num_groups_apart": apart}
    tail = 2.5 / num_rivals
    low, high = np.nanpercentile(difference[1:], [tail, 100 - tail])
    return {
        "value": float(difference[0]),
        "low": float(low),
        "high": float(high),
        "num_groups_apart": apart,
    }


def groups_needed(num_rivals):
    """Groups on which two runs must differ before that can be more than luck.

    Two methods that differ on 5 groups can do so all in one direction by luck
    (2 * 0.5 ** 5 = 6 %); from 6 on that is rarer than 5 %. With more rivals it must
    be rarer than 5 % / rivals.
    """
    return 1 + math.ceil(math.log2(num_rivals / 0.05))


def verdict(runs):
    """Says which of the runs of one data set to trust, and how sure that is.

    The leader is the best on `validate`. It is clearly better than another run when
    the paired interval of the difference on test, widened for the number of rivals,
    lies above 0 and the two differ on enough groups. Detectors are compared by AUROC.

    Returns:
        A dict: `leader` (a run), `rivals` (each `run`, `name`, `metric`, `difference`,
        `is_thin` and `outcome`: "better", "worse" or "open", seen from the leader),
        `is_clear` and `text`.
    """
    leader, *others = ranked(runs)
    name, *other_names = display_names([leader, *others])
    rivals = []
    for run, rival_name in zip(others, other_names, strict=True):
        metric = "auroc" if "classes" not in run.outputs else leading_metric(leader)
        difference = paired_difference(
            leader, run, metric=metric, num_rivals=len(others)
        )
        is_thin = difference["num_groups_apart"] < groups_needed(len(others))
        rivals.append(
            {
                "run": run,
                "name": rival_name,
                "metric": metric,
                "difference": difference,
                "is_thin": is_thin,
                "outcome": "open" if is_thin else _outcome(difference),
            }
        )
    return {
        "leader": leader,
        "name": name,
        "rivals": rivals,
        "is_clear": all(rival["outcome"] == "better" for rival in rivals),
        "text": _verdict_text(name, rivals),
    }


def _verdict_text(name, rivals):
    if not rivals:
        return f"{name} is the only run, so there is nothing to compare it with."
    groups = {"open": [], "better": [], "worse": []}
    for rival in rivals:
        groups[rival["outcome"]].append(rival)
    sentences = []
    if groups["open"]:
        names = listed([name, *(rival["name"] for rival in groups["open"])])
        against = ""
        if len(groups["open"]) <= MAX_IN_SENTENCE:
            against = f", {name} against {_differences(groups['open'])},"
        sentences.append(
            f"No clear winner between {names}: the difference on test{against} may be "
            "chance."
        )
    if groups["better"]:
        sentences.append(
            f"{name} is clearly better than {_differences(groups['better'])}."
        )
    if groups["worse"]:
        sentences.append(
            f"{name} is best on validate, yet on test clearly worse than "
            f"{_differences(groups['worse'])}: the two splits disagree, so more parts "
            "are needed to choose."
        )
    return " ".join(sentences)


def difference_text(rival):
    """By how much the leader is ahead of a rival on test, with what that rests on."""
    difference = rival["difference"]
    text = f"{points(difference)} in {METRICS[rival['metric']]}"
    if rival["is_thin"]:
        groups = counted(difference["num_groups_apart"], "group")
        text += f", resting on only {groups}"
    return text


def _differences(rivals):
    """Names with their numbers; of many, the names alone, as a table has the rest."""
    if len(rivals) > MAX_IN_SENTENCE:
        return listed(rival["name"] for rival in rivals)
    return listed(f"{rival['name']} ({difference_text(rival)})" for rival in rivals)


def _outcome(difference):
    if difference["value"] is None:
        return "open"
    if difference["low"] > 0:
        return "better"
    return "worse" if difference["high"] < 0 else "open"


def _aligned_test(run_a, run_b):
    tables = []
    for run in (run_a, run_b):
        table = run.predictions
        table = table[table["split"] == "test"].sort_values("sample_id")
        tables.append(table.reset_index(drop=True))
    shared = ["sample_id", "label", "group"]
    if not tables[0][shared].equals(tables[1][shared]):
        only = set(tables[0]["sample_id"]) ^ set(tables[1]["sample_id"])
        example = f", for example {min(only)!r} is in one only" if only else ""
        raise InputError(
            f"{run_a.name} and {run_b.name} were tested on different samples or "
            f"labels{example}. Compare runs of the same data set."
        )
    return tables


def _class_values(run, table, groups, draws, metric):
    """The metric on the sample, then on each resample; and the answers given."""
    if (table["predicted"] == "").any():
        raise InputError(
            f"{run.name} names no classes, so it has no {METRICS[metric]}. "
            "Compare it by auroc."
        )
    labels, answers = table["label"].to_numpy(str), table["predicted"].to_numpy(str)
    classes = run.config["classes"]
    by_group = metrics.group_confusions(labels, answers, groups, classes)
    resampled = np.tensordot(draws, by_group, axes=1)
    confusions = np.concatenate([by_group.sum(0)[None], resampled])
    return CLASS_METRICS[metric](confusions), answers


def _score_values(run, table, groups, draws, metric):
    scores = table["defect_score"].to_numpy(np.float64)
    is_defect = (table["label"] != run.config["normal_class"]).to_numpy()
    weights = np.concatenate([np.ones((1, len(table))), draws[:, groups]])
    rejected = scores >= run.threshold
    if metric == "auroc":
        return metrics.auroc(scores, is_defect, weights), rejected
    if metric == "miss_rate":
        return metrics.share(~rejected, is_defect, weights), rejected
    return metrics.share(rejected, ~is_defect, weights), rejected
