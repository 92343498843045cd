"""Runs and their bundles, made once for all tests of this folder; read only."""

import pytest

from bovw.train import train as train_bovw
from classification.train import train as train_network
from decisions.decide_run import decide_run
from deployment.export import export
from ensemble.train import train as train_ensemble


@pytest.fixture(scope="session")
def runs(washers, tmp_path_factory):
    """A network, a bag of words and an ensemble of both, with lines of `decide`."""
    folder = tmp_path_factory.mktemp("runs")
    size = (48, 48)
    members = {
        "network": train_network(
            model="small_cnn", data=washers, runs=folder, image_size=(32, 32), epochs=2
        ),
        "bovw": train_bovw(data=washers, runs=folder, image_size=size, num_words=10),
    }
    both = train_ensemble(list(members.values()), combiner="logistic", runs=folder)
    decide_run(both, inspect_share=0.3)
    return {**members, "ensemble": both}


@pytest.fixture(scope="session")
def bundles(runs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")
    found = {}
    for name, run in runs.items():
        found[name] = folder / f"{name}.goodparts"
        export(run, found[name])
    return found
