import numpy as np
import pandas as pd
import pytest

from evaluation.calibration import calibration_error, confidences, reliability
from goodparts.command import InputError


def test_calibration_error_by_hand():
    confidence = np.array([0.95, 0.97, 0.99, 0.55, 0.58])
    is_right = np.array([True, True, False, True, False])
    # bin (14/15, 1]: 2/3 right, mean confidence 0.97, gap 0.91 / 3 = 0.30333
    # bin (8/15, 9/15]: 1/2 right, mean confidence 0.565, gap 0.065
    # 3/5 * 0.30333 + 2/5 * 0.065 = 0.182 + 0.026
    found = calibration_error(confidence, is_right, np.ones(5))
    assert found == pytest.approx(0.208)


def test_gaps_of_one_bin_cancel_and_those_of_two_do_not():
    # both in (14/15, 1]: half right at 0.95 is a gap of 0.45
    one_bin = calibration_error(
        np.array([0.95, 0.95]), np.array([True, False]), np.ones(2)
    )
    assert one_bin == pytest.approx(0.45)
    # right at 0.6, wrong at 0.4: gaps 0.4 and 0.4, although the mean gap is 0
    two_bins = calibration_error(
        np.array([0.6, 0.4]), np.array([True, False]), np.ones(2)
    )
    assert two_bins == pytest.approx(0.4)


def test_weights_are_repetitions():
    random = np.random.default_rng(0)
    confidence, is_right = random.random(40), random.random(40) < 0.6
    weights = random.integers(0, 4, (5, 40))
    found = calibration_error(confidence, is_right, weights)
    for value, row in zip(found, weights, strict=True):
        again = np.repeat(np.arange(40), row)
        repeated = calibration_error(
            confidence[again], is_right[again], np.ones(len(again))
        )
        assert value == pytest.approx(repeated)
    assert np.isnan(calibration_error(confidence, is_right, np.zeros(40)))


def test_a_bin_holds_its_upper_edge_and_the_lowest_holds_0():
    counts, accuracy, confidence = reliability(
        np.array([0, 1 / 15, 2 / 15, 1]), np.array([True, False, True, True])
    )
    assert counts.tolist() == [2, 1, *[0] * 12, 1]
    assert accuracy[[0, 1, 14]].tolist() == [0.5, 1, 1]
    assert confidence[0] == pytest.approx(1 / 30)
    assert np.isnan(accuracy[2]) and np.isnan(confidence[2])


def test_confidence_is_of_the_most_probable_class():
    table = pd.DataFrame(
        {
            "label": ["a", "b"],
            "predicted": ["a", "a"],
            "prob_a": [0.7, 0.6],
            "prob_b": [0.3, 0.4],
        }
    )
    sureness, is_right = confidences(table, ["b", "a"])
    assert sureness.tolist() == [0.7, 0.6] and is_right.tolist() == [True, False]


def test_a_table_without_probabilities_is_refused_in_one_line():
    table = pd.DataFrame({"label": ["good"], "predicted": ["good"]})
    with pytest.raises(InputError, match="have no class probabilities"):
        confidences(table, ["good", "scratch"])
