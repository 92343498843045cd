"""What every model must do: train, predict, save, load equal, score defects higher."""

import json

import numpy as np
import pytest

from evaluation.predictions import read_predictions
from evaluation.run_folder import read_run
from goodparts.command import InputError
from models import MODELS, family, load_predictor
from preprocessing.images import read_image
from preprocessing.manifest import read_dataset, write_dataset

QUICK = {
    "mobilenetv2": {"weights": "none", "epochs": 1, "image_size": (32, 32)},
    "resnet50": {"weights": "none", "epochs": 1, "image_size": (32, 32)},
    "inceptionresnetv2": {"weights": "none", "epochs": 1, "image_size": (75, 75)},
    "efficientnetv2s": {"weights": "none", "epochs": 1, "image_size": (32, 32)},
    "small_cnn": {"epochs": 8, "image_size": (48, 48)},
    "bovw": {"num_words": 20, "image_size": (48, 48)},
}
LEARNS = {"small_cnn", "bovw"}  # the others are not trained long enough here
LARGE = {"inceptionresnetv2", "efficientnetv2s"}  # a minute each on two cores


@pytest.fixture(scope="module")
def trained(washers, tmp_path_factory):
    """Run folders by model name, each trained once."""
    runs = tmp_path_factory.mktemp("runs")
    folders = {}

    def get(name):
        if name not in folders:
            folders[name] = family(name).train(
                model=name, data=washers, runs=runs, **QUICK[name]
            )
        return folders[name]

    return get


@pytest.fixture(
    params=[
        pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else [])
        for name in sorted(MODELS)
    ]
)
def name(request):
    return request.param


def test_images(dataset):
    rows = dataset.rows("test")
    return rows, np.stack([read_image(dataset.folder / path) for path in rows["path"]])


test_images.__test__ = False


def test_every_model_has_a_quick_recipe():
    assert set(QUICK) == set(MODELS)


def test_run_folder_is_complete(name, trained, washers):
    run = read_run(trained(name))
    assert run.config["model"] == name and run.config["normal_class"] == "good"
    assert run.config["wall_time_s"] > 0 and run.config["peak_memory_mb"] > 50
    table = run.predictions
    dataset = read_dataset(washers)
    wanted = dataset.rows("validate", "test")["sample_id"].tolist()
    assert table["sample_id"].tolist() == wanted
    sums = table[[f"prob_{label}" for label in dataset.classes]].sum(axis=1)
    assert np.allclose(sums, 1, atol=1e-5)
    assert np.isfinite(table["defect_score"]).all()
    assert not list(run.folder.parent.glob(".*partial"))
    threshold = json.loads((run.folder / "threshold.json").read_text())
    assert threshold["split"] == "validate"


def test_loaded_predictor_equals_the_table(name, trained, washers):
    dataset = read_dataset(washers)
    rows, images = test_images(dataset)
    predictor = load_predictor(trained(name))
    assert predictor.classes == dataset.classes
    answer = predictor.predict(images)
    table = read_predictions(trained(name)).set_index("sample_id")
    expected = table.loc[rows["sample_id"], "defect_score"]
    assert np.allclose(answer.defect_score, expected, atol=1e-4)


def test_one_by_one_equals_the_batch_and_order_does_not_matter(name, trained, washers):
    _, images = test_images(read_dataset(washers))
    predict = load_predictor(trained(name)).predict
    batch = predict(images).probabilities
    assert np.allclose(predict(images[::-1]).probabilities[::-1], batch, atol=1e-4)
    assert np.allclose(predict(images[:1]).probabilities, batch[:1], atol=1e-4)


def test_other_sizes_are_resized_inside(name, trained):
    image = np.random.default_rng(0).integers(0, 255, (1, 90, 70, 3), np.uint8)
    assert np.isfinite(load_predictor(trained(name)).predict(image).defect_score).all()


def test_defects_score_higher(name, trained):
    if name not in LEARNS:
        pytest.skip("not trained long enough to learn")
    table = read_predictions(trained(name))
    is_bad = table["label"] == "bad"
    assert (
        table["defect_score"][is_bad].mean()
        > table["defect_score"][~is_bad].mean() + 0.2
    )


def test_channel_order_matters(trained, washers):
    """Red spots are the defect; swapped to blue they must not count the same."""
    _, images = test_images(read_dataset(washers))
    predict = load_predictor(trained("small_cnn")).predict
    swapped = predict(images[..., ::-1]).defect_score
    assert np.abs(predict(images).defect_score - swapped).max() > 0.05


@pytest.mark.parametrize("name", ["mobilenetv2", "small_cnn", "bovw"])
def test_same_seed_same_table_whatever_the_order(
    name, trained, small_dataset, tmp_path
):
    """Rows of the manifest shuffled, classes reversed: the same bytes."""
    folder, manifest, info = read_dataset(small_dataset)
    info["classes"] = info["classes"][::-1]
    write_dataset(folder, manifest.sample(frac=1, random_state=0), info)
    again = family(name).train(model=name, data=folder, runs=tmp_path, **QUICK[name])
    first = (trained(name) / "predictions.csv").read_bytes()
    assert (again / "predictions.csv").read_bytes() == first


def test_the_evidence_map_fits_the_image(name, trained, washers):
    explain = load_predictor(trained(name)).explain
    if explain is None:
        pytest.skip("has no map of where it sees a class")
    _, images = test_images(read_dataset(washers))
    maps = explain(images[:3], ["bad", "good", "bad"])
    assert maps.shape == (3, *images.shape[1:3])
    assert maps.min() >= 0 and maps.max() <= 1


def test_unknown_model_lists_the_known_ones():
    with pytest.raises(InputError, match="Did you mean mobilenetv2.*small_cnn, bovw"):
        family("mobilnetv2")
