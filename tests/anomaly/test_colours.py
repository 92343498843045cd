"""Colours that good parts do not have."""

import numpy as np
import pytest

from anomaly.bundled import LEARNT
from anomaly.colour_table import (
    LEVELS,
    ColourTable,
    check_table,
    colours_of,
    measure,
)
from anomaly.colours import table_of
from anomaly.train import train
from evaluation.run_folder import read_run
from preprocessing.manifest import read_dataset

RED, BLUE = (200, 40, 40), (40, 40, 200)


def plain(colour, size=(32, 32)):
    return np.full((*size, 3), colour, np.uint8)


def table_for(*images):
    is_good = np.zeros(LEVELS, bool)
    for image in images:
        is_good[tuple(colours_of(image).reshape(-1, 3).T)] = True
    return table_of(is_good)


def test_known_colours_are_at_no_distance_and_others_are_far():
    table = table_for(plain(RED))
    assert check_table(table) is None
    image = plain(RED)
    image[8:24, 8:24] = BLUE
    found = measure(image, table)
    assert found.shape == (8, 8) and found[0, 0] == 0
    assert found[4, 4] == pytest.approx(125, abs=15)  # of sRGB red and blue, CIELAB


def test_a_slightly_other_shade_is_near():
    table = table_for(plain(RED))
    near, far = measure(plain((190, 48, 48)), table), measure(plain(BLUE), table)
    assert 0 < near.max() < 15 < far.max()


def test_a_table_of_another_shape_is_refused():
    assert check_table(ColourTable(np.zeros((2, 2, 2), np.float32)))


def test_it_is_learnt_from_good_parts_of_train_alone(
    small_dataset, change_images, tmp_path
):
    """A colour of test, or of defects, does not become a known one; one that a single
    good image shows neither."""
    dataset = read_dataset(small_dataset)
    rows = dataset.manifest
    good = rows[(rows["label"] == "good") & (rows["split"] == "train")]
    paths = [*rows["path"][rows["split"] == "test"], good["path"].iloc[0]]

    def add_blue(image):
        image[:12, :12] = BLUE

    change_images(small_dataset, paths, add_blue)
    folder = train(
        model="colour_novelty",
        data=small_dataset,
        runs=tmp_path / "runs",
        image_size=(48, 48),
    )
    with np.load(folder / LEARNT) as arrays:
        table = ColourTable(arrays["distances"])
    assert measure(plain(BLUE), table).min() > 20
    assert measure(plain((160, 160, 160)), table).max() == 0  # the square of the parts
    run = read_run(folder)
    assert run.outputs == {"score", "map"} and not (folder / "features.onnx").exists()
