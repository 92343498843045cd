"""Where the defects are: targets of cells, in step with the images."""

import keras
import numpy as np
import pytest

from classification.batches import loop_augmentation, make_targets
from classification.model import build_features, build_head, join
from classification.places import (
    WEIGHT,
    Places,
    cell_targets,
    located_batches,
    read_places,
    taught_places,
)
from preprocessing.augmenting.augmentation import geometry_and_light
from preprocessing.datasets import ImageStore
from preprocessing.images import read_image
from preprocessing.manifest import read_dataset

SIZE = (48, 48)


@pytest.fixture(scope="module")
def masked(make_masked, tmp_path_factory):
    return read_dataset(make_masked(tmp_path_factory.mktemp("masked")))


def places_of(masks=None):
    return Places(masks or {}, np.array([1, 0]), normal=1, num_classes=3)


def test_defect_and_rest_have_half_of_the_weight_each():
    mask = np.zeros((8, 8), bool)
    mask[0:4, 0:4] = True  # the whole first cell of four
    mask[0, 4] = True  # 1 of 16 pixels of the second, less than a quarter: its edge
    found = cell_targets(mask, 2, places_of(), (2, 2))
    expected = np.zeros((2, 2, 3))
    expected[0, 0, 2] = 0.5
    expected[1, :, 1] = 0.25
    assert found == pytest.approx(expected)


def test_without_a_mask_good_parts_are_good_everywhere_and_others_unknown():
    assert cell_targets(None, 1, places_of(), (2, 2))[..., 1] == pytest.approx(0.125)
    assert not cell_targets(None, 2, places_of(), (2, 2)).any()


def test_masks_are_read_for_defects_alone(masked, washers):
    rows = masked.rows("train")
    places = read_places(masked, rows, (24, 24))
    bad = np.flatnonzero((rows["label"] == "bad").to_numpy())
    assert sorted(places.masks) == bad.tolist() and places.normal == 1
    image = read_image(masked.folder / rows["path"].iloc[bad[0]])
    red = (image == (255, 0, 0)).all(axis=2)
    reduced = red.reshape(24, 2, 24, 2).any((1, 3))
    assert np.array_equal(places.masks[bad[0]], reduced)
    plain = read_dataset(washers)
    assert read_places(plain, plain.rows("train"), SIZE) is None


def test_targets_move_with_the_images(masked):
    rows = masked.rows("train")
    store = ImageStore([masked.folder / path for path in rows["path"]], SIZE)
    batches = located_batches(
        store,
        make_targets(rows["label"], masked.classes, "weighted", among=range(len(rows))),
        read_places(masked, rows, SIZE),
        np.arange(len(rows)),
        8,
        grid=(12, 12),
        augmentation=geometry_and_light(
            flips=("horizontal",), rotation=0, brightness=(1, 1)
        ),
        seed=0,
    )
    for (images, cells), one_hot, weights in batches(0):
        red = (images == (255, 0, 0)).all(axis=3)
        share = red.reshape(-1, 12, 4, 12, 4).mean((2, 4))
        assert np.array_equal(cells[..., 0] > 0, (share >= 0.25) & (share > 0))
        assert len(one_hot) == len(weights) == len(images) == 8
    again = [inputs[1] for inputs, *_ in batches(0)]
    assert all(map(np.array_equal, again, [x[1] for x, *_ in batches(0)]))


def test_the_loss_of_the_cells_is_added_and_trains_the_classifier():
    keras.utils.set_random_seed(0)
    features = build_features("small_cnn", SIZE, num_classes=2)
    classifier = join(features, build_head(features.output_shape[1], 2))
    taught = taught_places(classifier, 2)
    rows, columns = taught.inputs[1].shape[1:3]
    images = np.random.default_rng(0).integers(0, 255, (2, *SIZE, 3), np.uint8)
    cells = np.zeros((2, rows, columns, 2), np.float32)
    cells[..., 1] = 1 / (rows * columns)
    taught.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy")
    scores = features.get_layer("scores")
    scores.set_weights([np.zeros(w.shape) for w in scores.get_weights()])
    one_hot = np.eye(2, dtype=np.float32)
    plain = float(taught.evaluate([images, 0 * cells], one_hot, verbose=0))
    both = float(taught.evaluate([images, cells], one_hot, verbose=0))
    # scores of zero: each image's cells, of weight 1 together, cost log 2
    assert both - plain == pytest.approx(WEIGHT * np.log(2), rel=1e-4)
    before = classifier.predict_on_batch(images)
    assert taught.predict_on_batch([images, cells]) == pytest.approx(before, abs=1e-6)
    taught.train_on_batch([images, cells], one_hot)
    assert not np.allclose(classifier.predict_on_batch(images), before)


@pytest.mark.parametrize("rotation, turns", [(90, True), (10, False)])
def test_images_are_turned_by_quarters_where_copies_may_be(rotation, turns, masked):
    recipe = {"flips": ["none"], "rotation": rotation, "brightness": [0.5, 1.5]}
    dataset = masked._replace(info=masked.info | {"augmentation": recipe})
    assert loop_augmentation(dataset, turns=True).quarter_turns == turns
    assert not loop_augmentation(dataset).quarter_turns
    assert not loop_augmentation(masked, turns=True).quarter_turns
