"""What a detector cannot be trained with is refused in one line, before any work."""

import argparse

import cv2
import numpy as np
import pytest

from anomaly.train import train
from evaluation.run_folder import read_run
from goodparts.command import InputError
from models import family_arguments
from preprocessing.create_folders import create_folders
from preprocessing.images import write_image


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


@pytest.mark.parametrize(
    "model, flags, others",
    [
        ("memory_bank", {"--bank-size", "--backbone"}, {"--known-defects", "--loss"}),
        ("gaussian", {"--backbone"}, {"--bank-size", "--loss"}),
        ("feature_noise", {"--known-defects"}, {"--bank-size"}),
        ("colour_novelty", {"--pose"}, {"--backbone", "--loss"}),
        ("cae_skip", {"--find-lr", "--loss"}, {"--patch-size", "--backbone"}),
        ("patch_autoencoder", {"--patch-size", "--pose"}, {"--bank-size"}),
    ],
)
def test_a_detector_has_the_flags_that_mean_something_to_it(model, flags, others):
    parser = argparse.ArgumentParser()
    family_arguments(model, parser)
    known = {flag for action in parser._actions for flag in action.option_strings}
    assert flags | {"--image-size", "--pose"} <= known and not others & known
    options = vars(parser.parse_args([]))
    with pytest.raises(InputError, match="nowhere has no manifest"):
        train(model=model, data="nowhere", **options)


def test_good_parts_of_validate_without_a_pose_are_counted(
    change_images, tmp_path, capsys
):
    """Of discs before a plain ground, two in validate are missing."""
    random = np.random.default_rng(0)
    for number in range(24):
        image = np.full((96, 96, 3), 230, np.uint8)
        image -= random.integers(0, 9, image.shape, np.uint8)
        centre = tuple(int(x) for x in random.integers(40, 56, 2))
        cv2.circle(image, centre, 20, (90, 60, 50), cv2.FILLED)
        write_image(tmp_path / "discs" / "good" / f"{number:02d}.png", image)
    dataset, _ = create_folders(
        tmp_path / "discs", out=tmp_path / "dataset", grouping="none"
    )
    rows = dataset.rows("validate")

    def empty(image):
        image[:] = 230

    change_images(dataset.folder, rows["path"].iloc[:2], empty)
    folder = train(model="colour_novelty", data=dataset.folder, runs=tmp_path / "runs")
    run = read_run(folder)
    assert run.config["pose"] == "parts in one pose"
    (note,) = run.config["notes"]
    assert note.startswith(f"2 of {len(rows)} good images of validate show no part")
    assert note in capsys.readouterr().out
    assert run.split("validate")["defect_score"].nlargest(2).tolist() == [100, 100]
