"""Says of images whether they are good, with a finished run.

pipenv run predict runs/<run> IMAGE_OR_FOLDER... [--csv out.csv]
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

from evaluation.decisions import UNLIKE, decide_parts, read_decision
from evaluation.gallery import find_dataset
from evaluation.runs import read_run
from evaluation.wording import counted
from models import load_predictor
from preprocessing.command import InputError, run_command
from preprocessing.files import file_hash, write_csv
from preprocessing.images import is_image, read_image


def predict(run_folder, paths):
    """Predicts images one by one.

    Args:
        run_folder: Of a finished run.
        paths: Image files, or folders that are searched for images.

    Yields:
        Dicts with path, verdict (accept, reject or inspect, by what `decide` found
        for the run, or else accept or reject by its threshold), reason,
        defect_score, predicted and `prob_<class>`; or with the verdict unreadable
        and the problem.
    """
    decision = read_decision(read_run(run_folder))
    files = find_images(paths)
    predictor = load_predictor(run_folder)
    for file in files:
        try:
            image = read_image(file)
        except InputError as error:
            yield {"path": str(file), "verdict": "unreadable", "problem": str(error)}
            continue
        yield {"path": str(file), **_inspect(predictor, image, decision)}


def _inspect(predictor, image, decision):
    answer = predictor.predict(image[None])
    score = float(answer.defect_score[0])
    verdicts, reasons = decide_parts(decision, [score], answer.probabilities)
    row = {"verdict": str(verdicts[0]), "reason": str(reasons[0])}
    row |= {"defect_score": score, "predicted": ""}
    if answer.probabilities is not None:
        values = answer.probabilities[0]
        row["predicted"] = str(predictor.classes[values.argmax()])
        for name, value in zip(predictor.classes, values, strict=True):
            row[f"prob_{name}"] = float(value)
    return row


def find_images(paths):
    """The image files named, and those in the folders named.

    Raises:
        InputError: If a path is missing or there is no image.
    """
    files = []
    for path in map(Path, paths):
        if path.is_dir():
            files += sorted(file for file in path.rglob("*") if is_image(file))
        elif path.exists():
            files.append(path)
        else:
            raise InputError(f"There is no file {path}. Check the path.")
    if not files:
        raise InputError(f"No image in {', '.join(map(str, paths))}.")
    return files


def training_note(run, files):
    """Says how many of the files the run may know by heart; empty for none.

    Files are known by their sha256, in the train split of the run's data set. Without
    the data set's folder nothing is said.
    """
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", help="run folder")
    parser.add_argument("images", nargs="+", help="image files or folders")
    parser.add_argument("--csv", help="also write a table")
    arguments = parser.parse_args()
    note = training_note(read_run(arguments.run), find_images(arguments.images))
    if note:
        print(f"note: {note}", file=sys.stderr)
    rows = []
    for row in predict(arguments.run, arguments.images):
        rows.append(row)
        if row["verdict"] == "unreadable":
            print(f"error: {row['problem']}", file=sys.stderr)
        else:
            score, predicted = row["defect_score"], row["predicted"]
            note = f"  ({UNLIKE})" if row["reason"] == UNLIKE else ""
            print(f"{row['verdict']:7}  {score:.3f}  {predicted}  {row['path']}{note}")
    if arguments.csv:
        write_csv(arguments.csv, pd.DataFrame(rows))
    if any(row["verdict"] == "unreadable" for row in rows):
        sys.exit(2)


if __name__ == "__main__":
    run_command(main)
