import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.thresholds import choose_threshold
from goodparts.command import InputError


def test_lies_midway_between_the_last_good_and_the_next_score():
    # no good part may be rejected: above 0.3; the next score is 0.9
    threshold = choose_threshold([0.1, 0.3, 0.9], [False, False, True])
    assert threshold == pytest.approx(0.6)


def test_rejects_as_many_good_parts_as_allowed():
    goods = np.arange(100) / 100
    # 2 of 100 may go: 0.98 and 0.99; midway between 0.97 and 0.98
    threshold = choose_threshold(goods, np.zeros(100, bool), max_false_reject_rate=0.02)
    assert threshold == pytest.approx(0.975)


def test_overlapping_defects_do_not_move_the_promise():
    scores, is_defect = [0.1, 0.2, 0.8, 0.5, 0.9], [False, False, False, True, True]
    # all three good parts pass: above 0.8, though the defect at 0.5 is missed
    assert choose_threshold(scores, is_defect) == pytest.approx(0.85)


def test_equal_scores_go_one_way():
    # one of four may be rejected, but the two highest are equal: none is
    scores = np.array([0.1, 0.2, 0.7, 0.7])
    threshold = choose_threshold(scores, np.zeros(4, bool), max_false_reject_rate=0.25)
    assert not (scores >= threshold).any()


def test_neighbouring_floats():
    highest = 1.0
    scores = np.array([highest, np.nextafter(highest, 2)])
    # their midpoint rounds to 1.0, which would reject the good part
    assert choose_threshold(scores, [False, True]) == scores[1]


def test_without_good_parts():
    with pytest.raises(InputError, match="good parts in `validate`"):
        choose_threshold([0.5], [True])


@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.booleans()), min_size=1, max_size=40),
    st.floats(0, 0.99),
)
def test_keeps_the_rate_and_is_the_lowest_that_does(pairs, rate):
    scores = np.array([score for score, _ in pairs])
    is_defect = np.array([defect for _, defect in pairs])
    goods = scores[~is_defect]
    if not goods.size:
        return
    threshold = choose_threshold(scores, is_defect, max_false_reject_rate=rate)
    allowed = rate * goods.size + 1e-9
    assert (goods >= threshold).sum() <= allowed
    lower = scores[scores < threshold]
    if lower.size:
        assert (goods >= lower.max()).sum() > allowed
