"""Threshold and least area of a run, with its plots and pictures."""

import numpy as np
import pytest

from commands import tune
from evaluation.anomaly_maps import MapWriter
from evaluation.run_folder import read_run, write_results
from goodparts.command import InputError
from goodparts.files import read_json, write_json
from preprocessing.images import read_image
from reporting.tune_run import tune_run, tuning_text


def with_maps(run, *, classes=("good", "scratch")):
    """Good parts have one hot pixel, defective ones a large region that is less hot."""
    writer = MapWriter(run.folder)
    for number, row in enumerate(run.predictions.itertuples()):
        found = np.zeros((30, 40), np.float32)
        found[number % 20, number % 30] = 5.0
        if row.label != "good":
            found[10:18, 10:18] = 2.0
        writer.write(row.sample_id, found, is_good=row.label == "good")
    table = run.predictions
    table = table.assign(map_path=table["sample_id"].map(writer.paths))
    table = table[table["label"].isin(classes)]
    config = run.config | {"outputs": ["score", "map"], "map_range": [0.0, 4.0]}
    write_json(run.folder / "config.json", config)
    write_results(run.folder, table, config)
    return read_run(run.folder)


@pytest.fixture
def mapped(dataset, make_run):
    return with_maps(make_run(dataset, "memory", detector=True))


def test_the_pair_is_chosen_on_validate_and_reported_on_test(mapped):
    record = tune_run(mapped, lambda image: [(image[:, ::-1], "mirrored")])
    assert 0 < record["threshold"] <= 2 and 1 / 1200 < record["least_area"] <= 64 / 1200
    assert record["score_on_validate"] == 1 and record["split"] == "validate"
    assert record["test"]["missed"]["value"] == 0
    assert record["test"]["false_rejected"]["value"] == 0
    folder = mapped.folder / "tuning"
    assert read_json(folder / "tuning.json") == record
    for name in ("regions", "region_sizes", "scores"):
        assert read_image(folder / f"{name}.png").std() > 10
    examples = sorted(path.name for path in (folder / "examples").iterdir())
    assert [name.split("__")[:2] for name in examples] == [
        *[["good", "accepted"]] * 4,
        *[["scratch", "rejected"]] * 4,
    ]
    picture = read_image(folder / "examples" / examples[0])
    assert picture.shape[1] > 4 * 240  # image, reconstruction, map and mask
    text = tuning_text(mapped, record)
    assert "go on deciding by the threshold of the scores" in text
    assert max(map(len, text.splitlines()[:-1])) <= 100


def test_test_is_not_looked_at_to_choose(mapped):
    before = tune_run(mapped)
    table = mapped.predictions
    for path in table["map_path"][table["split"] == "test"]:
        np.savez(mapped.folder / path, map=np.full((30, 40), 9, np.float16))
    after = tune_run(read_run(mapped.folder))
    assert after["threshold"] == before["threshold"]
    assert after["least_area"] == before["least_area"]
    assert after["test"]["false_rejected"]["value"] == 1


def test_from_good_parts_alone(dataset, make_run):
    run = with_maps(make_run(dataset, "memory", detector=True), classes=("good",))
    record = tune_run(run)
    assert not record["has_defects"] and "no defective parts" in record["reason"]
    assert record["test"]["false_rejected"]["value"] <= 0.01


def test_a_run_without_maps_is_refused(dataset, make_run):
    with pytest.raises(InputError, match="no anomaly maps, so there are no regions"):
        tune_run(make_run(dataset, "bovw"))


def test_the_command_prints_the_rule(mapped, capsys):
    parser_of = tune.ArgumentParser()
    tune.add_arguments(parser_of)
    tune.run(parser_of.parse_args([str(mapped.folder)]))
    shown = capsys.readouterr().out
    assert "a part is defective if a region of its map" in shown
    assert shown.rstrip().endswith(str(mapped.folder / "tuning"))
