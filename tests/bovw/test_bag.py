import numpy as np
import pytest

from bovw.bag import (
    Bag,
    class_probabilities,
    find_words,
    telling_words,
    word_evidence,
)
from bovw.descriptors import Settings
from bovw.train import load_bag, load_predictor, train
from bovw.vocabulary import Vocabulary
from evaluation.run_folder import read_run
from goodparts.command import InputError
from goodparts.files import write_json
from preprocessing.create_folders import create_folders
from preprocessing.images import write_image
from svm import fit_svm

BLANK = np.full((1, 64, 64, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def noise_bag():
    """A bag that sees keypoints only, with a class each for two words."""
    random = np.random.default_rng(0)
    values = np.repeat(np.eye(2), 10, axis=0) + random.normal(0, 0.01, (20, 2))
    labels = np.repeat(["bad", "good"], 10)
    svm = fit_svm(values, labels, np.arange(20))
    words = np.zeros((2, 128), np.float32)
    words[1] = 1
    vocabulary = Vocabulary(
        np.zeros(128, np.float32), np.ones(128, np.float32), words, np.ones(2)
    )
    settings = Settings((64, 64), points="keypoints")
    return Bag(settings, vocabulary, svm, word_evidence(values, labels))


def test_of_nothing_all_classes_are_equally_likely(noise_bag):
    textured = np.random.default_rng(0).integers(0, 255, (1, 64, 64, 3), np.uint8)
    images = np.concatenate([BLANK, textured])
    even, other = class_probabilities(noise_bag, images)
    assert even.tolist() == [0.5, 0.5]
    assert abs(other[0] - 0.5) > 0.1
    patches, words = find_words(noise_bag, BLANK[0])
    assert len(patches) == len(words) == 0


def test_evidence_by_hand():
    values = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    labels = ["b", "b", "a", "a"]
    # means 2 and 0; of 1, 3, 0, 0 the mean is 1, the variance (0 + 4 + 1 + 1) / 4
    assert word_evidence(values, labels) == pytest.approx(
        np.array([[-2 / np.sqrt(1.5), 0], [2 / np.sqrt(1.5), 0]])
    )


def test_telling_words_are_those_of_the_class(noise_bag):
    assert telling_words(noise_bag, "bad").tolist() == [0, 1]
    assert telling_words(noise_bag, "good", count=1).tolist() == [1]
    with pytest.raises(InputError, match="no class 'ugly'. The classes are: bad, good"):
        telling_words(noise_bag, "ugly")


@pytest.mark.parametrize("features", ["sift", "orb"])
def test_a_loaded_bag_finds_words_in_an_image_of_any_size(features, washers, tmp_path):
    run = train(
        data=washers,
        runs=tmp_path,
        image_size=(48, 48),
        num_words=12,
        features=features,
        weighting="tf-idf",
        whiten=False,
    )
    bag = load_bag(run)
    image = np.random.default_rng(0).integers(0, 255, (90, 70, 3), np.uint8)
    patches, words = find_words(bag, image)
    assert len(patches) == len(words) > 0
    assert words.min() >= 0 and words.max() < 12
    assert (patches[:, :2] <= [70, 90]).all()
    for name in bag.svm.classes:
        assert len(set(telling_words(bag, name))) == 5


def blank_parts(folder, *, is_good_blank):
    """A data set of blank parts and of good ones, which may be blank too."""
    random = np.random.default_rng(0)
    for number in range(12):
        blank = np.full((48, 48, 3), 80 + 4 * number, np.uint8)
        good = blank + 2 if is_good_blank else random.integers(0, 255, (48, 48, 3))
        write_image(folder / "blank" / f"{number}.png", blank)
        write_image(folder / "good" / f"{number}.png", good.astype(np.uint8))
    return create_folders(folder, out=folder / "out", grouping="none")[0].folder


@pytest.mark.parametrize(
    ("is_good_blank", "message"),
    [
        (False, "in any train image of blank. Train with --points both"),
        (True, "in any train image. Train with --points both"),
    ],
)
def test_a_class_without_keypoints_says_what_to_do(tmp_path, is_good_blank, message):
    data = blank_parts(tmp_path / "parts", is_good_blank=is_good_blank)
    with pytest.raises(InputError, match=f"No keypoint was found {message}"):
        train(data=data, runs=tmp_path / "runs", points="keypoints")
    assert not list((tmp_path / "runs").glob("*-bovw-*"))


def test_the_run_of_another_version_is_one_line(washers, tmp_path):
    run = train(data=washers, runs=tmp_path, image_size=(32, 32), num_words=4)
    config = read_run(run).config
    del config["arguments"]["points"]
    write_json(run / "config.json", config)
    with pytest.raises(InputError, match="no bag of visual words of this version"):
        load_predictor(run)
