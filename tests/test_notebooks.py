"""The notebooks run from start to end, and the .ipynb are made from the .py."""

import os
import sys
from pathlib import Path

import nbformat
import pytest

from ensemble import train as ensembles
from goodparts.command import InputError
from models import family
from preprocessing.create_folders import create_folders
from preprocessing.manifest import read_dataset

FOLDER = Path(__file__).parent.parent / "notebooks"
SOURCES = sorted(FOLDER.glob("[0-9]*.py"))
MAX_BYTES = 1_500_000  # of all .ipynb: they are read on a web page

sys.path.insert(0, str(FOLDER))

from make import execute, read_source  # noqa: E402
from workbench import make_dataset, open_runs  # noqa: E402

TINY = {"image_size": (64, 64)}
QUICK = [
    ("small_cnn", {**TINY, "epochs": 1}),
    ("small_cnn", {**TINY, "epochs": 1, "seed": 1}),
    ("bovw", {**TINY, "num_words": 20}),
]


def train_all(data, runs, recipes):
    members = [
        family(model).train(model=model, data=data, runs=runs, **options)
        for model, options in recipes
    ]
    ensembles.train(members, combiner="soft", runs=runs)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A tiny data set, and a folder of quick runs: every family and an ensemble."""
    folder = tmp_path_factory.mktemp("notebooks")
    data = make_dataset(folder / "dataset", num_parts=40, num_shots=2, size=64)
    train_all(data, folder / "runs", QUICK)
    return data, folder / "runs"


def outputs_of(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def pictures_of(notebook):
    return [
        output
        for output in outputs_of(notebook)
        if {"image/png", "image/jpeg"} & set(output.get("data", {}))
    ]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_runs_on_embedded_data(source, workplace, monkeypatch):
    data, runs = workplace
    monkeypatch.setenv("GOODPARTS_DATASET", str(data))
    monkeypatch.setenv("GOODPARTS_RUNS", str(runs))
    assert len(pictures_of(execute(read_source(source)))) >= 3


@pytest.mark.slow
@pytest.mark.real
def test_the_notebooks_run_on_real_bottles(tmp_path, monkeypatch):
    source = Path(os.environ["REAL_DATA"], "bottles")
    made = create_folders(source, out=tmp_path, grouping="chronological")
    recipes = [("small_cnn", {"epochs": 1}), ("bovw", {"image_size": (96, 96)})]
    train_all(made[0].folder, tmp_path / "runs", recipes)
    monkeypatch.setenv("GOODPARTS_DATASET", str(made[0].folder))
    monkeypatch.setenv("GOODPARTS_RUNS", str(tmp_path / "runs"))
    for path in SOURCES:
        execute(read_source(path))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_an_ipynb_is_in_step_with_its_source(source):
    made = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    expected = read_source(source)
    cells = [
        [(cell.id, cell.cell_type, cell.source) for cell in each.cells]
        for each in (made, expected)
    ]
    assert cells[0] == cells[1], "run `make notebooks`"


def test_what_was_run_has_no_errors_and_no_paths_of_a_machine():
    for path in FOLDER.glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        for output in outputs_of(notebook):
            assert output.output_type != "error"
            assert output.get("name") != "stderr", output
            assert str(FOLDER.parent) not in str(output)


def test_the_notebooks_are_small_enough_for_a_web_page():
    sizes = {path.name: path.stat().st_size for path in FOLDER.glob("*.ipynb")}
    assert len(sizes) == len(SOURCES)
    assert sum(sizes.values()) < MAX_BYTES, sizes


def test_runs_of_other_data_are_not_taken(workplace, washers):
    data, runs = workplace
    found = open_runs(runs, read_dataset(data))
    models = sorted(run.config["model"] for run in found)
    assert models == ["bovw", "ensemble_soft", "small_cnn", "small_cnn"]
    bag = open_runs(runs, read_dataset(data), family="bovw")
    assert [run.config["model"] for run in bag] == ["bovw"]
    with pytest.raises(InputError, match="no finished run on"):
        open_runs(runs, read_dataset(washers))
