"""The costs of decisions, class by class.

A table of costs is a CSV with a row per class:

    class,accept,reject,inspect,share
    good,0,4,1,0.98
    scratch,50,0,1,0.02

`share` is the relative frequency of the class in production; without that column it is
the frequency in `validate`.
"""

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from decisions.rule import DECISIONS
from evaluation.intervals import NUM_RESAMPLES, open_interval, resample_groups
from goodparts.command import InputError, reason

SHARE = "share"


def read_costs(path: str | os.PathLike[str], table: pd.DataFrame) -> pd.DataFrame:
    """Reads a table of costs and fills in the shares.

    Args:
        path: Path of the CSV.
        table: Predictions of `validate`; each of its classes needs a row.

    Returns:
        A table indexed by class with `accept`, `reject`, `inspect` and `share`, the
        shares of all classes adding up to 1.

    Raises:
        InputError: If the file is incomplete or has invalid values.
    """
    if not Path(path).is_file():
        raise InputError(f"There is no file {path}. Check the path of --cost.")
    try:
        with open(path, encoding="utf-8-sig") as file:
            has_semicolons = ";" in file.readline()  # as spreadsheets in Europe write
        separators = {"sep": ";", "decimal": ","} if has_semicolons else {}
        costs = pd.read_csv(
            path, dtype={"class": str}, keep_default_na=False, **separators
        )
    except ValueError as error:
        raise InputError(f"{path} cannot be read as CSV: {reason(error)}.") from error
    missing = [name for name in ("class", *DECISIONS) if name not in costs.columns]
    if missing:
        raise InputError(
            f"{path} lacks the column(s) {', '.join(missing)}. It needs class, "
            f"{', '.join(DECISIONS)} and, if known, {SHARE}."
        )
    labels = table["label"].value_counts()
    _check_classes(path, list(costs["class"]), list(labels.index))
    costs = costs.set_index("class")
    columns = [name for name in (*DECISIONS, SHARE) if name in costs.columns]
    costs = costs[columns].apply(pd.to_numeric, errors="coerce")
    is_wrong = ~(np.isfinite(costs) & (costs >= 0))
    if is_wrong.any(axis=None):
        name = is_wrong.any(axis=1).idxmax()
        raise InputError(
            f"{path} needs numbers of 0 or more in the row of {name!r}, column(s) "
            f"{', '.join(is_wrong.columns[is_wrong.loc[name]])}."
        )
    if SHARE not in costs:
        costs[SHARE] = labels.reindex(costs.index)
    if costs[SHARE].sum() == 0:
        raise InputError(
            f"{path} has only zeros in the column {SHARE}. At least one must be above "
            "0."
        )
    costs[SHARE] /= costs[SHARE].sum()
    return costs.astype(np.float64).sort_index()


def _check_classes(path, given, known):
    for name in given:
        if given.count(name) > 1:
            raise InputError(f"{path} has more than one row for {name!r}. Keep one.")
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"The classes are {known}."
            raise InputError(
                f"{path} has a row for {name!r}, which is not a class of validate. "
                f"{hint}"
            )
    missing = sorted(set(known) - set(given))
    if missing:
        raise InputError(f"{path} has no row for {missing[0]!r}. Add one.")


def sample_costs(
    labels: Sequence[str] | np.ndarray | pd.Series, costs: pd.DataFrame
) -> np.ndarray:
    """What each decision of each image adds to the mean cost of a part.

    Args:
        labels: Class names, `(samples,)`.
        costs: Table of `read_costs`.

    Returns:
        `(samples, 3)`, for accept, reject and inspect; each class is weighted by its
        share.
    """
    rows = costs.loc[labels]
    counts = pd.Series(labels).value_counts().loc[labels].to_numpy()
    weights = rows[SHARE].to_numpy() / counts
    return rows[list(DECISIONS)].to_numpy() * weights[:, None]


def mean_cost(table: pd.DataFrame, costs: pd.DataFrame) -> dict[str, float | None]:
    """The mean cost of a part, with its 95 % interval by groups.

    Each class is weighted by its share, and its groups are resampled separately. An
    error that occurred in none of n groups may still have a rate of 1 - 0.025 ** (1 /
    n): the interval always includes the cost of this in the class where it is highest.

    Args:
        table: Predictions of one split with a column `decision`.
        costs: Table of `read_costs`.

    Returns:
        `{"value", "low", "high"}`; None where a class has no image.
    """
    value, resampled, unseen = 0.0, 0.0, 0.0
    for number, (name, row) in enumerate(costs[costs[SHARE] > 0].iterrows()):
        own = table[table["label"] == name]
        if own.empty:
            return {"value": None, "low": None, "high": None}
        paid = own["decision"].map(row).groupby(own["group"]).agg(["sum", "count"])
        draws = resample_groups(
            len(paid), num_resamples=NUM_RESAMPLES, seed=[number, 1]
        )
        mean = paid["sum"].sum() / paid["count"].sum()
        value += row[SHARE] * mean
        resampled += row[SHARE] * (draws @ paid["sum"]) / (draws @ paid["count"])
        rise = row[SHARE] * (row[list(DECISIONS)].max() - mean)
        unseen = max(unseen, rise * (1 - 0.025 ** (1 / len(paid))))
    found: dict[str, Any] = open_interval(value, np.asarray(resampled))
    return {**found, "high": max(found["high"], float(value + unseen))}
