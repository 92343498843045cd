# %% [markdown]
# # 03 Visual words, seen on the image
#
# A bag of visual words cuts an image into small patches, names each by the most similar
# of some two hundred typical patches, its word, and counts. An SVM tells the classes by
# these counts alone. It needs no network, and every step of it can be looked at.

# %% tags=["parameters"]
import os

DATASET = os.environ.get("GOODPARTS_DATASET")  # dataset/<name>; None: embedded parts
RUNS = os.environ.get("GOODPARTS_RUNS")  # folder of runs; None: small ones, made here

# %%
import numpy as np
from workbench import open_dataset, open_runs, picture_rows, show

from bovw.bag import find_words, telling_words
from bovw.train import load_bag
from evaluation.overlay import draw_overlay
from evaluation.plots.style import INK, name_lines, new_figure
from evaluation.wording import percent
from preprocessing.images import read_image, resize
from preprocessing.manifest import is_copy
from reporting.mistakes import decisions

# %%
dataset = open_dataset(DATASET)
run = open_runs(RUNS, dataset, family="bovw")[0]
bag = load_bag(run.folder)
classes, num_words = bag.svm.classes.tolist(), len(bag.vocabulary.words)
accuracy = run.metrics["test"]["metrics"]["accuracy"]
print(f"{run.name}: {num_words} words; accuracy on test {percent(accuracy)}")

train = dataset.rows("train")
train = train[~is_copy(train)].drop_duplicates("group")
pictures, found = {}, {}
for name in classes:
    paths = train["path"][train["label"] == name].head(40)
    pictures[name] = [read_image(dataset.folder / path) for path in paths]
    found[name] = [find_words(bag, picture) for picture in pictures[name]]

# %% [markdown]
# ## Which words has a part?
# Every place takes the colour of its word. Words that are alike have like colours: red,
# green and blue are the three main directions in which words differ. Nobody told them
# what glass, dirt or a table is.

# %%
centred = bag.vocabulary.words - bag.vocabulary.words.mean(axis=0)
places = centred @ np.linalg.svd(centred, full_matrices=False)[2][:3].T
colours = 255 * places.argsort(axis=0).argsort(axis=0) / num_words


def area(patch, share):
    """Rows and columns of a picture around a patch, by a share of its side."""
    x, y, reach = patch[0], patch[1], max(1, patch[2] * share)
    rows = slice(max(0, round(y - reach)), round(y + reach))
    return rows, slice(max(0, round(x - reach)), round(x + reach))


def painted(picture, patches, words):
    canvas = np.full(picture.shape, 255, np.uint8)
    for place in np.argsort(-patches[:, 2], kind="stable"):  # small on top of large
        canvas[area(patches[place], 1 / 4)] = colours[words[place]]
    return canvas


rows = {name: [] for name in classes}
for name in classes:
    for picture, words_of in list(zip(pictures[name], found[name], strict=True))[:3]:
        rows[name] += [(picture, ""), (painted(picture, *words_of), "")]
show(picture_rows(rows), "Which words has a part?")

# %% [markdown]
# ## Which words tell the classes apart?
# A column is a word, red where the class has more of it than the others, blue where it
# has less. A class without a strong colour is one that the words hardly see.

# %%
order = np.lexsort((-bag.evidence.max(axis=0), bag.evidence.argmax(axis=0)))
limit = np.abs(bag.evidence).max()
figure, axes = new_figure(9, 1.8 + 0.45 * len(classes))
drawn = axes.imshow(
    bag.evidence[:, order],
    aspect="auto",
    cmap="RdBu_r",
    vmin=-limit,
    vmax=limit,
    interpolation="nearest",
)
name_lines(axes, classes)
axes.grid(False)
axes.set_xlabel(f"{num_words} words, by the class that they speak for most")
bar = figure.colorbar(drawn, ax=axes, pad=0.01)
bar.set_label("more than others,\nin deviations", fontsize=9, color=INK)
show(figure, "Which words tell the classes apart?")

# %% [markdown]
# ## What do the telling words look like?
# Of each class the two words that speak most for it, where they were found in images of
# `train`, each with as much again around it.

# %%
rows = {}
for name in classes:
    for word in telling_words(bag, name, count=2):
        pieces = []
        for picture, (patches, words) in zip(pictures[name], found[name], strict=True):
            for patch in patches[words == word][:1]:
                pieces.append((resize(picture[area(patch, 1)], (64, 64)), ""))
        if pieces:
            rows[f"{name}: word {word}"] = pieces[:8]
show(picture_rows(rows, side=0.9), "What do the telling words look like?")

# %% [markdown]
# ## Where are they on new parts?
# The evidence of all words for the class that was named, laid over pictures of `test`
# that were named rightly. Yellow on the defect: the words mean what they should. Yellow
# beside it: they have learnt chance, and will not find the next one.


# %%
def evidence_map(picture, name):
    """How much the patches over each pixel speak for a class, from 0 to 1."""
    strength = np.maximum(bag.evidence[classes.index(name)], 0)
    total, count = np.zeros(picture.shape[:2]), np.full(picture.shape[:2], 1e-9)
    for patch, word in zip(*find_words(bag, picture), strict=True):
        total[area(patch, 1 / 2)] += strength[word]
        count[area(patch, 1 / 2)] += 1
    mean = total / count
    return mean / max(mean.max(), 1e-9)


answers = decisions(run).merge(dataset.manifest[["sample_id", "path"]])
rows = {}
for name in classes:
    right = answers[~answers["is_wrong"] & (answers["label"] == name)]
    chosen = right.drop_duplicates("group")["path"].head(5)
    seen = [read_image(dataset.folder / path) for path in chosen]
    if seen:
        rows[name] = [
            (draw_overlay(each, heat=evidence_map(each, name)), "") for each in seen
        ]
show(picture_rows(rows, side=1.5), "Where are the words that told the class?")
