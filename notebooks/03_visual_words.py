# %% [markdown]
# # 03 Visual words on the image
#
# A bag of visual words divides an image into small patches, assigns each one to the
# most similar of about two hundred typical patches, called words, and counts the words.
# An SVM classifies the image by these counts alone. The method needs no neural network,
# and each of its steps can be inspected.

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
# ## Which words does a part contain?
# Every patch is drawn in the colour of its word. Similar words have similar colours:
# red, green and blue are the three principal components of the words. The words were
# learnt without labels for glass, dirt or background.

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
show(picture_rows(rows), "Visual words found in a part")

# %% [markdown]
# ## Which words distinguish the classes?
# Each column is a word: red if the class contains more of it than the other classes,
# blue if it contains less. A class without a strong colour can hardly be recognised by
# its words.

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
show(figure, "Which words distinguish the classes?")

# %% [markdown]
# ## What do the distinctive words look like?
# For each class, the two words that support it most are shown as they were found in
# images of `train`, with a margin around each patch.

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
show(picture_rows(rows, side=0.9), "Patches of the most distinctive words")

# %% [markdown]
# ## Where are these words on new parts?
# The evidence of all words for the predicted class, drawn over images of `test` that
# were classified correctly. Yellow on the defect means that the words represent the
# defect. Yellow next to it means that they represent something accidental, and the next
# defect may be missed.


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
show(picture_rows(rows, side=1.5), "Where is the evidence for the predicted class?")
