"""The worst patch of an image, and the good one that it is most like."""

import numpy as np
import pytest

from anomaly.comparison import ORIGINS
from anomaly.train import load_predictor, train
from commands.evaluate import load_compared
from evaluation.run_folder import read_run
from preprocessing.images import read_image
from preprocessing.manifest import read_dataset


@pytest.fixture(scope="module")
def bank(washers, tmp_path_factory):
    return train(
        data=washers,
        runs=tmp_path_factory.mktemp("runs"),
        weights="none",
        alpha=0.35,
        image_size=(96, 96),
        bank_size=5000,
    )


def test_a_good_image_of_train_is_most_like_itself(bank, washers):
    dataset = read_dataset(washers)
    rows = dataset.rows("train")
    path = rows["path"][rows["label"] == "good"].iloc[2]
    shown = load_predictor(bank).compared(read_image(washers / path))
    (worst, first), (good, second) = shown
    assert (first, second) == ("most unlike", "nearest good patch")
    assert np.array_equal(worst, good)


def test_the_worst_patch_of_a_defect_shows_it(bank, washers):
    rows = read_dataset(washers).rows("test")
    path = rows["path"][rows["label"] == "bad"].iloc[0]
    (worst, _), (good, _) = load_predictor(bank).compared(read_image(washers / path))
    is_red = (worst[..., 0] > 200) & (worst[..., 1] < 60)
    assert is_red.any()
    assert not ((good[..., 0] > 200) & (good[..., 1] < 60)).any()


def test_without_the_data_set_the_worst_patch_is_shown_alone(bank):
    (bank / ORIGINS).write_text("path,cell\n")
    image = np.zeros((48, 48, 3), np.uint8)
    assert [name for _, name in load_predictor(bank).compared(image)] == ["most unlike"]


def test_evaluate_loads_it_where_a_run_says_so(bank, make_run, dataset):
    assert load_compared(read_run(bank)) is not None
    assert load_compared(make_run(dataset, "bovw")) is None
