"""Suggests a one-class detector for a data set, from its good parts alone.

    goodparts suggest dataset/my_parts

A few detectors are trained on good parts of train and judged on others, onto which
defects were drawn. Table and pictures are written to runs/suggest-<name>. What this can
and cannot tell is printed with it.
"""

from argparse import ArgumentParser, Namespace

from goodparts.command import positive_int, seed
from goodparts.loading import loading


def add_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("data", metavar="DATASET", help="data set folder, dataset/<name>")
    add("--out", help="folder of table and pictures; runs/suggest-<name> if omitted")
    add("--weights", default="imagenet", help="imagenet, none, a file")
    add(
        "--image-size",
        type=positive_int,
        nargs=2,
        metavar=("HEIGHT", "WIDTH"),
        help="of what the detectors look at; chosen from the images if omitted",
    )
    add("--seed", type=seed, default=0, help="seed of all random choices")


def run(arguments: Namespace) -> None:
    with loading():
        from anomaly.suggest import suggest
        from anomaly.suggestion import suggestion_text
    print(suggestion_text(suggest(**vars(arguments))))
