# %% [markdown]
# # 01 The data and its splits
#
# A test is only meaningful if its images are new to the model. If images of one part,
# or frames of one clip, are in both train and test, every method looks better than it
# is. This notebook shows what a data set contains, and what a careless split would
# hide.

# %% tags=["parameters"]
import os

DATASET = os.environ.get("GOODPARTS_DATASET")  # dataset/<name>; None: embedded parts

# %%
import numpy as np
from IPython.display import display
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from scipy.spatial.distance import cdist
from workbench import interval_rows, open_dataset, picture_rows, show

from evaluation.judged import Judged
from evaluation.metric_table import METRICS, metric_values
from evaluation.plots.style import COLOURS, OTHER, calm, name_lines, new_figure
from evaluation.predictions import predictions_table
from evaluation.predictor import classifier_prediction
from evaluation.wording import percent, share
from preprocessing.images import read_image
from preprocessing.manifest import SPLITS, is_copy
from preprocessing.splitting.near_duplicates import (
    cluster,
    fingerprint,
    has_twin,
    near_duplicate_pairs,
)
from preprocessing.splitting.split import assign_groups, split_groups

# %%
dataset = open_dataset(DATASET)
images = dataset.manifest[~is_copy(dataset.manifest)]
images = images.sort_values("sample_id", ignore_index=True)
labels, classes = images["label"].to_numpy(str), dataset.classes


def read(position):
    return read_image(dataset.folder / images["path"][position])


def stem(position):
    return images["sample_id"][position].split("/")[-1]


print(
    f"{dataset.name}: {len(images)} images in {images['group'].nunique()} groups, "
    f"{len(classes)} classes; {dataset.normal_class} is the good one"
)

# %% [markdown]
# ## What does the data set contain?
# A model is trained on images, but the independent samples are groups: physical parts
# or clips. Ten images of one part carry little more information than one.

# %%
counts = images.groupby(["label", "split"]).agg(
    images=("sample_id", "size"), groups=("group", "nunique")
)
display(counts.unstack("split", fill_value=0).reindex(columns=SPLITS, level="split"))
longest = np.unique(labels, return_counts=True)[1].max()
figure, axes = new_figure(8.5, 1.5 + 0.5 * len(classes))
starts = np.zeros(len(classes))
for split, colour in zip(SPLITS, COLOURS, strict=False):
    mine = counts.xs(split, level="split").reindex(classes, fill_value=0)
    bars = axes.barh(range(len(classes)), mine["images"], left=starts, color=colour)
    bars.set_label(split)
    texts = [
        f"{row.images}\n({row.groups})" if row.images > 0.05 * longest else ""
        for row in mine.itertuples()
    ]
    axes.bar_label(bars, texts, label_type="center", color="white", fontsize=8)
    starts += mine["images"].to_numpy()
name_lines(axes, classes)
axes.set_xlabel("images (in brackets: groups)")
figure.legend(loc="outside lower right", ncols=3, frameon=False, fontsize=9)
show(figure, "Images and parts in each split")

# %%
rows = {}
for name in classes:
    of_class = np.flatnonzero(labels == name)
    chosen = of_class[np.linspace(0, len(of_class) - 1, 6).astype(int)]
    rows[name] = [(read(position), "") for position in chosen]
show(picture_rows(rows), "Examples of each class")

# %% [markdown]
# ## Random and grouped splits
# The same images are split in two ways: as in this data set, and in the opposite way.
# If the data set is split by groups, the other split assigns every image individually;
# if it is split by individual images, the other split keeps near-duplicates together.

# %%
fingerprints = [fingerprint(read(position)) for position in range(len(images))]
is_random = dataset.info.get("grouping") == "none"
grouping = "near_duplicates" if is_random else "none"
groups = assign_groups(images, cluster(fingerprints), grouping=grouping)
shares = [(images["split"] == split).mean() for split in SPLITS]
other = split_groups(labels, groups, shares=shares, seed=0)

own = images[["sample_id", "label", "split", "group"]]
ways = {"random": own, "grouped": own.assign(split=other, group=groups)}
if not is_random:
    ways = {"random": ways["grouped"], "grouped": own}

# %%
figure = Figure((8.5, 2.2 + 0.5 * len(classes)), layout="constrained")
for axes, (way, table) in zip(figure.subplots(2, 1), ways.items(), strict=True):
    strips = np.full((len(classes), longest), np.nan)
    for line, name in enumerate(classes):
        found = table["split"][labels == name].map(SPLITS.index).to_numpy()
        strips[line, : len(found)] = found
    calm(axes).imshow(
        strips,
        aspect="auto",
        interpolation="nearest",
        vmin=0,
        vmax=2,
        cmap=ListedColormap(COLOURS[:3]),
    )
    name_lines(axes, classes)
    axes.set_title(way, loc="left", fontsize=10)
    axes.grid(False)
    axes.set_xlabel("images of the class, by file name")
for split, colour in zip(SPLITS, COLOURS, strict=False):
    axes.plot([], "s", color=colour, label=split)
figure.legend(loc="outside lower right", ncols=3, frameon=False, fontsize=9)
show(figure, "Are neighbouring images on both sides of the split?")

# %% [markdown]
# ## Which images leak?
# There are two signs of leakage: the group of a `validate` or `test` image is also in
# `train`, or `train` contains a near-duplicate of it. The second check needs no
# knowledge of the parts, but only finds images that hardly differ.

# %%
group, twins = ways["grouped"]["group"], {}
for way, table in ways.items():
    judged = (table["split"] != "train").to_numpy()
    known = group[judged].isin(group[~judged]).mean()
    twins[way] = has_twin(fingerprints, judged, ~judged)[judged].mean()
    print(
        f"{way}: of the images in validate and test, {share(known)} % belong to a "
        f"group in train and {share(twins[way])} % have a near-duplicate there"
    )

# %%
judged = (ways["random"]["split"] != "train").to_numpy()
pairs = {}
for pair in near_duplicate_pairs(fingerprints, lambda a, b: judged[a] != judged[b]):
    for first, second in zip(*pair, strict=True):
        new, seen = (first, second) if judged[first] else (second, first)
        pairs.setdefault(labels[new], {}).setdefault(new, seen)
chosen = [pair for found in pairs.values() for pair in list(found.items())[:2]][:7]
if chosen:
    rows = {
        "judged": [(read(new), stem(new)) for new, _ in chosen],
        "in train": [(read(seen), stem(seen)) for _, seen in chosen],
    }
    display(
        show(picture_rows(rows), "Which test images have a near-duplicate in train?")
    )

# %% [markdown]
# ## How much does the leakage help?
# A nearest-neighbour classifier copies: it predicts the class of
# the train image with the most similar pixels. The more accurate it is, the more of the
# test can be passed by memorising the training images. The confidence interval is
# computed by groups. If every image counts as its own group, it is too narrow.

# %%
thumbnails = np.stack([each.thumbnail.ravel() for each in fingerprints]).astype(float)


def nearest_neighbour(table):
    """The interval of its accuracy on test."""
    test, train = (table["split"] == name for name in ("test", "train"))
    nearest = cdist(thumbnails[test], thumbnails[train], "cityblock").argmin(axis=1)
    answers = labels[train][nearest]
    sure = answers[:, None] == np.array(classes)
    prediction = classifier_prediction(sure, classes, dataset.normal_class)
    judged = Judged(
        predictions_table(table[test], prediction, classes),
        classes=classes,
        normal_class=dataset.normal_class,
        threshold=0.5,
    )
    values = metric_values(["accuracy"], judged)["accuracy"]
    return METRICS["accuracy"].interval(judged, values)


scores = [nearest_neighbour(table) for table in ways.values()]
figure, axes = interval_rows(
    [f"{way} ({share(twin)} % near-duplicates)" for way, twin in twins.items()],
    scores,
    [percent(each) for each in scores],
    COLOURS,
)
chance = longest / len(labels)
axes.axvline(chance, color=OTHER, linestyle=":", label="always the largest class")
axes.legend(frameon=False, fontsize=9)
axes.set_xlim(0, 1)
axes.set_xlabel("accuracy on test of a nearest-neighbour classifier, 95 % interval")
show(figure, "How many test images can be recognised from memory?")
