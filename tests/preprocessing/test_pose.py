import numpy as np
import pandas as pd
import pytest

from preprocessing.augmenting.pose import has_fixed_pose
from preprocessing.images import write_image
from preprocessing.manifest import Dataset


@pytest.mark.parametrize("turned, fixed", [(False, True), (True, False)])
def test_a_bright_corner_is_a_pose_until_the_parts_are_turned(tmp_path, turned, fixed):
    random, names = np.random.default_rng(0), []
    for number in range(20):
        image = random.integers(0, 80, (40, 40, 3), dtype=np.uint8)
        image[:16, :16] += 150
        turns = random.integers(4) if turned else 0
        names.append(f"{number}.png")
        write_image(tmp_path / names[-1], np.ascontiguousarray(np.rot90(image, turns)))
    manifest = pd.DataFrame(
        {"path": names, "sample_id": names, "split": "train", "source": ""}
    )
    assert has_fixed_pose(Dataset(tmp_path, manifest, {})) == fixed
