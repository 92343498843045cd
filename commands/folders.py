"""Makes a data set, split into train, validate and test, from folders of images.

    goodparts folders FOLDER

The layout is recognised. Without a folder, every folder under dataset/raw/ is used; if
there is none, the embedded data set is rendered and used. Takes seconds per thousand
images. Running it again with the same images and options changes nothing.
"""

from argparse import ArgumentParser, Namespace
from collections import Counter
from pathlib import Path

from goodparts.command import InputError, positive_int
from goodparts.command import seed as seed_type
from goodparts.loading import loading
from preprocessing.importing.known_layouts import LAYOUTS
from preprocessing.splitting.choices import BLOCK, GROUPINGS, PROTOCOLS, SHARES


def add_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("source", nargs="*", help="folder(s) of images")
    add("--out", default="dataset", help="folder of all data sets")
    add("--name", help="name of the data set; the name of the source folder if omitted")
    add(
        "--shares",
        type=float,
        nargs=3,
        default=SHARES,
        help="fractions of train, validate and test, such as 0.7 0.15 0.15 or 70 15 15",
    )
    add("--seed", type=seed_type, default=0, help="seed of the split")
    add(
        "--grouping",
        choices=GROUPINGS,
        default="near_duplicates",
        help="how images are grouped; a group stays in one split",
    )
    add("--pattern", help="regular expression that finds the group in a file name")
    add("--block", type=positive_int, default=BLOCK, help="frames per group")
    add(
        "--protocol",
        choices=PROTOCOLS,
        default=PROTOCOLS[0],
        help="official keeps the split of the source",
    )
    add("--layout", choices=LAYOUTS, help="layout of the source; recognised if omitted")
    add("--normal-class", help="class of the good parts; found by its name if omitted")
    add(
        "--classes-only",
        action="store_true",
        help="no class contains the good parts, so nothing is accepted or rejected",
    )
    add("--link", action="store_true", help="make hard links instead of copies")


def run(arguments: Namespace) -> None:
    with loading():
        from preprocessing.create_folders import create_folders
        from preprocessing.describe_dataset import describe
    options = vars(arguments)
    sources = options.pop("source") or _find_sources(arguments.out)
    names = Counter(Path(source).resolve().name for source in sources)
    twice = [name for name, count in names.items() if count > 1]
    if twice or (arguments.name and len(sources) > 1):
        raise InputError(
            f"{len(sources)} sources would be written to the same data set, "
            f"{arguments.name or twice[0]!r}. Process them one at a time, each with "
            "its own --name."
        )
    for source in sources:
        name = arguments.name or Path(source).resolve().name
        had_copies = _has_copies(Path(arguments.out) / name)
        dataset, is_new = create_folders(source, **options)
        print(f"{dataset.folder}: {'created' if is_new else 'up to date'}")
        if is_new and had_copies:
            print(
                "the data set was made anew without augmented copies and boxes: run "
                "boxes and augment again"
            )
        print(describe(dataset))


def _find_sources(out):
    """The folders under `<out>/raw`, or the embedded data set, rendered there."""
    from preprocessing.embedded_parts.render import render_dataset

    raw = Path(out) / "raw"
    found = sorted(path for path in raw.glob("[!.]*") if path.is_dir())
    if found:
        return found
    embedded = raw / "bottle_mouths"
    print(f"{raw} contains no folders; rendering the embedded data set to {embedded}")
    return [render_dataset(embedded)]


def _has_copies(folder):
    from preprocessing.manifest import read_dataset

    try:
        return "augmentation" in read_dataset(folder).info
    except InputError:
        return False
