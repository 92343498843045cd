# %% [markdown]
# # 02 Transfer learning and its curves
#
# A network that was trained on a million photographs already recognises edges and
# textures. From a few hundred parts it only has to learn which of them matter. This
# notebook shows how the training went, how the result compares with training from
# scratch, and which regions of the image the network uses.

# %% tags=["parameters"]
import os

DATASET = os.environ.get("GOODPARTS_DATASET")  # dataset/<name>; None: embedded parts
RUNS = os.environ.get("GOODPARTS_RUNS")  # folder of runs; None: small ones, made here

# %%
import numpy as np
import pandas as pd
from IPython.display import display
from workbench import interval_rows, open_dataset, open_runs, picture_rows, show

from evaluation.comparison.paired import paired_difference
from evaluation.overlay import draw_overlay
from evaluation.plots.classes import confusion_plot, curves_plot
from evaluation.plots.style import COLOURS, new_figure, percent_axis
from evaluation.predictions import probabilities_of
from evaluation.wording import display_names, duration, percent, points, share
from models import load_predictor
from preprocessing.images import read_image
from reporting.mistakes import decisions

# %%
dataset = open_dataset(DATASET)
runs = open_runs(RUNS, dataset, family="classification")
histories = [pd.read_csv(run.folder / "history.csv") for run in runs]
stages = [", ".join(dict.fromkeys(history["stage"])) for history in histories]
names = [
    f"{name}: {stage}" for name, stage in zip(display_names(runs), stages, strict=True)
]
line_colours = [COLOURS[line % len(COLOURS)] for line in range(len(runs))]
about = {
    "weights": [run.config["arguments"]["weights"] for run in runs],
    "parameters": [f"{run.config['num_parameters']:,}" for run in runs],
    "training": [duration(run.config["wall_time_s"]) for run in runs],
}
display(pd.DataFrame(about, index=names))
for run, name in zip(runs, names, strict=True):
    for note in run.config["notes"]:
        print(f"{name}: {note}")

# %% [markdown]
# ## Does it generalise or overfit?
# The held-out images are groups of `train` that are not used to fit the weights; they
# determine which epoch is kept. If the training loss keeps falling while the held-out
# loss rises, the network overfits: it memorises its training images. The plot shows the
# best run on `validate`.

# %%
show(curves_plot(histories[0]), f"Learning curves of {names[0]}: does it overfit?")

# %% [markdown]
# ## How fast does each run converge?
# An epoch is one pass over the training images. If two runs share their first stage,
# the thin line lies on top of the thick one.

# %%
figure, axes = new_figure(8.5, 4.5)
for line, (history, name) in enumerate(zip(histories, names, strict=True)):
    axes.plot(
        np.arange(1, len(history) + 1),
        history["val_accuracy"],
        label=name,
        color=line_colours[line],
        linewidth=max(2, 6 - 2 * line),
    )
percent_axis(axes.yaxis)
axes.set_xlabel("epoch")
axes.set_ylabel("accuracy on held-out groups of train")
axes.legend(frameon=False, fontsize=9, loc="lower right")
show(figure, "How fast does each training converge?")

# %% [markdown]
# ## How accurate is it on test?
# The parts in `test` were not used for training. The line is the 95 % confidence
# interval: with another sample of as many parts, the figure could change about as much.
# The differences printed below are computed on the same resamples for both runs, which
# is more precise than comparing two intervals by eye.

# %%
accuracies = [run.metrics["test"]["metrics"]["accuracy"] for run in runs]
figure, axes = interval_rows(
    names, accuracies, [percent(each) for each in accuracies], line_colours
)
axes.set_xlabel("accuracy on test, 95 % interval")
show(figure, "Accuracy on test, by starting weights")

# %%
for run, name in zip(runs[1:], names[1:], strict=True):
    difference = paired_difference(runs[0], run, metric="accuracy")
    print(f"{names[0]} against {name}: {points(difference)} of accuracy")

# %% [markdown]
# ## Which classes does the best run confuse?

# %%
test = runs[0].metrics["test"]
figure = confusion_plot(test["confusion_matrix"], runs[0].config["classes"])
show(figure, "Which classes are confused?")

# %% [markdown]
# ## Which regions does it use?
# Grad-CAM for the predicted class: yellow regions support the prediction most. If they
# are next to the part rather than on it, be careful: the background may reveal the
# class.

# %%
predictor = load_predictor(runs[0].folder)
answers = decisions(runs[0]).merge(dataset.manifest[["sample_id", "path"]])
answers["sureness"] = probabilities_of(answers, predictor.classes).max(axis=1)


def seen(rows):
    """The pictures of some answers, with the evidence for the class that was named."""
    pictures = [read_image(dataset.folder / path) for path in rows["path"]]
    maps = [
        predictor.explain(picture[None], [named])[0]
        for picture, named in zip(pictures, rows["answer"], strict=True)
    ]
    return [
        (
            draw_overlay(picture, heat=evidence),
            f"{answer}, {share(sureness)}\N{NO-BREAK SPACE}%",
        )
        for picture, evidence, answer, sureness in zip(
            pictures, maps, rows["answer"], rows["sureness"], strict=True
        )
    ]


right = answers[~answers["is_wrong"]]
rows = {}
for name in predictor.classes:
    of_class = right[right["label"] == name].drop_duplicates("group")
    if len(of_class):
        rows[name] = seen(of_class.head(5))
show(picture_rows(rows, side=1.5), "Where is the evidence for correct predictions?")

# %%
wrong = answers[answers["is_wrong"]].drop_duplicates("group").head(5)
if len(wrong):
    rows = {
        "the picture": [
            (read_image(dataset.folder / row.path), f"is {row.label}")
            for row in wrong.itertuples()
        ],
        "evidence": seen(wrong),
    }
    display(
        show(
            picture_rows(rows, side=1.6), "Where is the evidence for wrong predictions?"
        )
    )
else:
    print("It made no mistake on test.")
