"""The same training on TensorFlow, JAX and Torch: the same accuracy within chance.

JAX and Torch are not part of the environment; `pip install jax torch` adds them.
"""

import importlib.util
import os
import subprocess
import sys

import pytest

from evaluation.run_folder import read_run

TRAINING = """
import sys
from classification.train import load_predictor, train
data, runs, weights = sys.argv[1:]
quick = {"data": data, "runs": runs}
print("run", train(model="small_cnn", image_size=(48, 48), epochs=8, **quick))
print("run", train(model="mobilenetv2", image_size=(32, 32), epochs=2, weights=weights,
            batch_size=8, unfreeze="0:1,1:2", **quick))
"""


def train_on(backend, data, runs, weights):
    """Run folders of small_cnn and mobilenetv2, trained on a backend."""
    result = subprocess.run(
        [sys.executable, "-c", TRAINING, data, runs, weights],
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    lines = result.stdout.splitlines()
    return [read_run(line[4:]) for line in lines if line.startswith("run ")]


@pytest.fixture(scope="module")
def on_tensorflow(washers, weights, tmp_path_factory):
    return train_on("tensorflow", washers, tmp_path_factory.mktemp("runs"), weights)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_reach_the_same(
    backend, on_tensorflow, washers, weights, tmp_path
):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    runs = train_on(backend, washers, tmp_path, weights)
    for ours, theirs in zip(on_tensorflow, runs, strict=True):
        expected = ours.metrics["test"]["metrics"]["accuracy"]
        found = theirs.metrics["test"]["metrics"]["accuracy"]["value"]
        assert expected["low"] <= found <= expected["high"]
    assert runs[0].metrics["test"]["metrics"]["accuracy"]["value"] >= 0.8  # it learned
