import argparse
from pathlib import Path

import pytest

from backbones import choose_alpha
from classification.arguments import (
    add_arguments,
    choose_schedule,
    choose_weights,
    parse_schedule,
)
from classification.image_size import choose_size
from goodparts.command import InputError
from preprocessing.manifest import read_dataset


def test_the_schedule_of_the_mission():
    assert parse_schedule("0:2,10:4,15:8") == {0: 2, 10: 4, 15: 8}


@pytest.mark.parametrize(
    "text", ["", "2", "0:2,0:4", "5:2,1:4", "0:4,3:2", "-1:2", "a:b"]
)
def test_nonsense_is_no_schedule(text):
    with pytest.raises(InputError, match="such as 0:2,10:4,15:8"):
        parse_schedule(text)


def test_defaults_come_from_the_backbone(washers):
    dataset = read_dataset(washers)  # square parts of 48 pixels
    for name in ("mobilenetv2", "resnet50", "inceptionresnetv2"):
        assert choose_size(name, dataset, None) == (224, 224)
    assert choose_size("small_cnn", dataset, None) == (160, 160)
    assert choose_alpha("mobilenetv2", None) == 1.0
    assert choose_alpha("resnet50", None) is None
    assert choose_schedule("small_cnn", None, weights="none", epochs=None) is None
    schedule = choose_schedule("resnet50", None, weights="imagenet", epochs=None)
    assert parse_schedule(schedule) == {0: 2}


def test_what_a_model_does_not_have_is_refused(washers):
    dataset = read_dataset(washers)
    with pytest.raises(InputError, match="one of 0.35, 0.5.*Received: 0.4"):
        choose_alpha("mobilenetv2", 0.4)
    with pytest.raises(InputError, match="alpha of resnet50 must be left out"):
        choose_alpha("resnet50", 0.5)
    for weights, epochs in (("none", None), ("imagenet", 0)):
        with pytest.raises(InputError, match="Omit it for small_cnn"):
            choose_schedule("mobilenetv2", "0:2", weights=weights, epochs=epochs)
    with pytest.raises(InputError, match="its last step in epoch 10.*only 6 epochs"):
        choose_schedule("mobilenetv2", "0:2,10:4", weights="imagenet", epochs=6)
    with pytest.raises(InputError, match="small_cnn has no pretrained weights"):
        choose_weights("small_cnn", "file.h5")
    assert choose_weights("small_cnn", "imagenet") == "none"
    assert Path(choose_weights("resnet50", "file.h5")).is_absolute()
    with pytest.raises(InputError, match="from 75 75 to 900 900. Received: 64 64"):
        choose_size("inceptionresnetv2", dataset, (64, 64))
    with pytest.raises(InputError, match="Received: 901 900"):
        choose_size("resnet50", dataset, (901, 900))


def test_flags_of_the_command(capsys):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    known = parser.parse_args(
        "--image-size 900 900 --epochs 0 --loss focal --head-rate 1e-4".split()
    )
    assert (known.image_size, known.epochs, known.head_rate) == ([900, 900], 0, 1e-4)
    for wrong in ("--epochs -1", "--label-smoothing 1", "--features-rate 0"):
        with pytest.raises(SystemExit):
            parser.parse_args(wrong.split())
        assert "must be a number from" in capsys.readouterr().err
