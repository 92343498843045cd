import argparse
import inspect

import pytest

from bovw.arguments import add_arguments
from bovw.train import train


def parse(*arguments):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--num-words", "0"], "--num-words: must be a whole number of 1 or more"),
        (["--num-words", "ten"], "--num-words: must be a whole number of 1 or more"),
        (["--points", "corners"], "--points: invalid choice: 'corners'"),
        (["--image-size", "8", "64"], "--image-size: must be at least 32 pixels"),
        (["--image-size", "-64", "64"], "--image-size: must be a whole number"),
    ],
)
def test_impossible_sizes_are_one_line(capsys, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        parse(*arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_possible_sizes_are_numbers():
    found = parse("--num-words", "20", "--image-size", "32", "64")
    assert (found.num_words, found.image_size) == (20, [32, 64])


def test_flags_and_function_have_the_same_defaults():
    given = inspect.signature(train).parameters
    for name, value in vars(parse()).items():
        assert given[name].default == value, name
