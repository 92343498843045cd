"""Says of images whether they are good, with a bundle or a finished run.

pipenv run predict bottle.goodparts IMAGE_OR_FOLDER... [--csv out.csv]

With a bundle neither Keras nor TensorFlow is loaded: the first verdict comes in a
second.
"""

if __name__ == "__main__":
    from goodparts.loading import begin_loading

    begin_loading()

import csv
import io
import sys
from collections import Counter
from pathlib import Path

from deployment.bundle import ABOUT, SUFFIX
from deployment.runtime import Inspector, deep, load_bundle
from deployment.trust import add_trust_arguments, asked_trust
from evaluation.anomaly_maps import heat
from evaluation.overlay import draw_overlay
from evaluation.wording import counted
from goodparts.command import InputError, command_parser, run_command
from goodparts.files import file_hash, write_text
from preprocessing.bit_depth import BIT_DEPTHS
from preprocessing.folder_walk import walk
from preprocessing.images import is_image, read_image, write_image


def predict(model, paths, *, overlays=None, bit_depth=None, trust=None):
    """Predicts images one by one.

    Args:
        model: Folder of a bundle or of a finished run.
        paths: Image files, or folders that are searched for images.
        overlays: Folder for a picture of every image with its anomaly map and
            instances; None for none.
        bit_depth: How many bits the camera gives, for files of more than 8 bits; that
            of the training images if None.
        trust: `deployment.trust.Trust`, what is asked of a bundle; None for nothing.

    Yields:
        Dicts with path, verdict (accept, reject or inspect, by the lines of the
        bundle, or what `decide` found for the run, or else by its threshold; empty
        where no class is that of good parts), reason,
        defect_score, predicted, `prob_<class>`, `num_instances` and `overlay`, as far
        as the model has them; or with the verdict unreadable and the problem.

    Raises:
        InputError: If overlays are asked of a model that has nothing to draw, or trust
            of a run folder.
    """
    inspector = open_inspector(model, trust=trust)
    for number, file in enumerate(find_images(paths), 1):
        try:
            image = read_image(file, bit_depth or inspector.bit_depth)
        except InputError as error:
            yield {"path": str(file), "verdict": "unreadable", "problem": str(error)}
            continue
        said = inspector.inspect(image)
        row = {
            "path": str(file),
            "verdict": said.decision,
            "reason": said.reason,
            "defect_score": said.defect_score,
            "predicted": said.predicted or "",
        }
        if said.probabilities is not None:
            pairs = zip(inspector.classes, said.probabilities, strict=True)
            row |= {f"prob_{name}": float(value) for name, value in pairs}
        if said.instances is not None:
            row["num_instances"] = len(said.instances.scores)
        if overlays is not None:
            name = f"{number:06d}_{said.decision}_{file.stem[:80]}.jpg"
            path = Path(overlays) / name
            _write_overlay(path, image, said, inspector)
            row["overlay"] = str(path)
        yield row


def _write_overlay(path, image, said, inspector):
    """Writes what was found, drawn on the image."""
    if said.anomaly_map is None and said.instances is None:
        raise InputError(
            f"{inspector.name} has neither anomaly maps nor instances: there is "
            "nothing to draw. Leave --overlays out."
        )
    seen = None
    if said.anomaly_map is not None:
        seen = heat(said.anomaly_map, inspector.map_range)
    write_image(path, draw_overlay(image, heat=seen, instances=said.instances))


def open_inspector(model, *, trust=None):
    """The `Inspector` of a run folder, or of a bundle that can be trusted as asked."""
    if is_bundle(model):
        return load_bundle(model, trust=trust)
    if trust is not None and trust.is_asked():
        raise InputError(
            f"{model} is no bundle: --require-sha256 and --require-signature are for "
            "bundles. Leave them out, or export the run first."
        )
    from deployment.bundle_decision import decision_of
    from evaluation.run_folder import read_run
    from models import load_predictor

    run = read_run(model)
    decision = None if run.threshold is None else decision_of(run)
    predictor = load_predictor(run.folder)
    return Inspector(
        run.name,
        "",
        list(predictor.classes),
        predictor.normal_class,
        decision,
        lambda image: predictor.predict(image[None]).answers()[0],
        num_frames=predictor.num_frames,
        map_range=run.config.get("map_range"),
        bit_depth=deep(run.config.get("bit_depth", 8)),
    )


def is_bundle(path):
    """Whether a path is a bundle, or is meant to be one: its name or a file in it."""
    path = Path(path)
    return (path / ABOUT).is_file() or path.name == ABOUT or path.suffix == SUFFIX


def find_images(paths):
    """The image files named, and those in the folders named, links followed.

    Raises:
        InputError: If a path is missing or there is no image.
    """
    files = []
    for path in map(Path, paths):
        if path.is_dir():
            files += sorted(path / name for name in walk(path) if is_image(name))
        elif path.exists():
            files.append(path)
        else:
            raise InputError(f"There is no file {path}. Check the path.")
    if not files:
        raise InputError(f"No image in {', '.join(map(str, paths))}.")
    return files


def _note_others(paths):
    """Says how many files in the folders named are no images."""
    files = [
        Path(name)
        for path in map(Path, paths)
        if path.is_dir()
        for name in walk(path)
        if not is_image(name)
    ]
    counts = Counter(file.suffix.lower() or "without a suffix" for file in files)
    if counts:
        listed = ", ".join(f"{name} {count}" for name, count in counts.most_common())
        print(f"note: files that are no images: {listed}", file=sys.stderr)


def training_note(run, files):
    """Says how many of the files the run may know by heart; empty for none.

    Files are known by their sha256, in the train split of the run's data set. Without
    the data set's folder nothing is said.
    """
    from reporting.mistakes import find_dataset

    dataset, _ = find_dataset(run)
    if dataset is None:
        return ""
    trained = set(dataset.rows("train")["sha256"])
    count = sum(file.is_file() and file_hash(file) in trained for file in files)
    if not count:
        return ""
    verb = "is" if count == 1 else "are"
    return (
        f"{count} of {counted(len(files), 'image')} {verb} in the train split of "
        f"{dataset.name}: the verdict there says nothing about new parts."
    )


def _as_csv(rows):
    """The rows as text, with the columns in the order in which they first come."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def main():
    parser = command_parser(__doc__.split("\n")[0])
    parser.add_argument("model", help="bundle, or run folder")
    parser.add_argument("images", nargs="+", help="image files or folders")
    parser.add_argument("--csv", help="also write a table")
    parser.add_argument(
        "--overlays",
        metavar="FOLDER",
        help="also write pictures of anomaly maps and instances",
    )
    parser.add_argument(
        "--bit-depth",
        type=int,
        choices=BIT_DEPTHS,
        help="of files with more than 8 bits; that of the training images if left out",
    )
    add_trust_arguments(parser)
    arguments = parser.parse_args()
    options = {
        "overlays": arguments.overlays,
        "bit_depth": arguments.bit_depth,
        "trust": asked_trust(arguments),
    }
    _note_others(arguments.images)
    if not is_bundle(arguments.model):
        from evaluation.run_folder import read_run

        run = read_run(arguments.model)
        files = find_images(arguments.images)
        for note in filter(None, (run.threshold_note(), training_note(run, files))):
            print(f"note: {note}", file=sys.stderr)
    rows = []
    for row in predict(arguments.model, arguments.images, **options):
        rows.append(row)
        if row["verdict"] == "unreadable":
            print(f"error: {row['problem']}", file=sys.stderr)
        else:
            score, predicted = row["defect_score"], row["predicted"]
            if score is None:
                score = row[f"prob_{predicted}"]
            note = f"  ({row['reason']})" if row["verdict"] == "inspect" else ""
            named = f"{predicted}  " if predicted else ""
            print(f"{row['verdict']:7}  {score:.3f}  {named}{row['path']}{note}")
    if arguments.csv:
        write_text(arguments.csv, _as_csv(rows))
    counts = Counter(row["verdict"] or "not decided" for row in rows)
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    print(f"{counted(len(rows), 'image')}: {said}", file=sys.stderr)
    if any(row["verdict"] == "unreadable" for row in rows):
        sys.exit(2)


if __name__ == "__main__":
    run_command(main)
