"""Judges finished runs: metrics with intervals, plots and the images they got wrong.

pipenv run evaluate RUN [RUN ...]
"""

import argparse

from evaluation.evaluate_run import evaluate_run, evaluation_text
from evaluation.runs import read_run
from preprocessing.command import run_command


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders")
    for folder in parser.parse_args().runs:
        print(evaluation_text(evaluate_run(read_run(folder))))


if __name__ == "__main__":
    run_command(main)
