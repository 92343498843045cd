"""Classifies images with a bundle or a finished run.

    goodparts predict bottle.goodparts IMAGE_OR_FOLDER... [--csv out.csv]
    goodparts predict RUN IMAGE... --instances defects.csv --coco results.json

With a bundle, neither Keras nor TensorFlow is loaded, and the first result is printed
within a second.
"""

import csv
import io
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections import Counter
from pathlib import Path

from deployment.trust import add_trust_arguments, asked_trust
from evaluation.wording import counted
from goodparts.command import InputError, positive_int, positive_number
from goodparts.loading import loading
from preprocessing.bit_depth import BIT_DEPTHS

LEAST_TILE = 32  # pixels


def add_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("model", help="bundle or run folder")
    add("images", nargs="+", help="image files or folders")
    add("--csv", help="also write the results to this CSV file")
    add(
        "--overlays",
        metavar="FOLDER",
        help="also write pictures of the anomaly maps and instances to this folder",
    )
    add(
        "--instances",
        metavar="FILE",
        help="also write a CSV file with a row for each instance: image, class, score, "
        "box and area",
    )
    add("--coco", metavar="FILE", help="also write all instances as COCO results")
    add(
        "--mm-per-pixel",
        type=positive_number,
        help="side of a pixel, so that areas of instances are in mm²; in pixels if "
        "omitted",
    )
    add(
        "--tiles",
        type=_tile_size,
        metavar="SIZE",
        help="also look for instances in overlapping tiles of SIZE x SIZE pixels, for "
        "images with defects too small for the whole image",
    )
    add(
        "--bit-depth",
        type=int,
        choices=BIT_DEPTHS,
        help="bit depth of images with more than 8 bits; that of the training images "
        "if omitted",
    )
    add_trust_arguments(parser)


def run(arguments: Namespace) -> None:
    with loading():
        from deployment.instance_files import InstanceFiles
        from deployment.predict import is_bundle, predict
        from goodparts.files import write_text
    if arguments.mm_per_pixel is not None and arguments.instances is None:
        raise InputError("--mm-per-pixel is for the areas in --instances FILE.")
    files = InstanceFiles(arguments.mm_per_pixel)
    is_asked = arguments.instances is not None or arguments.coco is not None
    options = {
        "overlays": arguments.overlays,
        "bit_depth": arguments.bit_depth,
        "trust": asked_trust(arguments),
        "tile_size": arguments.tiles,
        "on_verdict": files.add if is_asked else None,
    }
    _note_others(arguments.images)
    if not is_bundle(arguments.model):
        _note_about_run(arguments.model, arguments.images)
    rows = []
    for row in predict(arguments.model, arguments.images, **options):
        rows.append(row)
        _print_row(row)
    if arguments.csv:
        write_text(arguments.csv, _as_csv(rows))
    files.write(coco=arguments.coco, table=arguments.instances)
    counts = Counter(row["verdict"] or "not decided" for row in rows)
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    print(f"{counted(len(rows), 'image')}: {said}", file=sys.stderr)
    if any(row["verdict"] == "unreadable" for row in rows):
        sys.exit(2)


def _tile_size(text):
    """argparse type: pixels of the side of a tile."""
    value = positive_int(text)
    if value < LEAST_TILE:
        raise ArgumentTypeError(f"must be {LEAST_TILE} or more. Received: {text!r}.")
    return value


def _print_row(row):
    if row["verdict"] == "unreadable":
        print(f"error: {row['problem']}", file=sys.stderr)
        return
    score, predicted = row["defect_score"], row["predicted"]
    if score is None:
        score = row[f"prob_{predicted}"]
    note = f"  ({row['reason']})" if row["verdict"] == "inspect" else ""
    named = f"{predicted}  " if predicted else ""
    print(f"{row['verdict']:7}  {score:.3f}  {named}{row['path']}{note}")


def _note_about_run(folder, images):
    from deployment.predict import find_images
    from evaluation.run_folder import read_run
    from reporting.seen_images import training_note

    run = read_run(folder)
    files = find_images(images)
    for note in filter(None, (run.threshold_note(), training_note(run, files))):
        print(f"note: {note}", file=sys.stderr)


def _note_others(paths):
    """Says how many files in the folders named are no images."""
    from preprocessing.folder_walk import special_files, walk
    from preprocessing.images import is_image

    folders = [path for path in map(Path, paths) if path.is_dir()]
    files = [
        Path(name) for path in folders for name in walk(path) if not is_image(name)
    ]
    counts = Counter(file.suffix.lower() or "without an extension" for file in files)
    num_special = sum(len(special_files(path)) for path in folders)
    if num_special:
        counts["pipes, sockets or devices"] = num_special
    if counts:
        listed = ", ".join(f"{name} {count}" for name, count in counts.most_common())
        print(
            f"note: files that are not images were skipped: {listed}", file=sys.stderr
        )


def _as_csv(rows):
    """The rows as text, with the columns in the order in which they first come."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
