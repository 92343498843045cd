import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from evaluation.intervals import interval, resample_groups


def test_every_resample_draws_as_many_groups_as_there_are():
    draws = resample_groups(7, num_resamples=50)
    assert draws.shape == (50, 7)
    assert (draws.sum(axis=1) == 7).all()
    assert (draws == resample_groups(7, num_resamples=50)).all()


def test_the_interval_is_the_middle_95_percent():
    # 1001 evenly spaced values: the 2.5 and 97.5 percentiles are 0.025 and 0.975
    found = interval(0.5, np.linspace(0, 1, 1001), 30)
    assert found == pytest.approx({"value": 0.5, "low": 0.025, "high": 0.975})


@pytest.mark.parametrize("num_groups", [1, 6, 100])
def test_without_a_mistake_the_bound_is_clopper_pearson(num_groups):
    perfect = interval(1.0, np.ones(1000), num_groups)
    assert perfect["low"] == pytest.approx(beta.ppf(0.025, num_groups, 1))
    assert perfect["high"] == 1
    never = interval(0.0, np.zeros(1000), num_groups)
    assert never["high"] == pytest.approx(beta.ppf(0.975, 1, num_groups))
    assert never["low"] == 0


@pytest.mark.parametrize("num_groups", [2, 6, 20, 50, 200])
def test_a_mistake_never_narrows_the_interval(num_groups):
    draws = resample_groups(num_groups)
    found = []
    for num_right in range(num_groups + 1):
        right = np.arange(num_groups) < num_right
        found.append(interval(right.mean(), draws @ right / num_groups, num_groups))
    for end in ("low", "high"):
        ends = np.array([each[end] for each in found])
        assert (np.diff(ends[-4:]) >= 0).all() and (np.diff(ends[:4]) >= 0).all()
    # 19 of 20 right: the bootstrap alone says 0.85, 20 of 20 is 0.025 ** (1 / 20)
    if num_groups == 20:
        assert found[19]["low"] == pytest.approx(0.8316, abs=1e-4)
        assert found[1]["high"] == pytest.approx(1 - 0.8316, abs=1e-4)


def test_one_group_is_no_certainty():
    # the only group is drawn each time, so all resamples agree at 0.7
    found = interval(0.7, np.full(1000, 0.7), 1)
    assert found == pytest.approx({"value": 0.7, "low": 0.025, "high": 0.975})


def test_no_value_no_interval():
    nothing = {"value": None, "low": None, "high": None}
    assert interval(np.nan, np.full(10, np.nan), 5) == nothing
    assert interval(0.5, np.full(10, 0.5), 0) == nothing


@given(
    st.floats(0, 1),
    st.lists(st.floats(0, 1), min_size=1, max_size=20),
    st.integers(1, 500),
)
def test_the_value_lies_in_its_interval_and_that_in_0_to_1(value, resampled, groups):
    found = interval(value, np.array(resampled), groups)
    assert 0 <= found["low"] <= found["value"] <= found["high"] <= 1


def coverage(*, by_group, num_trials=300, num_groups=50, per_group=5):
    """How often the interval holds the true share, when groups fail as a whole."""
    random = np.random.default_rng(1)
    held = 0
    for trial in range(num_trials):
        group_rates = random.beta(1.4, 0.6, num_groups)  # mean 1.4 / 2 = 0.7
        right = random.random((num_groups, per_group)) < group_rates[:, None]
        units = right.mean(axis=1) if by_group else right.ravel()
        draws = resample_groups(units.size, num_resamples=300, seed=trial)
        found = interval(units.mean(), draws @ units / units.size, units.size)
        held += found["low"] <= 0.7 <= found["high"]
    return held / num_trials


def test_group_intervals_hold_the_truth_and_image_intervals_do_not():
    # 0.95 is promised; 300 trials have a standard error of 0.013
    assert 0.90 <= coverage(by_group=True) <= 0.99
    assert coverage(by_group=False) < 0.85


def test_a_mean_over_classes_is_bounded_by_the_mean_of_the_classes():
    found = interval(1.0, np.ones(10), [5, 20])
    # (0.025 ** (1 / 5) + 0.025 ** (1 / 20)) / 2 = (0.4782 + 0.8316) / 2
    assert found["low"] == pytest.approx(0.6549, abs=1e-4)
    assert interval(1.0, np.ones(10), [5, 0])["value"] is None
