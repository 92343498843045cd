"""A suggestion from good parts alone."""

import re
import shutil

import numpy as np
import pytest

from anomaly import suggest as suggesting
from anomaly.good_facts import facts_lines, find_facts
from anomaly.suggest import Preset, suggest
from anomaly.suggestion import suggestion_text
from goodparts.command import InputError
from goodparts.files import read_json
from preprocessing.create_folders import create_folders
from preprocessing.images import read_image


@pytest.fixture
def good_alone(part_folder, tmp_path):
    good = shutil.copytree(part_folder / "good", tmp_path / "parts" / "good")
    return create_folders(good.parent, out=tmp_path / "dataset", grouping="none")[0]


def test_it_says_what_it_found_and_what_it_cannot_tell(
    good_alone, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        suggesting,
        "PRESETS",
        (Preset("colour_novelty"), Preset("colour_novelty", has_pose=False)),
    )
    out = tmp_path / "suggestion"
    record = suggest(data=good_alone.folder, out=out, image_size=(48, 48))
    (preset,) = record["presets"]  # without a pose both are one
    assert preset["flags"] == "--model colour_novelty" and record["best"] == 0
    assert preset["by_kind"]["spot"] > 0.7 > preset["by_kind"]["smooth"]
    assert not preset["is_clearly_worse"]
    stored = read_json(out / "suggestion.json")
    assert stored["presets"] == record["presets"]
    assert "no expected accuracy" in stored["cannot_tell"]
    picture = read_image(out / "spot.jpg")
    assert picture.shape[1] == 3 * 240 and picture.shape[0] % 240 == 0
    text = suggestion_text(record)
    assert "--model colour_novelty --data" in text and "cannot separate" in text
    assert max(map(len, text.splitlines())) <= 100
    assert re.search(r"^spot +[01]\.\d\d$", text, re.MULTILINE)
    again = suggest(data=good_alone.folder, out=out, image_size=(48, 48))
    assert again == record


def test_a_clearly_worse_preset_is_said_to_be_worse():
    cases = []
    random = np.random.default_rng(0)
    for group in range(30):
        for kind in ("", *suggesting.KINDS):
            level = float(kind != "") + 0.1 * random.normal()
            noise = random.normal()
            cases.append(suggesting._Case(kind, group, [noise, level]))
    record = suggesting._record([Preset("gaussian"), Preset("memory_bank")], cases)
    assert record["best"] == 1
    assert [each["is_clearly_worse"] for each in record["presets"]] == [True, False]


def test_too_few_good_parts_are_refused(make_dataset, tmp_path):
    folder = make_dataset(groups=1).folder
    with pytest.raises(InputError, match="four or more, of different parts|held out"):
        suggest(data=folder, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def bars(angles, shifts):
    for angle, shift in zip(angles, shifts, strict=True):
        image = np.full((100, 120, 3), 230, np.uint8)
        y, x = np.mgrid[:100, :120]
        x, y = x - 60 - shift, y - 50
        along = x * np.cos(angle) + y * np.sin(angle)
        across = -x * np.sin(angle) + y * np.cos(angle)
        image[(np.abs(along) < 30) & (np.abs(across) < 8)] = (60, 70, 80)
        yield image


def test_the_facts_are_those_of_the_parts():
    facts = find_facts(bars(np.zeros(9), [-6, 6, 0] * 3))
    assert facts.border == 0 and facts.area == pytest.approx(0.08, abs=0.01)
    assert facts.centre_spread == pytest.approx(np.std([-6, 6, 0]) / 120, abs=0.004)
    assert facts.turn_spread == pytest.approx(0, abs=2)
    turned = find_facts(bars(np.radians([80, 100, 90, 80, 100, 90]), [0] * 6))
    assert turned.turn_spread == pytest.approx(np.std([80, 100, 90]), abs=2)
    assert turned.centre_spread < 0.01
    assert "degrees" in " ".join(facts_lines(turned))
