import numpy as np
import pytest

from evaluation.anomaly_maps import MapWriter
from goodparts.files import write_json
from preprocessing.images import write_image
from reporting.mistakes import decisions
from reporting.overlays import Overlays


def first_row(run):
    return next(decisions(run).itertuples())


def test_a_classifier_shows_the_named_class_left_and_the_true_one_right(
    dataset, make_run
):
    wrong = dataset.rows("test")["sample_id"][:1]
    run = make_run(dataset, "bovw", wrong=wrong)
    asked = []

    def explain(images, class_names):
        asked.append((images.shape, class_names))
        strength = {"scratch": 0.0, "good": 1.0}
        shape = images.shape[1:3]
        return np.stack([np.full(shape, strength[name]) for name in class_names])

    row = first_row(run)
    picture = Overlays(run, dataset, explain).overlay_for(row)
    assert asked == [((2, 9, 12, 3), [row.predicted, row.label])]
    assert {row.predicted, row.label} == {"scratch", "good"}
    left, right = picture[40:, :230].max(), picture[40:, 260:].mean()
    assert left < 60 < 100 < right


def test_without_a_map_or_an_explanation_there_is_nothing_to_show(dataset, make_run):
    run = make_run(dataset, "bovw")
    assert Overlays(run, dataset).overlay_for(first_row(run)) is None


@pytest.fixture
def mapped(dataset, make_run):
    """A detector whose maps are hot on the right."""
    run = make_run(dataset, "memory", detector=True)
    writer = MapWriter(run.folder)
    hot = np.zeros((3, 4))
    hot[:, 3] = 1
    for sample in run.predictions["sample_id"]:
        writer.write(sample, hot, is_good=False)
    run.config["outputs"] += ["map"]
    run.config["map_range"] = [0.0, 1.0]
    paths = run.predictions["sample_id"].map(writer.paths)
    run.predictions = run.predictions.assign(map_path=paths)
    return run


def test_a_map_is_drawn_beside_the_image(mapped, dataset):
    picture = Overlays(mapped, dataset).overlay_for(first_row(mapped))
    height, width = picture.shape[:2]
    right = picture[30:, width // 2 + 4 :].astype(int)
    assert right[:, -40:].mean() > right[:, :60].mean() + 60
    assert picture.dtype == np.uint8 and width > 2 * 240


def test_what_an_image_was_compared_with_stands_beside_it(mapped, dataset):
    asked = []

    def compared(image):
        asked.append(image.shape)
        return [(np.full((10, 30, 3), 200, np.uint8), "nearest good patch")]

    plain = Overlays(mapped, dataset).overlay_for(first_row(mapped))
    picture = Overlays(mapped, dataset, compared=compared).overlay_for(
        first_row(mapped)
    )
    assert asked == [(9, 12, 3)]
    assert picture.shape[0] == plain.shape[0]
    assert np.array_equal(picture[:, : plain.shape[1]], plain)
    added = picture[-100:, plain.shape[1] + 10 :]  # three times as wide as high
    assert added.shape[1] > 2 * 180 and (added[:, 50:-50] == 200).all()


def test_an_image_that_cannot_be_read_shows_nothing(mapped, make_dataset):
    other = make_dataset(name="parts")
    row = first_row(mapped)
    overlays = Overlays(mapped, other)
    assert overlays.overlay_for(row) is not None
    overlays.path(row.sample_id).write_bytes(b"no image")
    assert overlays.overlay_for(row) is None
    overlays.path(row.sample_id).unlink()
    assert overlays.overlay_for(row) is None


def test_found_instances_are_scaled_with_the_image(dataset, make_run):
    run = make_run(dataset, "boxes", detector=True)
    run.config["outputs"] += ["instances"]
    row = first_row(run)
    found = {
        "bbox": [0, 0, 6, 9],
        "score": 0.9,
        "label": "x",
        "sample_id": row.sample_id,
    }
    write_json(run.folder / "instances.json", [found])
    picture = Overlays(run, dataset).overlay_for(row)
    plain = Overlays(run, dataset)
    plain._found = {}
    changed = (picture != plain.overlay_for(row)).any(axis=2)
    columns = np.flatnonzero(changed[30:].any(axis=0)) - (picture.shape[1] // 2 + 4)
    assert 0 <= columns.min() and 115 <= columns.max() <= 125  # half of 240 pixels


@pytest.mark.parametrize("size", [(9, 12), (700, 900), (3, 400), (400, 3)])
def test_pictures_have_a_size_for_a_screen(mapped, make_dataset, size):
    data = make_dataset(name="parts")
    overlays, row = Overlays(mapped, data), first_row(mapped)
    write_image(overlays.path(row.sample_id), np.zeros((*size, 3), np.uint8))
    picture = overlays.overlay_for(row)
    assert max(picture.shape) <= 2 * 640 + 8
    assert picture.shape[1] >= 2 * 240 + 8  # a caption has room
