import numpy as np
import pytest

from preprocessing.create_folders import create_folders
from preprocessing.images import write_image

SIZE = (56, 80)


def draw_part(random, label):
    """A dark part with a bright square hole, or a bright scratch; and its mask."""
    image = random.integers(20, 60, (*SIZE, 3), dtype=np.uint8)
    mask = np.zeros(SIZE, bool)
    top, left = random.integers(4, 26, 2)
    if label == "hole":
        mask[top : top + 18, left : left + 18] = True
        image[mask] = (230, 230, 230)
    if label == "scratch":
        mask[top : top + 6, left : left + 40] = True
        image[mask] = (200, 60, 60)
    return image, mask


@pytest.fixture(scope="session")
def holes(tmp_path_factory):
    """A data set of good parts, holes and scratches with masks; read only."""
    folder = tmp_path_factory.mktemp("parts") / "holes"
    random = np.random.default_rng(0)
    for label in ("good", "hole", "scratch"):
        for number in range(18):
            image, mask = draw_part(random, label)
            path = folder / label / f"{number:02d}.png"
            write_image(path, image)
            if mask.any():
                write_image(path.with_name(f"{number:02d}_mask.png"), mask)
    out = tmp_path_factory.mktemp("dataset")
    return create_folders(folder, out=out, grouping="none")[0].folder
