import numpy as np
import pytest

from evaluation.instance_metrics import Matches, false_alarms_per_image
from evaluation.instance_pairs import pair
from evaluation.predictor import Instances, shown
from evaluation.score_thresholds import UNSEEN, choose_scores

NONE = Instances(np.zeros((0, 4)), np.zeros(0), [])
PLACE = (0.0, 0.0, 4.0, 4.0)


def at(place, *scored):
    """Instances of (label, score) in one place."""
    labels = [label for label, _ in scored]
    scores = np.array([score for _, score in scored], float)
    return Instances(np.array([place] * len(scored)).reshape(-1, 4), scores, labels)


def false(*scored):
    return pair("good", 0, at(PLACE, *scored), NONE)


def right(label, score):
    return pair("bad", 0, at(PLACE, (label, score)), at(PLACE, (label, 1)))


def test_the_lowest_threshold_within_the_allowed_false_alarms():
    images = [false(("a", 0.3), ("a", 0.6), ("a", 0.5)), right("a", 0.8)]
    # of 2 images 0.5 per image are one: 0.6 may stay, 0.5 not
    assert choose_scores(images, ["a"], false_alarms=0.5) == {"a": pytest.approx(0.55)}
    # none may: the next score above 0.6 is the right one
    assert choose_scores(images, ["a"], false_alarms=0) == {"a": pytest.approx(0.7)}
    assert choose_scores(images, ["a"], false_alarms=2) == {"a": 0}


def test_above_the_highest_score_there_is_nothing_to_lie_between():
    images = [right("a", 0.4), false(("a", 0.9))]
    chosen = choose_scores(images, ["a"], false_alarms=0)["a"]
    assert 0.9 < chosen < 0.9 + 1e-12


def test_what_a_class_does_not_need_is_left_to_the_others():
    images = [false(("a", 0.9)), false(*(("b", 0.1 * n) for n in range(1, 6)))]
    images += [right("a", 0.5), right("b", 0.05)]
    # 4 in 4 images: one of a, three of b (0.5, 0.4 and 0.3)
    chosen = choose_scores(images, ["a", "b"], false_alarms=1)
    assert chosen == {"a": 0, "b": pytest.approx(0.25)}
    matches = Matches(images, 1, chosen)
    assert false_alarms_per_image(matches.counts, np.ones((1, 1))) == 1


def test_a_class_of_which_nothing_was_found():
    assert choose_scores([false(("a", 0.9))], ["a", "b"], false_alarms=1) == {
        "a": 0,
        "b": UNSEEN,
    }


def test_an_instance_that_was_found_twice_is_a_false_alarm():
    twice = pair("bad", 0, at(PLACE, ("a", 0.9), ("a", 0.7)), at(PLACE, ("a", 1)))
    assert choose_scores([twice], ["a"], false_alarms=0) == {"a": pytest.approx(0.8)}


def test_shown_are_those_at_or_above_the_threshold_of_their_class():
    masks = np.arange(4)[:, None, None] == np.zeros((4, 2, 2))
    every = at(PLACE, ("a", 0.5), ("a", 0.4), ("b", 0.1), ("c", 0.1))
    every = every._replace(masks=masks)
    kept = shown(every, {"a": 0.5, "b": 0.2})
    assert kept.labels == ["a", "c"] and kept.scores.tolist() == [0.5, 0.1]
    assert kept.masks.shape == (2, 2, 2) and kept.masks[0].all()
    assert shown(every, None).labels == every.labels
    assert shown(NONE, {"a": 0.5}).boxes.shape == (0, 4)
