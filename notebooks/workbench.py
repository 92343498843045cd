"""What every notebook begins with: data, runs, and how a figure is shown.

Without folders of yours, parts are rendered and small models trained on them in
notebooks/work/, once, in about three minutes on two cores.
"""

import io
from pathlib import Path

import PIL.Image
from IPython.display import Image
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from backbones import imagenet_available
from ensemble import train as ensembles
from ensemble.combiners import COMBINERS
from evaluation.comparison.leaderboard import ranked
from evaluation.plots.style import (
    INK,
    name_lines,
    new_figure,
    percent_axis,
    plain,
    width_on_page,
    wrapped,
)
from evaluation.run_folder import find_runs, read_run
from goodparts.command import InputError
from models import family as family_of
from preprocessing.augmenting.augmentation import augment, geometry_and_light
from preprocessing.create_folders import create_folders
from preprocessing.embedded_parts.render import CLASSES, render_part
from preprocessing.images import write_image
from preprocessing.manifest import read_dataset

WORK = Path(__file__).parent / "work"
SHARES = (0.5, 0.2, 0.3)  # of train, validate and test
BETWEEN_SHOTS = geometry_and_light(
    flips=("none",), rotation=3.0, brightness=(0.97, 1.03)
)
FROM_IMAGENET = [
    ("mobilenetv2", {"epochs": 0}),  # the head alone
    ("mobilenetv2", {"epochs": 8}),  # and then the last blocks
]
FROM_SCRATCH = [("small_cnn", {"epochs": 15}), ("bovw", {})]
DOTS_PER_INCH = 100


def open_dataset(folder=None):
    """Reads a data set, or the embedded one, which is made where it is missing.

    Args:
        folder: `dataset/<name>`; None for embedded parts, each photographed thrice.
    """
    if folder is not None:
        return read_dataset(folder)
    folder = WORK / "dataset" / "bottle_mouths"
    if not (folder / "dataset.json").is_file():
        make_dataset(WORK / "dataset")
    return read_dataset(folder)


def make_dataset(out, *, num_parts=180, num_shots=3, size=128):
    """Photographs rendered parts several times each and splits them by part.

    Two fifths of the parts are good. Between two shots the part turns by up to three
    degrees and the light changes by three percent, as on a belt that stops.

    Args:
        out: Folder of all data sets; the images themselves go to its raw/.
        num_parts: At least 40, so that every class reaches every split.
        num_shots: Of each part.
        size: Height and width, pixels.

    Returns:
        The data set's folder.
    """
    raw = Path(out) / "raw" / "bottle_mouths"
    for part in range(num_parts):
        label = CLASSES[max(0, part % 5 - 1)]
        image, _ = render_part(label, part, size=size)
        for shot in range(num_shots):
            taken, _ = augment(BETWEEN_SHOTS, image, [], num_shots * part + shot)
            name = f"part_{part:03d}_shot_{shot + 1}.png"
            write_image(raw / label / name, taken)
    rule = {"grouping": "pattern", "pattern": r"part_\d+", "shares": SHARES}
    return create_folders(raw, out=out, **rule)[0].folder


def open_runs(folder, dataset, *, family=None):
    """Reads the finished runs of a data set, the best on `validate` first.

    Args:
        folder: Of all run folders; None for small ones, trained where there are none.
        dataset: Runs that were tested on other images than its test split are left out.
        family: Package whose runs are wanted, such as "bovw"; None for all.

    Raises:
        InputError: If there is no such run.
    """
    if folder is None:
        folder = WORK / "runs" / dataset.name
        if not runs_of(folder, dataset):
            train_small(dataset.folder, folder)
    found = runs_of(folder, dataset)
    if family is not None:
        found = [run for run in found if run.config["family"] == family]
    if not found:
        what = "run" if family is None else f"run of {family}"
        raise InputError(
            f"{folder} has no finished {what} on {dataset.folder}. Train one: "
            f"pipenv run train --model NAME --data {dataset.folder}"
        )
    return ranked(found)


def runs_of(folder, dataset):
    """Finished runs whose test images are those of the data set."""
    wanted = set(dataset.rows("test")["sample_id"])
    finished = map(read_run, find_runs(folder))
    return [run for run in finished if set(run.split("test")["sample_id"]) == wanted]


def train_small(data, runs):
    """Trains small models of every family and every ensemble of them."""
    jobs = FROM_SCRATCH
    if imagenet_available("mobilenetv2"):
        jobs = FROM_IMAGENET + FROM_SCRATCH
    members = [
        family_of(model).train(model=model, data=data, runs=runs, **options)
        for model, options in jobs
    ]
    for combiner in COMBINERS:
        ensembles.train(members, combiner=combiner, runs=runs)


def show(figure, question):
    """Shows a figure in a notebook; for a wall, `figure.savefig("poster.pdf")`.

    Args:
        figure: A matplotlib figure; a legend above it goes below.
        question: That it answers, written above it.
    """
    figure.suptitle(plain(question), x=0.01, ha="left", color=INK, fontsize=13)
    for legend in figure.legends:
        legend.set_loc("outside lower left")
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=DOTS_PER_INCH)
    picture, small = PIL.Image.open(content).convert("RGB"), io.BytesIO()
    shapes = [image.get_array().shape for image in figure.findobj(AxesImage)]
    if any(len(shape) == 3 for shape in shapes):
        picture.save(small, format="jpeg", quality=80)  # it holds photographs
    else:  # lines and texts have few colours, maps have many
        picture = picture if shapes else picture.quantize(128, dither=0)
        picture.save(small, format="png", optimize=True)
    return Image(small.getvalue(), width=width_on_page(figure))


def picture_rows(rows, *, side=1.25):
    """A figure of pictures, one row per name.

    Args:
        rows: Dict from the row's name to its list of `(image, caption)`; a caption may
            be empty, and is wrapped.
        side: Of a picture, inches; narrow ones are as large in area.
    """
    num_columns = max(map(len, rows.values()))
    first = next(iter(rows.values()))[0][0]
    stretch = (first.shape[0] / first.shape[1]) ** 0.5
    width, height = side / stretch, side * stretch
    letters = max(10, int(15 * width))  # of a caption, on a line
    size = (width * num_columns + 1.3, (height + 0.25) * len(rows) + 0.3)
    figure = Figure(size, layout="constrained")
    panels = figure.subplots(len(rows), num_columns, squeeze=False)
    for line, (name, pictures) in zip(panels, rows.items(), strict=True):
        for axes in line:
            axes.set_axis_off()
        for axes, (image, caption) in zip(line, pictures, strict=False):
            axes.imshow(image)
            axes.set_title(wrapped(caption, letters), fontsize=7.5, color=INK, pad=3)
        line[0].text(
            -0.08,
            0.5,
            plain(name),
            transform=line[0].transAxes,
            ha="right",
            va="center",
            fontsize=9,
            color=INK,
        )
    return figure


def interval_rows(names, intervals, texts, colours):
    """A figure of dots with their intervals, one line per name, and a text beside each.

    Args:
        names: Of the lines.
        intervals: `{"value", "low", "high"}` of each, shares.
        texts: Of each; drawn right of the axes.
        colours: Of each.

    Returns:
        `(figure, axes)`.
    """
    figure, axes = new_figure(9, 1.7 + 0.42 * len(names))
    for line, interval in enumerate(intervals):
        ends = [interval["low"], interval["high"]]
        axes.plot(ends, [line, line], color=colours[line], linewidth=3, alpha=0.6)
        axes.plot(interval["value"], line, "o", color=colours[line], markersize=9)
        axes.annotate(
            texts[line],
            (1.02, line),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=9,
            color=INK,
            annotation_clip=False,
        )
    name_lines(axes, names)
    percent_axis(axes.xaxis)
    return figure, axes
