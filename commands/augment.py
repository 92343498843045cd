"""Writes augmented copies of the training images.

    goodparts augment                    every data set under dataset/
    goodparts augment dataset/screw --balance
    goodparts augment dataset/bottles --rotation 3 --flips none --brightness 0.8 1.2

The last example is for a fixed camera and parts that always have the same pose.

Copies are flipped, rotated, and made brighter or darker; masks and instances move with
them. Only train gets copies, of every class alike, so that traces of augmentation do
not reveal the label. Running the command with other options replaces the copies. A
command that was interrupted continues where it stopped.
"""

from argparse import ArgumentParser, Namespace

from goodparts.command import positive_int
from goodparts.command import seed as seed_type
from goodparts.loading import loading
from preprocessing.augmenting.augmentation import FLIPS


def add_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("datasets", nargs="*", metavar="DATASET", help="dataset/<name>")
    add(
        "--multiplier",
        type=positive_int,
        default=12,
        help="augmented copies of each image",
    )
    add(
        "--balance",
        action="store_true",
        help="make more copies of small classes, so that all classes are equally large",
    )
    add("--flips", nargs="+", choices=FLIPS, default=FLIPS, help="any of these")
    add("--rotation", type=float, default=90, help="largest angle in degrees")
    add(
        "--brightness",
        nargs=2,
        type=float,
        default=(0.5, 1.5),
        metavar=("LOW", "HIGH"),
        help="range of the brightness factor",
    )
    add("--seed", type=seed_type, default=0, help="seed of the random transformations")


def run(arguments: Namespace) -> None:
    with loading():
        from preprocessing.create_bndbox import find_datasets
        from preprocessing.data_augmentation import augment_dataset
    recipe = vars(arguments)
    for folder in find_datasets(recipe.pop("datasets")):
        augment_dataset(folder, **recipe)
