# %% [markdown]
# # 05 Choosing thresholds, and what they cost
#
# A model returns scores; a threshold between accept and reject turns them into
# decisions. Every threshold misses some defects and rejects some good parts. This
# notebook shows both rates, what they cost at your prices, and how certain these
# figures are with the available parts.

# %% tags=["parameters"]
import os

DATASET = os.environ.get("GOODPARTS_DATASET")  # dataset/<name>; None: embedded parts
RUNS = os.environ.get("GOODPARTS_RUNS")  # folder of runs; None: small ones, made here
PRICE_MISSED = 50.0  # of a defect that reaches the customer
PRICE_REJECTED = 2.0  # of a good part that is thrown away
PRICE_INSPECTED = 0.5  # of a part that is looked at by hand
SHARE_DEFECTIVE = 0.02  # of the parts in production; the data hold far more

# %%
import numpy as np
import pandas as pd
from IPython.display import display
from matplotlib.figure import Figure
from workbench import open_dataset, open_runs, show

from decisions.guarantees import allowed_errors, strongest_rate, upper_bound
from decisions.lines import lines_by_promise
from decisions.rule import DECISIONS, Decision, decide_parts
from evaluation.intervals import interval, resample_groups
from evaluation.metrics import share
from evaluation.plots.scores import miss_against_false_reject_plot, score_histogram
from evaluation.plots.style import (
    COLOURS,
    DEFECT,
    GOOD,
    INK,
    LEADER,
    OTHER,
    calm,
    legend_above,
    name_lines,
    new_figure,
    percent_axis,
)
from evaluation.wording import counted, display_names, percent
from evaluation.wording import share as text

# %%
dataset = open_dataset(DATASET)
runs = open_runs(RUNS, dataset)
run, name = runs[0], display_names(runs)[0]
table = run.predictions
validate, test = (table[table["split"] == split] for split in ("validate", "test"))
print(f"{name}, the best on validate; its threshold is {run.threshold:.4g}")
for split, rows in (("validate", validate), ("test", test)):
    is_good = rows["label"] == dataset.normal_class
    print(
        f"{split}: {counted(is_good.sum(), 'good image')} in "
        f"{counted(rows['group'][is_good].nunique(), 'group')}, "
        f"{counted((~is_good).sum(), 'defective image')} in "
        f"{counted(rows['group'][~is_good].nunique(), 'group')}"
    )

# %% [markdown]
# ## What do the scores look like?
# The threshold is chosen on `validate`. The better the two distributions are separated,
# the less its exact position matters.

# %%
figure = score_histogram(
    validate, normal_class=dataset.normal_class, threshold=run.threshold
)
show(figure, "Do the scores separate good from defective parts? (validate)")

# %% [markdown]
# ## How many errors of each kind does a threshold make?
# With a higher threshold, fewer good parts are rejected, but more defects are accepted.
# The bands are 95 % confidence intervals by groups. Even where no error occurred, they
# show which rate is possible: 20 parts without an error cannot guarantee a rate of 1 %.


# %%
def rates(rows, thresholds):
    """Shares missed and rejected at each threshold: on the rows, and on resamples.

    Returns:
        `(missed, rejected)`, each `(resamples + 1, thresholds)`, the rows first.
    """
    scores = rows["defect_score"].to_numpy()
    is_defect = (rows["label"] != dataset.normal_class).to_numpy()
    number, names = pd.factorize(rows["group"])
    draws = resample_groups(len(names))
    weights = np.vstack([np.ones(len(rows)), draws[:, number]])
    passes = scores < np.asarray(thresholds)[:, None]
    missed = [share(some, is_defect, weights) for some in passes]
    rejected = [share(~some, ~is_defect, weights) for some in passes]
    return np.array(missed).T, np.array(rejected).T


def band(values, rows, kind):
    """Lower and upper bound at each threshold; `kind` is True for the defects."""
    is_kind = (rows["label"] != dataset.normal_class) == kind
    num_groups = rows["group"][is_kind].nunique()
    found = [interval(column[0], column[1:], num_groups) for column in values.T]
    return np.array([[each[end] for each in found] for end in ("low", "high")])


scores = np.unique(table["defect_score"])
middles = (scores[1:] + scores[:-1]) / 2
thresholds = middles[np.linspace(0, len(middles) - 1, 400).astype(int)]
thresholds = np.unique(thresholds)
missed, rejected = rates(validate, thresholds)


def threshold_axis(axes):
    """Scores that are probabilities crowd at both ends: these get more room."""
    axes.set_xlabel("threshold on the defect score: reject from it")
    if scores[0] >= 0 and scores[-1] <= 1:
        ticks = [0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999]
        axes.set_xscale("logit")
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_xticks([], minor=True)
        room = [max(5e-5, end / 2) for end in (thresholds[0], 1 - thresholds[-1])]
        axes.set_xlim(room[0], 1 - room[1])
    line = np.clip(run.threshold, *axes.get_xlim())  # at the edge if beyond it
    axes.axvline(line, color=INK, linestyle="--", label="default threshold")


# %%
missed_band = band(missed, validate, True)
rejected_band = band(rejected, validate, False)
figure, axes = new_figure(9, 4.6)
for values, (low, high), colour, label in (
    (missed, missed_band, DEFECT, "defects missed"),
    (rejected, rejected_band, GOOD, "good parts rejected"),
):
    axes.step(thresholds, values[0], where="mid", color=colour, lw=2.5, label=label)
    axes.fill_between(thresholds, low, high, step="mid", color=colour, alpha=0.2)
threshold_axis(axes)
percent_axis(axes.yaxis)
axes.set_ylim(0, 1)
axes.set_ylabel("share of these parts (validate)")
legend_above(figure, axes)
show(figure, "Error rates at each threshold")

# %% [markdown]
# ## What does a threshold cost?
# The data contain a larger fraction of defects than production does, so the rates are
# weighted by the fraction of defects that is expected in production. For the band, both
# rates are set to the ends of their intervals: it shows the range of costs that the
# parts in `validate` cannot rule out.


# %%
def cost(missed, rejected):
    """Of 1,000 parts from production."""
    per_part = SHARE_DEFECTIVE * missed * PRICE_MISSED
    return 1000 * (per_part + (1 - SHARE_DEFECTIVE) * rejected * PRICE_REJECTED)


costs = cost(missed[0], rejected[0])
flat = np.flatnonzero(costs == costs.min())
cheapest = thresholds[flat[len(flat) // 2]]
print(f"cheapest threshold on validate: {cheapest:.4g}; default: {run.threshold:.4g}")

# %%
figure, axes = new_figure(9, 4.6)
axes.step(thresholds, costs, where="mid", color=LEADER, lw=2.5, label="on validate")
axes.fill_between(
    thresholds,
    *(cost(*ends) for ends in zip(missed_band, rejected_band, strict=True)),
    step="mid",
    color=LEADER,
    alpha=0.2,
    label="what the intervals allow",
)
for height, label in ((cost(1, 0), "accept all"), (cost(0, 1), "reject all")):
    axes.axhline(height, color=OTHER, linestyle=":")
    axes.annotate(
        label, (0.01, height), xycoords=("axes fraction", "data"), va="bottom"
    )
axes.plot(cheapest, costs.min(), "D", color=DEFECT, markersize=9, label="cheapest")
threshold_axis(axes)
axes.set_ylim(0)
axes.set_ylabel("cost of 1,000 parts")
legend_above(figure, axes)
show(
    figure,
    f"Cost of a threshold: a missed defect {PRICE_MISSED:g}, a good part "
    f"{PRICE_REJECTED:g}, {100 * SHARE_DEFECTIVE:g} % defective",
)

# %% [markdown]
# ## Do the thresholds perform as expected on new parts?
# Both thresholds were chosen on `validate`. The table shows their results on `test`.

# %%
lines = {"default": run.threshold, "cheapest on validate": cheapest}
found = rates(test, list(lines.values()))
ends = [
    band(values, test, kind) for values, kind in zip(found, (True, False), strict=True)
]
rows = {}
for number, (what, threshold) in enumerate(lines.items()):
    both = [
        {"value": values[0, number], "low": low[number], "high": high[number]}
        for values, (low, high) in zip(found, ends, strict=True)
    ]
    price = {end: cost(*(each[end] for each in both)) for end in both[0]}
    rows[what] = {
        "threshold": f"{threshold:.4g}",
        "defects missed": percent(both[0]),
        "good rejected": percent(both[1]),
        "cost of 1,000 parts": "{value:.0f} ({low:.0f} to {high:.0f})".format(**price),
    }
display(pd.DataFrame(rows).T)

# %% [markdown]
# ## Would another model be cheaper?
# The curves show all thresholds of the best run and of the best single models: the
# closer to the lower left corner, the better. The marker is the deployed threshold.

# %%
singles = [rival for rival in runs[1:] if "members" not in rival.config]
some = [run, *singles[:3]]
figure = miss_against_false_reject_plot(some, display_names(some))
show(figure, "Would another model be as good?")

# %% [markdown]
# ## How many parts does a guarantee need?
# The plot shows the lowest miss rate that can be guaranteed with 95 % confidence if
# none, one or two of the defective parts were missed, by the exact binomial bound. It
# counts parts, not images.

# %%
is_defective = validate["label"] != dataset.normal_class
num_good, num_defective = (
    validate["group"][rows].nunique() for rows in (~is_defective, is_defective)
)
numbers = np.unique(np.geomspace(5, 2000, 200).astype(int))
figure, axes = new_figure(9, 4.6)
for errors, colour in zip(range(3), COLOURS, strict=False):
    bounds = [float(upper_bound(errors, number, 0.95)) for number in numbers]
    axes.plot(numbers, bounds, color=colour, linewidth=2.5, label=f"{errors} missed")
axes.axvline(num_defective, color=INK, linestyle="--", label="parts in validate")
axes.set_xscale("log")
axes.set_yscale("log")
axes.set_xticks([10, 30, 100, 300, 1000], ["10", "30", "100", "300", "1,000"])
axes.set_yticks([0.002, 0.01, 0.05, 0.2, 0.5], ["0.2 %", "1 %", "5 %", "20 %", "50 %"])
axes.minorticks_off()
axes.set_xlabel("defective parts that were looked at")
axes.set_ylabel("miss rate that can be promised")
axes.legend(frameon=False, fontsize=9)
show(figure, "How many defective parts does a guarantee need?")

# %% [markdown]
# ## How much inspection by hand does a guarantee cost?
# With two thresholds, a part whose score is between them is inspected by hand. The
# lower threshold keeps the guarantee for missed defects; the upper one keeps the
# strongest guarantee for good parts that `validate` supports. The plot shows what
# happened to the parts in `test`, and what 1,000 parts from production would cost.

# %%
most = max(0, allowed_errors(num_defective, 0.4, 0.95))
errors = np.unique(np.geomspace(1, most + 1, 5).astype(int)) - 1
promises = upper_bound(errors, num_defective, 0.95)
is_good = (test["label"] == dataset.normal_class).to_numpy()
kinds = {"good": is_good, "defective": ~is_good}
shares = {kind: [] for kind in kinds}  # of accept, reject and inspect, per promise
for promise in promises:
    accept_below, reject_from = lines_by_promise(
        validate,
        normal_class=dataset.normal_class,
        max_miss=promise,
        max_false_reject=strongest_rate(num_good, 0.95),
    )
    decision = Decision(accept_below, reject_from)
    decided, _ = decide_parts(decision, test["defect_score"])
    for kind, rows in kinds.items():
        shares[kind].append([(decided[rows] == each).mean() for each in DECISIONS])
prices = {
    "good": np.array([0, PRICE_REJECTED, PRICE_INSPECTED]) * (1 - SHARE_DEFECTIVE),
    "defective": np.array([PRICE_MISSED, 0, PRICE_INSPECTED]) * SHARE_DEFECTIVE,
}
totals = sum(1000 * np.array(shares[kind]) @ prices[kind] for kind in kinds)

# %%
figure = Figure((9, 1.8 + 0.5 * len(promises)), layout="constrained")
panels = figure.subplots(1, 2, sharey=True)
for axes, (kind, rows) in zip(panels, shares.items(), strict=True):
    starts = np.zeros(len(promises))
    for each, colour in (("accept", GOOD), ("inspect", "#C8C8C8"), ("reject", DEFECT)):
        widths = np.array(rows)[:, DECISIONS.index(each)]
        bars = axes.barh(
            range(len(rows)), widths, left=starts, color=colour, label=each
        )
        texts = [f"{100 * width:.0f} %" if width > 0.1 else "" for width in widths]
        axes.bar_label(bars, texts, label_type="center", fontsize=8, color=INK)
        starts += widths
    percent_axis(calm(axes).xaxis)
    axes.set_xlim(0, 1)
    axes.set_xlabel(f"{kind} images of test")
name_lines(
    panels[0],
    [
        f"at most {text(promise)} % missed: costs {total:.0f}"
        for promise, total in zip(promises, totals, strict=True)
    ],
)
legend_above(figure, panels[0])
show(figure, "What does a guarantee cost in manual inspection? (95 % confidence)")
