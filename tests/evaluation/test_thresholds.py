import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.thresholds import (
    BALANCED,
    COSTLY,
    FEW,
    RULE,
    balanced_threshold,
    choose_threshold,
    describe_threshold,
    threshold_text,
)
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
    with pytest.raises(InputError, match="validate has no good parts"):
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


def made(num_good, num_bad, seed=0, odd=()):
    """Scores of good parts about 0.2 and defects about 0.7, and odd good ones."""
    random = np.random.default_rng(seed)
    goods = np.r_[random.normal(0.2, 0.08, num_good), odd]
    scores = np.r_[goods, random.normal(0.7, 0.12, num_bad)]
    is_defect = np.arange(len(scores)) >= len(goods)
    return scores, is_defect, np.arange(len(scores)).astype(str)


def test_few_good_parts_are_not_ruled_by_the_worst_of_them():
    """One good part of 20 scores like a defect: by the 1 % rule most are missed."""
    scores, is_defect, groups = made(19, 20, odd=[0.9])
    missed = (scores[is_defect] < choose_threshold(scores, is_defect)).mean()
    assert missed > 0.9
    stored = describe_threshold(scores, is_defect, groups)
    assert stored["rule"] == BALANCED + FEW and 0.35 < stored["value"] < 0.65
    assert (scores[is_defect] < stored["value"]).mean() <= 0.2
    assert (stored["num_good_groups"], stored["num_good_groups_rejected"]) == (20, 1)
    # one of 20: the 95 % bound of Clopper and Pearson is 21.6 %
    assert stored["max_false_reject_rate"] == pytest.approx(0.2161, abs=1e-4)


@pytest.mark.parametrize(
    ("num_good", "num_bad", "rule"),
    [(99, 20, BALANCED + FEW), (100, 20, RULE), (99, 0, RULE)],
)
def test_the_rule_follows_the_good_groups_and_the_defects(num_good, num_bad, rule):
    assert describe_threshold(*made(num_good, num_bad))["rule"] == rule


def test_from_good_parts_alone_it_says_what_it_cannot_know():
    stored = {**describe_threshold(*made(50, 0)), "split": "validate"}
    text = threshold_text(stored)
    assert "from good parts only. It rejects 0 of 50 groups" in text
    # 1 - 0.05 ** (1 / 50)
    assert "at most 5.8 % of future groups, with 95% confidence" in text


def test_scores_that_tell_nothing_have_no_balanced_point():
    scores, is_defect, groups = made(20, 20)
    assert balanced_threshold(-scores, is_defect) is None
    assert balanced_threshold(np.ones(40), is_defect) is None
    assert describe_threshold(-scores, is_defect, groups)["rule"] == RULE


@pytest.mark.parametrize("num_good, num_bad", [(10, 10), (20, 60), (80, 10)])
def test_its_regret_is_small(num_good, num_bad):
    """Over resampled small calibrations: against the best threshold of these scores."""
    scores, is_defect, _ = made(5000, 5000, seed=1, odd=np.full(150, 0.8))

    def error(line):
        wrong = np.where(is_defect, scores < line, scores >= line)
        return (wrong[is_defect].mean() + wrong[~is_defect].mean()) / 2

    best = min(map(error, np.linspace(0.2, 0.8, 61)))
    random, regrets = np.random.default_rng(2), []
    for _ in range(60):
        chosen = np.r_[
            random.choice(np.flatnonzero(~is_defect), num_good),
            random.choice(np.flatnonzero(is_defect), num_bad),
        ]
        line = balanced_threshold(scores[chosen], is_defect[chosen])
        regrets.append(error(line) - best)
    assert np.mean(regrets) < 0.02 and np.quantile(regrets, 0.95) < 0.05


def test_casting_like_scores_do_not_miss_most_defects():
    """Few good parts, one of which scores higher than most defects."""
    random = np.random.default_rng(5)
    good, bad = random.normal(0.1, 0.04, 60), random.normal(0.8, 0.08, 90)
    good[:2] = 0.93, 0.86
    scores = np.concatenate([good, bad])
    is_defect = np.repeat([False, True], [60, 90])
    groups = np.arange(150).astype(str)
    by_one_percent = choose_threshold(scores, is_defect)
    assert (bad < by_one_percent).mean() > 0.6  # what the rule of 1 % would do
    chosen = describe_threshold(scores, is_defect, groups)["value"]
    assert (bad < chosen).mean() < 0.02 and (good >= chosen).mean() < 0.05


def test_a_rate_that_misses_most_defects_is_not_kept():
    """300 groups of good parts, of which one in fifty scores higher than defects."""
    scores, is_defect, groups = made(294, 60, odd=[0.95] * 6)
    by_rate = choose_threshold(scores, is_defect)
    assert (scores[is_defect] < by_rate).mean() > 0.9
    stored = describe_threshold(scores, is_defect, groups)
    assert stored["rule"] == BALANCED + COSTLY
    assert (scores[is_defect] < stored["value"]).mean() < 0.1
    assert stored["num_good_groups_rejected"] <= 8
