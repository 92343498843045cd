"""Says of images whether they are good, with a finished run.

    pipenv run predict runs/<run> IMAGE_OR_FOLDER... [--csv out.csv]
"""

import argparse
from pathlib import Path

import pandas as pd

from evaluation.runs import read_run
from models import load_predictor
from preprocessing.command import InputError, run_command
from preprocessing.files import write_csv
from preprocessing.images import is_image, read_image


def predict(run_folder, paths):
    """Predicts images one by one.

    Args:
        run_folder: Of a finished run.
        paths: Image files, or folders that are searched for images.

    Yields:
        Dicts with path, verdict (accept or reject, by the run's threshold),
        predicted, defect_score and `prob_<class>`.
    """
    run = read_run(run_folder)
    files = find_images(paths)
    predictor = load_predictor(run_folder)
    for file in files:
        answer = predictor.predict(read_image(file)[None])
        score = float(answer.defect_score[0])
        row = {
            "path": str(file),
            "verdict": "reject" if score >= run.threshold else "accept",
            "predicted": "",
            "defect_score": score,
        }
        if answer.probabilities is not None:
            values = answer.probabilities[0]
            row["predicted"] = str(predictor.classes[values.argmax()])
            for name, value in zip(predictor.classes, values, strict=True):
                row[f"prob_{name}"] = float(value)
        yield row


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


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", help="run folder")
    parser.add_argument("images", nargs="+", help="image files or folders")
    parser.add_argument("--csv", help="also write a table")
    arguments = parser.parse_args()
    rows = []
    for row in predict(arguments.run, arguments.images):
        rows.append(row)
        print(
            f"{row['verdict']:6}  {row['defect_score']:.3f}  "
            f"{row['predicted']}  {row['path']}"
        )
        if row["verdict"] == "unreadable":
            print(f"error: {row['problem']}", file=sys.stderr)
    if arguments.csv:
        write_csv(arguments.csv, pd.DataFrame(rows))


if __name__ == "__main__":
    run_command(main)
