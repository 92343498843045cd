"""The recommended way: ImageNet-like weights from a file, head, then fine-tuning."""

import numpy as np
import pandas as pd
import pytest

from classification import head
from classification.train import load_predictor, train
from evaluation.run_folder import read_run
from goodparts.command import InputError
from networks import training
from preprocessing.data_augmentation import augment_dataset
from preprocessing.manifest import read_dataset, write_dataset


@pytest.fixture(autouse=True)
def short_head(monkeypatch):
    monkeypatch.setattr(head, "EPOCHS", 4)


@pytest.fixture
def quick(weights, tmp_path):
    """Arguments of a short training of mobilenetv2."""
    return {
        "model": "mobilenetv2",
        "runs": tmp_path / "runs",
        "image_size": (32, 32),
        "weights": str(weights),
        "epochs": 3,
        "batch_size": 8,
        "unfreeze": "0:2,2:4",
    }


def test_the_whole_recipe_with_copies(small_dataset, quick):
    augment_dataset(small_dataset, balance=True)
    run = train(data=small_dataset, **quick)
    history = pd.read_csv(run / "history.csv")
    stages = history["stage"].unique().tolist()
    assert stages[0] in ("head", "head with copies") and stages[1:] == ["fine-tuning"]
    assert any("copies" in note for note in read_run(run).config["notes"])
    assert not (run / "checkpoints").exists()
    assert (run.parent / ".features").is_dir()


def test_zero_epochs_train_the_head_alone(small_dataset, quick):
    run = train(data=small_dataset, **quick | {"epochs": 0, "unfreeze": None})
    history = pd.read_csv(run / "history.csv")
    assert history["stage"].tolist() == ["head"] * 4
    assert history["learning_rate"].tolist() == pytest.approx(
        [1e-3, 2e-4, 2e-4, 4e-5]  # middles at 1/8, 3/8, 5/8, 7/8 of the way
    )
    images = np.zeros((2, 40, 30, 3), np.uint8)
    predictor = load_predictor(run)
    assert predictor.explain(images, ["bad", "good"]).shape == (2, 40, 30)


class Killed(BaseException):
    """Stands for a process that is gone between two lines."""


@pytest.mark.parametrize(
    "killed_after", [4, *(pytest.param(x, marks=pytest.mark.slow) for x in (1, 5, 7))]
)
def test_a_killed_training_resumes_to_the_same(
    killed_after, small_dataset, quick, monkeypatch
):
    """Killed right after a checkpoint: in the head, between the stages, and later."""
    whole = train(data=small_dataset, **quick)
    saved = []
    save = training.write_state

    def save_and_die(*arguments, **named):
        save(*arguments, **named)
        saved.append(arguments)
        if len(saved) == killed_after:
            raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(training, "write_state", save_and_die)
        train(data=small_dataset, **quick)
    (left,) = quick["runs"].glob("*.unfinished")
    (left / "owner").write_text("elsewhere 1")
    with pytest.raises(InputError, match="being trained by another process"):
        train(data=small_dataset, resume=left, **quick)
    (left / "owner").unlink()
    resumed = train(data=small_dataset, resume=left, **quick)
    for name in ("history.csv", "predictions.csv"):
        assert (resumed / name).read_bytes() == (whole / name).read_bytes()
    assert not list(quick["runs"].glob("*.unfinished"))


@pytest.mark.slow
def test_a_killed_training_with_masks_resumes_to_the_same(
    make_masked, tmp_path, monkeypatch
):
    data = make_masked(tmp_path)
    quick = {"model": "small_cnn", "runs": tmp_path / "runs", "epochs": 3}
    quick |= {"data": data, "image_size": (48, 48)}
    whole = train(**quick)
    save = training.write_state

    def save_and_die(*arguments, **named):
        save(*arguments, **named)
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(training, "write_state", save_and_die)
        train(**quick)
    (left,) = quick["runs"].glob("*.unfinished")
    (left / "owner").unlink(missing_ok=True)
    resumed = train(resume=left, **quick)
    for name in ("history.csv", "predictions.csv"):
        assert (resumed / name).read_bytes() == (whole / name).read_bytes()


def test_what_cannot_be_resumed_is_refused(small_dataset, quick, tmp_path):
    with pytest.raises(InputError, match="There is no folder"):
        train(data=small_dataset, resume=tmp_path / "nothing", **quick)
    with pytest.raises(InputError, match="is not an unfinished run folder"):
        train(data=small_dataset, resume=tmp_path, **quick)
    other = {"model": "small_cnn", "unfreeze": None, "weights": "none"}
    run = train(data=small_dataset, **quick | other)
    with pytest.raises(InputError, match="is finished"):
        train(data=small_dataset, resume=run, **quick)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["focal", "cross_entropy"])
def test_other_losses_train(loss, small_dataset, quick):
    extra = {"epochs": 1, "loss": loss, "label_smoothing": 0.1, "unfreeze": "0:1"}
    history = pd.read_csv(train(data=small_dataset, **quick | extra) / "history.csv")
    assert history["loss"].iloc[-2] < history["loss"].iloc[0]


def test_what_cannot_be_trained_is_refused(small_dataset, tmp_path):
    quick = {"model": "small_cnn", "runs": tmp_path / "runs"}
    with pytest.raises(InputError, match="from 32 32 to 900 900. Received: 8 64"):
        train(data=small_dataset, image_size=(8, 64), **quick)
    with pytest.raises(InputError, match="--epochs 0 trains a head on pretrained"):
        train(data=small_dataset, epochs=0, **quick)
    dataset = read_dataset(small_dataset)
    rows = dataset.manifest
    goods = rows[(rows["label"] == "good") | (rows["split"] != "train")]
    write_dataset(small_dataset, goods, dataset.info)
    with pytest.raises(InputError, match="train split of .* has no images of bad"):
        train(data=small_dataset, **quick)
    assert not (tmp_path / "runs").exists()
