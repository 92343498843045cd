"""Which images a run has been trained on."""

from collections.abc import Sequence
from pathlib import Path

from evaluation.run_folder import Run
from evaluation.wording import counted
from goodparts.files import file_hash
from reporting.mistakes import find_dataset


def training_note(run: Run, files: Sequence[Path]) -> str:
    """Says how many of the files the run was trained on; empty for none.

    Files are recognised by their sha256, in the train split of the run's data set.
    Without the data set's folder nothing is said.
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
        f"{dataset.name}: these results say nothing about new parts."
    )
