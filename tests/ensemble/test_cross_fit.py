import numpy as np
import pandas as pd
import pytest

from ensemble import cross_fit as module
from ensemble.contributions import describe
from ensemble.cross_fit import choose_combiner, cross_fit
from ensemble.members import Members
from reporting.ensemble_text import conclusions, ensemble_text, gain_text


class Named:
    """Stands for a run, of which only the name is asked."""

    def __init__(self, name):
        self.name = name


def members_that_say(answers, *, labels, num_validate):
    """Members whose answer to each sample, a class index, is nearly sure."""
    num_samples = len(labels)
    probabilities = np.full((len(answers), num_samples, 2), 0.1)
    for row, answer in zip(probabilities, answers, strict=True):
        row[np.arange(num_samples), answer] = 0.9
    ids = [f"{number:03d}" for number in range(num_samples)]
    samples = pd.DataFrame(
        {"sample_id": ids, "label": np.array(["bad", "good"])[labels], "group": ids}
    )
    samples["split"] = np.where(
        np.arange(num_samples) < num_validate, "validate", "test"
    )
    runs = [Named(f"2026-01-01-m{number}-parts-1") for number in range(len(answers))]
    return Members(
        runs, [], samples, ["bad", "good"], "good", probabilities, np.zeros((0, 0))
    )


@pytest.fixture(scope="module")
def found():
    """Ten validate and ten test samples of each class; the second member errs more.

    Of the first five bad and good test samples each, nobody gets one right; the second
    member alone is wrong on two more of each.
    """
    labels = np.arange(40) % 2
    first, second = labels.copy(), labels.copy()
    first[20:30] = second[20:30] = 1 - labels[20:30]
    second[30:34] = 1 - labels[30:34]
    members = members_that_say([first, second], labels=labels, num_validate=20)
    return describe(members, cross_fit(members, ["soft", "hard"]), "soft")


def test_who_errs_with_whom_by_hand(found):
    # of 20 test samples 10 are wrong with both and 4 more with the second
    assert found["both_wrong"] == [[0.5, 0.5], [0.5, pytest.approx(0.7)]]
    assert found["oracle"]["value"] == 0.5


def test_what_is_said_of_an_ensemble(found):
    assert found["best_member"].endswith("m0-parts-1")
    text = ensemble_text(found)
    assert "* soft" in text and "  hard" in text
    assert (
        "On test, soft of m0-parts-1 and m1-parts-1 is not clearly better than the "
        "member that is best on validate, m0-parts-1" in text
    )
    assert "correct on 50.0 %" in text


def test_a_lead_on_few_groups_may_be_chance(found):
    gain = {"value": 0.04, "low": 0.01, "high": 0.08, "num_groups_apart": 4}
    assert gain_text(gain, 1).endswith("may be due to chance")  # 2 * 0.5 ** 4 = 12 %
    assert "not clearly better" in conclusions(found | {"gain": gain})[0]
    gain["num_groups_apart"] = 8
    assert not gain_text(gain, 1).endswith("may be due to chance")
    assert "is clearly better" in conclusions(found | {"gain": gain})[0]


@pytest.mark.parametrize(
    ("losses", "chosen"),
    [
        # apart from the best by 0.1 on average, 0.3 in deviation: one standard error
        # over 16 is 0.075, so the difference counts
        ({"soft": 0.1 + 0.3 * np.resize([1, -1], 16), "svm": np.zeros(16)}, "svm"),
        # by 0.05: it does not, and the simpler one is taken
        ({"soft": 0.05 + 0.3 * np.resize([1, -1], 16), "svm": np.zeros(16)}, "soft"),
    ],
)
def test_the_simplest_within_one_standard_error(monkeypatch, losses, chosen):
    groups = np.arange(16).astype(str)
    monkeypatch.setattr(module, "validate_losses", lambda fit: (losses, groups))
    assert choose_combiner(None) == chosen
    # twice each group: the same sixteen groups, the same error
    twice = {name: np.repeat(values, 2) for name, values in losses.items()}
    monkeypatch.setattr(
        module, "validate_losses", lambda fit: (twice, np.repeat(groups, 2))
    )
    assert choose_combiner(None) == chosen
