"""Grad-CAM: the closed form is the gradient, and the map lies on the defect."""

import keras
import numpy as np
import pytest

from backbones import weights_file
from classification.evidence import _gradient
from classification.model import build_head
from classification.train import load_predictor, train
from preprocessing.create_folders import create_folders
from preprocessing.embedded_parts.render import render_dataset
from preprocessing.images import read_image, read_mask
from preprocessing.manifest import read_dataset


def test_the_written_down_gradient_is_the_numeric_one():
    keras.utils.set_random_seed(1)
    random = np.random.default_rng(0)
    head = build_head(6, 3)
    dense = [layer for layer in head.layers if isinstance(layer, keras.layers.Dense)]
    (w1, b1), (w2, b2) = (
        [np.asarray(w, np.float64) for w in layer.get_weights()] for layer in dense
    )

    def scores(pooled):
        return np.maximum(pooled @ w1 + b1, 0) @ w2 + b2

    pooled, indices = random.normal(size=(2, 6)), np.array([2, 0])
    numeric = np.zeros((2, 6))
    for feature in range(6):
        step = np.eye(6)[feature] * 1e-6
        slope = (scores(pooled + step) - scores(pooled - step)) / 2e-6
        numeric[:, feature] = slope[[0, 1], indices]
    assert np.allclose(_gradient(pooled, head, indices), numeric, atol=1e-4)


def share_in_mask(explain, rows, folder):
    """Mean share of the evidence that lies in the mask, and of the area it covers."""
    inside, area = [], []
    for row in rows.itertuples():
        image = read_image(folder / row.path)
        mask = read_mask(folder / row.mask_path)
        (found,) = explain(image[None], [row.label])
        inside.append(found[mask].sum() / max(found.sum(), 1e-9))
        area.append(mask.mean())
    return np.mean(inside), np.mean(area)


@pytest.mark.slow
def test_a_learned_spot_is_where_the_map_is(washers, tmp_path):
    """The spots are red, 8 of 48 pixels wide, in a grey square."""
    run = train(
        model="small_cnn", data=washers, runs=tmp_path, epochs=8, image_size=(96, 96)
    )
    dataset = read_dataset(washers)
    rows = dataset.rows("test", "validate")
    images = [
        read_image(dataset.folder / row.path)
        for row in rows.itertuples()
        if row.label == "bad"
    ]
    maps = load_predictor(run).explain(np.stack(images), ["bad"] * len(images))
    hits = 0
    for image, found in zip(images, maps, strict=True):
        spot = (image[..., 0] > 200) & (image[..., 1] < 50)
        peak = np.unravel_index(found.argmax(), found.shape)
        rows_of_spot, columns_of_spot = np.nonzero(spot)
        distance = np.hypot(
            peak[0] - rows_of_spot.mean(), peak[1] - columns_of_spot.mean()
        )
        hits += distance < 10
    assert hits >= 0.7 * len(images)  # by chance about 0.14


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.skipif(
    not weights_file("mobilenetv2").is_file(), reason="needs ImageNet weights"
)
def test_evidence_lies_on_the_defects_of_the_embedded_parts(tmp_path):
    """MobileNetV2 with ImageNet weights: twice as much in the mask as by chance."""
    render_dataset(tmp_path / "parts", num_images=200, size=256)
    folder = create_folders(tmp_path / "parts", out=tmp_path / "d")[0].folder
    run = train(model="mobilenetv2", data=folder, runs=tmp_path / "runs")
    dataset = read_dataset(folder)
    rows = dataset.rows("test", "validate")
    rows = rows[rows["mask_path"] != ""]
    inside, area = share_in_mask(load_predictor(run).explain, rows, folder)
    assert inside > 2 * area
