"""What a detector cannot be trained with is refused in one line, before any work."""

import pytest

from anomaly.train import train
from goodparts.command import InputError


@pytest.mark.parametrize(
    "options, said",
    [
        ({"backbone": "resnet50", "alpha": 0.5}, "--alpha of resnet50 must be"),
        ({"alpha": 0.7}, "--alpha of mobilenetv2 must be one of 0.35"),
        ({"image_size": (16, 64)}, "--image-size with mobilenetv2 must be 32 32"),
    ],
)
def test_options_that_do_not_fit_the_backbone(washers, tmp_path, options, said):
    with pytest.raises(InputError, match=said):
        train(data=washers, runs=tmp_path / "runs", weights="none", **options)
    assert not (tmp_path / "runs").exists()


def test_without_good_parts_there_is_nothing_to_learn(make_dataset, tmp_path):
    folder = make_dataset(classes=("dent", "scratch"), normal_class=None).folder
    with pytest.raises(InputError, match="needs to know which class is the good one"):
        train(data=folder, runs=tmp_path / "runs", weights="none")
