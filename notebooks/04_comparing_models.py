# %% [markdown]
# # 04 Which model, which ensemble?
#
# This notebook compares all runs of one data set, single models and ensembles of them.
# They are ranked on `validate` and reported on `test`, with 95 % confidence intervals
# by groups. If the difference between two runs may be due to chance, neither is called
# better.

# %% tags=["parameters"]
import os

DATASET = os.environ.get("GOODPARTS_DATASET")  # dataset/<name>; None: embedded parts
RUNS = os.environ.get("GOODPARTS_RUNS")  # folder of runs; None: small ones, made here

# %%
import textwrap

import numpy as np
from IPython.display import display
from matplotlib.colors import ListedColormap
from workbench import interval_rows, open_dataset, open_runs, show

from evaluation.comparison.leaderboard import leaderboard_text
from evaluation.comparison.paired import verdict
from evaluation.comparison.training_cost import cost
from evaluation.metric_table import METRICS
from evaluation.plots.classes import per_class_recall_plot
from evaluation.plots.style import (
    COLOURS,
    DEFECT,
    INK,
    MARKERS,
    OTHER,
    legend_above,
    name_lines,
    new_figure,
    percent_axis,
    plain,
    wrapped,
)
from evaluation.wording import display_names, percent, points
from reporting.advice import advice
from reporting.mistakes import decisions

# %%
COLOUR_OF = {"single model": COLOURS[0], "ensemble": COLOURS[2]}
dataset = open_dataset(DATASET)
runs = [run for run in open_runs(RUNS, dataset) if "classes" in run.outputs]
names = display_names(runs)
kinds = ["ensemble" if "members" in run.config else "single model" for run in runs]
line_colours = [COLOUR_OF[kind] for kind in kinds]
print(f"{dataset.name}: {leaderboard_text(runs)}")
if "ensemble" not in kinds:
    print("There is no ensemble yet. To make one: pipenv run ensemble RUN RUN ...")

# %% [markdown]
# ## How accurate is each run?
# The runs are ordered by their result on `validate`, the best at the top, whatever
# their result on `test`: whoever chooses the best run on the test set also chooses the
# luckiest one. The hollow dot is the accuracy on `validate`.

# %%
before, accuracies = (
    [run.metrics[split]["metrics"]["accuracy"] for run in runs]
    for split in ("validate", "test")
)
figure, axes = interval_rows(
    names, accuracies, [percent(each) for each in accuracies], line_colours
)
axes.plot(
    [each["value"] for each in before],
    range(len(runs)),
    "o",
    color=INK,
    markerfacecolor="white",
    linestyle="none",
    label="on validate",
)
for kind in dict.fromkeys(kinds):
    axes.plot([], "o-", color=COLOUR_OF[kind], markersize=9, linewidth=3, label=kind)
legend_above(figure, axes)
axes.set_xlabel("accuracy on test with 95 % interval")
show(figure, "Accuracy of each model")

# %% [markdown]
# ## Is the leader really better?
# The leader and each other run are compared on the same resamples of the test groups,
# which removes the random variation that they share. The more runs are compared, the
# wider the intervals, so that all of them hold together. Grey means that there is no
# clear winner: the interval contains zero, or the difference is based on too few
# groups.

# %%
result = verdict(runs)
print(textwrap.fill(result["text"], 88))
print()
print(textwrap.fill(advice(result), 88))
rivals = result["rivals"]
if rivals:
    figure, axes = interval_rows(
        [rival["name"] for rival in rivals],
        [rival["difference"] for rival in rivals],
        [points(rival["difference"]) for rival in rivals],
        [OTHER if rival["outcome"] in ("open", "same") else DEFECT for rival in rivals],
    )
    axes.axvline(0, color=INK, linewidth=1)
    metric = METRICS[rivals[0]["metric"]].title
    axes.set_xlabel(f"{metric} on test by which the leader is ahead")
    question = f"Is {result['name']} significantly better? Grey: not significant"
    display(show(figure, question))

# %% [markdown]
# ## Do they make the same mistakes?
# Each column is a test image that at least one run classified wrongly; dark means
# wrong. Combining members helps if they fail on different parts. A column that is dark
# from top to bottom is a part that no ensemble of these members will classify
# correctly: look at it.

# %%
answers = [decisions(run).sort_values("sample_id") for run in runs]
wrong = np.array([table["is_wrong"] for table in answers])
labels = answers[0]["label"].to_numpy(str)
order = np.lexsort((-wrong.sum(0), labels))
order = order[wrong[:, order].any(0)]
failed, starts = np.unique(labels[order], return_index=True)
if len(order):
    figure, axes = new_figure(9, 1.9 + 0.36 * len(runs))
    axes.imshow(
        wrong[:, order],
        aspect="auto",
        interpolation="nearest",
        cmap=ListedColormap(["#EDEDED", DEFECT]),
        vmin=0,
        vmax=1,
    )
    name_lines(axes, names)
    axes.grid(False)
    for start in starts[1:]:
        axes.axvline(start - 0.5, color=INK, linewidth=1)
    ends = np.append(starts[1:], len(order))
    axes.set_xticks((starts + ends - 1) / 2, [wrapped(name) for name in failed])
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel(f"{len(order)} of {len(labels)} test images, by their true class")
    display(show(figure, "Which parts does each model get wrong?"))

# %% [markdown]
# ## Which run recognises which class?
# An average can hide the class that matters. The plot shows the single models and the
# ensemble that is best on `validate`.

# %%
singles = [line for line, kind in enumerate(kinds) if kind == "single model"]
best = [line for line, kind in enumerate(kinds) if kind == "ensemble"][:1]
shown = [*best, *singles][:7]
figure = per_class_recall_plot(
    [runs[line] for line in shown], [names[line] for line in shown]
)
show(figure, "Recall of each class by each model")

# %% [markdown]
# ## What does accuracy cost?
# An ensemble needs all its members, in training and in production.

# %%
figure, axes = new_figure(9, 4.5)
for place, line in enumerate(shown):
    seconds, accuracy = cost(runs[line])["wall_time_s"], accuracies[line]
    ends = [accuracy["low"], accuracy["high"]]
    axes.plot([seconds] * 2, ends, color=COLOURS[place], linewidth=3, alpha=0.6)
    axes.plot(
        seconds,
        accuracy["value"],
        MARKERS[place],
        color=COLOURS[place],
        markersize=10,
        label=plain(names[line]),
    )
axes.set_xscale("log")
ticks = {
    "1 s": 1,
    "3 s": 3,
    "10 s": 10,
    "30 s": 30,
    "1 min": 60,
    "2 min": 120,
    "5 min": 300,
    "10 min": 600,
    "30 min": 1800,
    "1 h": 3600,
    "3 h": 10800,
    "10 h": 36000,
    "1 d": 86400,
}
low, high = axes.get_xlim()
ticks = {text: tick for text, tick in ticks.items() if low <= tick <= high}
axes.set_xticks(list(ticks.values()), list(ticks))
axes.minorticks_off()
percent_axis(axes.yaxis)
axes.set_xlabel("time to train on this machine, with all members")
axes.set_ylabel("accuracy on test, 95 % interval")
legend_above(figure, axes)
show(figure, "Accuracy and training time")
