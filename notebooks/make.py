"""Makes the .ipynb from the .py sources and runs them on the embedded data.

    python3 notebooks/make.py           (= make notebooks)

A minute on two cores, and a few more where the embedded parts and small models are
still to be made. On data and runs of your own:

    GOODPARTS_DATASET=dataset/<name> GOODPARTS_RUNS=runs \\
        python3 notebooks/make.py --out my_notebooks
"""

import argparse
import os
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from workbench import open_dataset, open_runs

from goodparts.command import run_command
from goodparts.files import write_text

FOLDER = Path(__file__).parent
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
TIMEOUT_S = 600  # of a cell, and until the kernel is there


def read_source(path):
    """A notebook without outputs from a .py file in the percent format."""
    notebook = jupytext.read(path, fmt="py:percent")
    notebook.metadata = {"kernelspec": KERNEL}
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"  # they are drawn at random otherwise
    return notebook


def execute(notebook):
    """Runs all cells in place, in this folder; the first that fails raises."""
    NotebookClient(
        notebook,
        timeout=TIMEOUT_S,
        startup_timeout=TIMEOUT_S,
        extra_arguments=["--log-level=ERROR"],
        record_timing=False,
        resources={"metadata": {"path": str(FOLDER)}},
    ).execute()
    notebook.metadata = {"kernelspec": KERNEL}
    return notebook


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sources", nargs="*", type=Path, help="all if left out")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of .ipynb")
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    dataset = open_dataset(os.environ.get("GOODPARTS_DATASET"))
    open_runs(os.environ.get("GOODPARTS_RUNS"), dataset)
    for source in arguments.sources or sorted(FOLDER.glob("[0-9]*.py")):
        notebook = execute(read_source(source))
        path = arguments.out / f"{source.stem}.ipynb"
        write_text(path, nbformat.writes(notebook) + "\n")
        print(path)


if __name__ == "__main__":
    run_command(main)
