import shutil

import numpy as np
import pytest

from preprocessing.create_folders import create_folders
from preprocessing.images import write_image


@pytest.fixture(scope="session")
def part_folder(tmp_path_factory):
    """Class folders good/ (24 images) and bad/ (18), 48 px; bad ones have a spot."""
    folder = tmp_path_factory.mktemp("parts") / "washers"
    random = np.random.default_rng(0)
    for label, count in (("good", 24), ("bad", 18)):
        for number in range(count):
            image = random.integers(60, 120, (48, 48, 3), dtype=np.uint8)
            top, left = random.integers(4, 28, 2)
            image[top : top + 16, left : left + 16] = 160
            if label == "bad":
                image[top + 4 : top + 12, left + 4 : left + 12] = (255, 0, 0)
            write_image(folder / label / f"{number:02d}.png", image)
    return folder


@pytest.fixture(scope="session")
def washers(part_folder, tmp_path_factory):
    """A data set made of `part_folder`; read only."""
    out = tmp_path_factory.mktemp("dataset")
    return create_folders(part_folder, out=out, grouping="none")[0].folder


@pytest.fixture
def small_dataset(washers, tmp_path):
    """A copy of `washers` of its own."""
    return shutil.copytree(washers, tmp_path / "washers")
