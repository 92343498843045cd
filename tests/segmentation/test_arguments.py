"""The flags of `goodparts train --model mask_rcnn` are the arguments of `train`."""

import argparse
import inspect

import pytest

from models import family_arguments
from segmentation.arguments import LEVELS
from segmentation.train import train


def parse(*words):
    parser = argparse.ArgumentParser()
    family_arguments("mask_rcnn", parser)
    return vars(parser.parse_args(words))


def test_flags_and_defaults_are_those_of_train():
    parameters = inspect.signature(train).parameters
    for name, value in parse().items():
        assert parameters[name].default == value, name
    missing = set(parameters) - set(parse())
    assert missing == {"model", "data", "runs", "seed", "resume"}


def test_values_are_read():
    found = parse("--anchors", "6", "12", "24", "48", "96.5", "--backbone", "resnet50")
    assert found["anchors"] == [6, 12, 24, 48, 96.5] and found["backbone"] in LEVELS


@pytest.mark.parametrize(
    "words",
    [
        ["--anchors", "8", "16"],
        ["--anchors", "0", "1", "2", "3", "4"],
        ["--backbone", "inceptionresnetv2"],  # its strides do not fit the pyramid
        ["--head-rate", "nan"],
        ["--head-rate", "2"],
        ["--image-size", "0", "64"],
        ["--epochs", "0"],
    ],
)
def test_values_that_cannot_be_are_refused(words, capsys):
    with pytest.raises(SystemExit):
        parse(*words)
    assert words[0] in capsys.readouterr().err
