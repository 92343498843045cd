"""The architectures, their losses, and a training of one."""

import keras
import numpy as np
import pandas as pd
import pytest

from anomaly.autoencoders import AUTOENCODERS
from anomaly.autoencoders.architectures import ARCHITECTURES, build_autoencoder
from anomaly.autoencoders.losses import LOSSES, SCALE_WEIGHTS
from anomaly.autoencoders.residual import ssim_map
from anomaly.train import load_predictor, train
from evaluation.run_folder import read_run
from goodparts.command import InputError
from networks import rate_finder, training


def test_every_name_has_an_architecture():
    assert set(AUTOENCODERS) == set(ARCHITECTURES)


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_an_image_of_any_size_is_rebuilt_at_that_size(name):
    network = build_autoencoder(name, (32, 96), 1)
    assert network.input_shape == (None, 32, 96, 3)
    assert network.output_shape == (None, 32, 96, 1)


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_all_layers_count(name):
    """No dead end: every weight has a gradient."""
    import tensorflow

    keras.utils.set_random_seed(0)
    network = build_autoencoder(name, (64, 64), 3)
    images = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3)).astype("float32")
    with tensorflow.GradientTape() as tape:
        loss = keras.ops.mean(
            LOSSES["mse"](images / 255, network(images, training=True))
        )
    variables = network.trainable_variables
    found = tape.gradient(loss, [variable.value for variable in variables])
    dead = [
        variable.path
        for variable, gradient in zip(variables, found, strict=True)
        if gradient is None or not np.abs(gradient).max() > 0
    ]
    assert not dead


def pictures(size=(48, 40), batch=3):
    random = np.random.default_rng(0)
    truth = random.random((batch, *size, 3), np.float32)
    other = np.clip(truth + random.normal(0, 0.1, truth.shape), 0, 1)
    return truth, other.astype(np.float32)


def value(name, truth, rebuilt):
    found = keras.ops.convert_to_numpy(LOSSES[name](truth, rebuilt))
    assert found.shape == (len(truth),)
    return found


def test_squares():
    truth, other = pictures()
    squares = (truth - other) ** 2
    assert value("mse", truth, other) == pytest.approx(squares.mean(axis=(1, 2, 3)))
    halves = squares.sum(axis=(1, 2, 3)) / 2
    assert value("l2", truth, other) == pytest.approx(halves, rel=1e-4)


def test_ssim_is_that_of_the_residual_where_windows_lie_in_the_image():
    truth, other = pictures()
    inside = [
        ssim_map(a, b)[5:-5, 5:-5].mean() for a, b in zip(truth, other, strict=True)
    ]
    assert value("ssim", truth, other) == pytest.approx(1 - np.array(inside), abs=1e-4)
    both = value("mse", truth, other) + value("ssim", truth, other)
    assert value("combined", truth, other) == pytest.approx(both / 2, abs=1e-6)


def test_of_a_small_image_the_scales_are_fewer():
    """At 48 x 40 there are two: contrast of the first, all of the second."""
    truth, other = pictures()
    halved = [x.reshape(3, 24, 2, 20, 2, 3).mean(axis=(2, 4)) for x in (truth, other)]
    second = 1 - value("ssim", *halved)
    first, last = (weight / sum(SCALE_WEIGHTS[:2]) for weight in SCALE_WEIGHTS[:2])
    found = 1 - value("ms_ssim", truth, other)
    contrast = (found / second**last) ** (1 / first)
    plain = 1 - value("ssim", truth, other)
    assert (contrast >= plain - 1e-5).all() and (contrast <= 1).all()
    assert value("ms_ssim", truth, truth) == pytest.approx(np.zeros(3), abs=1e-5)


@pytest.fixture
def quick(small_dataset, tmp_path):
    return {
        "model": "cae_baseline",
        "data": small_dataset,
        "runs": tmp_path / "runs",
        "image_size": (32, 32),
        "epochs": 3,
        "loss": "mse",
    }


class Killed(BaseException):
    """Stands for a process that is gone between two lines."""


@pytest.mark.slow
def test_a_killed_training_resumes_to_the_same(quick, monkeypatch):
    monkeypatch.setattr(rate_finder, "GROWTH", 1.5)
    whole = train(**quick, find_lr=True)
    save = training._save

    def save_and_die(*arguments):
        save(*arguments)
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(training, "_save", save_and_die)
        train(**quick, find_lr=True)
    (left,) = quick["runs"].glob("*.unfinished")
    (left / "owner").unlink()
    resumed = train(**quick, find_lr=True, resume=left)
    for name in ("history.csv", "predictions.csv", "learning_rate.csv"):
        assert (resumed / name).read_bytes() == (whole / name).read_bytes()
    config = read_run(resumed).config
    assert any("learning rate finder chose" in note for note in config["notes"])
    assert (resumed / "plots" / "learning_rate.png").is_file()
    history = pd.read_csv(resumed / "history.csv")
    assert list(history) == ["stage", "epoch", "learning_rate", "loss", "val_loss"]
    assert history["epoch"].tolist() == [1, 2, 3]


@pytest.mark.slow
def test_it_shows_the_reconstruction(quick):
    folder = train(**quick, colours="grey", residual="l2")
    image = np.random.default_rng(0).integers(0, 255, (48, 48, 3), np.uint8)
    (given, first), (rebuilt, second) = load_predictor(folder).compared(image)
    assert (first, second) == ("input", "reconstruction")
    assert given.shape == rebuilt.shape == (32, 32, 3)
    assert (rebuilt[..., 0] == rebuilt[..., 2]).all()  # of a grey one
    assert read_run(folder).config["num_parameters"] > 10_000


@pytest.mark.parametrize(
    "options, said",
    [
        ({"image_size": (48, 64)}, "must be multiples of 32. Received: 48 64"),
        ({"model": "patch_autoencoder", "patch_size": 30}, "--patch-size must be"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(quick, options, said):
    with pytest.raises(InputError, match=said):
        train(**quick | options)
    assert not quick["runs"].exists()
