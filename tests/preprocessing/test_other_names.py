"""File names that are not UTF-8: used, and written escaped."""

import json
import os

import numpy as np
import pytest
from import_helpers import BOX, coco, mask, picture, write_json

from goodparts.files import escaped, read_json
from goodparts.files import write_json as write_settings
from preprocessing.create_folders import create_folders
from preprocessing.images import write_image
from preprocessing.importing.layouts import read_source
from preprocessing.manifest import read_dataset

LATIN = os.fsdecode(b"f\xe4rbe")  # in Latin-1


@pytest.fixture
def parts(tmp_path):
    """Class folders good and one of another spelling, and a broken image."""
    folder = tmp_path / os.fsdecode(b"teil\xe9")
    random = np.random.default_rng(0)
    try:
        folder.mkdir()
    except (OSError, UnicodeError):
        pytest.skip("file names are UTF-8 here")
    for label in ("good", LATIN):
        for number in range(9):
            pixels = random.integers(0, 256, (24, 24, 3), dtype=np.uint8)
            write_image(folder / label / f"{LATIN}{number}.png", pixels)
    (folder / "good" / f"{LATIN}.jpg").write_bytes(b"no image")
    (folder / "good" / os.fsdecode(b"note.t\xfft")).write_text("")
    return folder


def test_a_data_set_of_any_names(parts, tmp_path):
    made = [create_folders(parts, out=tmp_path, grouping="none") for _ in range(2)]
    dataset = read_dataset(made[0][0].folder, check_files=True)
    assert [is_new for _, is_new in made] == [True, False]  # the same the second time
    assert dataset.name == "teil%E9"
    assert dataset.classes == ["f%E4rbe", "good"]
    assert len(dataset.manifest) == 18
    assert dataset.manifest["source"].str.fullmatch(r"(.*/)f%E4rbe\d\.png").all()
    rejected = (dataset.folder / "rejected.csv").read_text()
    assert "good/f%E4rbe.jpg," in rejected and "*.t%FFt,1 file not used" in rejected
    assert all(path.name.isascii() for path in dataset.folder.rglob("*"))


def test_masks_and_annotations_of_such_names_are_found(tmp_path):
    for number in range(3):
        picture(tmp_path / "pairs" / f"{LATIN}{number}.png")
        mask(tmp_path / "pairs" / f"{LATIN}{number}_mask.png", defect=number > 0)
        picture(tmp_path / "coco" / f"{number}.png")
    found = read_source(tmp_path / "pairs").images
    assert [image.label for image in found] == ["good", "defect", "defect"]
    content = coco([f"{number}.png" for number in range(3)], [(1, 1, BOX)])
    content["categories"][0]["name"] = "\udcff"  # JSON can hold it
    write_json(tmp_path / "coco" / f"{LATIN}.json", content)
    found = read_source(tmp_path / "coco").images
    assert [image.label for image in found] == ["%FF", "good", "good"]
    assert found[0].instances[0]["label"] == "%FF"


def test_settings_lead_to_the_file(tmp_path):
    write_settings(tmp_path / "config.json", {"dataset_folder": LATIN})
    assert read_json(tmp_path / "config.json") == {"dataset_folder": LATIN}
    assert json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))


def test_escaped():
    assert escaped("größe 良品 100 %") == "größe 良品 100 %"
    assert escaped("\ud800") == "%uD800"
