import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from evaluation.intervals import open_interval, share_interval
from evaluation.judged import Judged
from evaluation.plots.run import run_plots
from evaluation.run_folder import read_run, write_results
from evaluation.summary import summarise


def make_table(scores, labels, groups=None):
    """Of a classifier of good and bad: the score is the probability of bad."""
    scores = np.asarray(scores, float)
    return pd.DataFrame(
        {
            "label": labels,
            "group": np.arange(len(scores)) if groups is None else groups,
            "defect_score": scores,
            "predicted": np.where(scores > 0.5, "bad", "good"),
            "prob_bad": scores,
            "prob_good": 1 - scores,
        }
    )


def judge(table):
    judged = Judged(table, classes=["bad", "good"], normal_class="good", threshold=0.5)
    return summarise(judged, {"score", "classes"})


def test_recall_at_false_reject_rates_by_hand():
    # 40 good parts at 0.00 to 0.39, defects at 0.50, 0.385, 0.375 and 0.10
    goods = np.arange(40) / 100
    table = make_table([*goods, 0.50, 0.385, 0.375, 0.10], ["good"] * 40 + ["bad"] * 4)
    points = judge(table)["roc"]
    # none of 40 may go at 0.1 % and at 1 %: above 0.39, 1 of 4 is caught; at 5 % two
    # may go: above 0.37, 3 of 4 are caught
    assert [point["recall"]["value"] for point in points] == [0.25, 0.25, 0.75]
    assert [point["num_good_rejected"] for point in points] == [0, 0, 2]
    # one of 40 is 2.5 %: only 5 % is as much
    assert [point["is_measurable"] for point in points] == [False, False, True]
    assert {(point["num_good"], point["num_good_groups"]) for point in points} == {
        (40, 40)
    }
    for point in points:
        assert point["recall"]["low"] <= point["recall"]["value"]
        assert point["recall"]["high"] >= point["recall"]["value"]


def test_images_of_one_part_make_no_small_rate_measurable():
    # 1000 good images of 10 parts: 0.1 % is an image, yet a part is 10 %
    groups = np.r_[np.arange(1000) // 100, 10, 11]
    table = make_table(
        [*np.arange(1000) / 2000, 0.9, 0.8], ["good"] * 1000 + ["bad"] * 2, groups
    )
    point = judge(table)["roc"][0]
    assert (point["num_good_rejected"], point["is_measurable"]) == (0, False)
    assert point["num_good_groups"] == 10


def test_cross_entropy_by_hand():
    table = make_table([0.2, 0.5, 0.0], ["good", "bad", "bad"])
    # -ln 0.8, -ln 0.5 and, clipped, -ln 1e-7
    expected = (0.2231436 + 0.6931472 + 16.1180957) / 3
    found = judge(table)["metrics"]["cross_entropy"]
    assert found["value"] == pytest.approx(expected)
    assert found["low"] < expected < found["high"] <= 16.2


def test_precision_rests_on_the_parts_that_were_answered_so():
    # of 30 bad parts 2 are named bad, both rightly: 2 of 2 is not 30 of 30
    table = make_table(
        [0.9, 0.9, *[0.1] * 28, *[0.1] * 20], ["bad"] * 30 + ["good"] * 20
    )
    precision = judge(table)["per_class"]["bad"]["precision"]
    assert precision["value"] == 1
    assert precision["low"] == pytest.approx(0.025 ** (1 / 2))


def test_one_kind_of_parts_only():
    values = judge(make_table([0.1, 0.2], ["good", "good"]))
    assert [point["recall"]["value"] for point in values["roc"]] == [None] * 3
    values = judge(make_table([0.1, 0.2], ["bad", "bad"]))
    assert [point["recall"]["value"] for point in values["roc"]] == [None] * 3
    assert values["roc"][0]["num_good"] == 0


def test_the_interval_of_a_calibration_error_is_reflected():
    resampled = np.linspace(0.1, 0.2, 1001)
    # percentiles 0.1025 and 0.1975; reflected at 0.12: 0.24 - 0.1975, 0.24 - 0.1025
    found = open_interval(0.12, resampled, is_reflected=True)
    assert found == pytest.approx({"value": 0.12, "low": 0.0425, "high": 0.1375})
    assert open_interval(0.05, resampled, is_reflected=True)["low"] == 0
    plain = open_interval(0.12, resampled)
    assert plain == pytest.approx({"value": 0.12, "low": 0.1025, "high": 0.1975})


@pytest.mark.parametrize("hits, count", [(0, 1), (3, 10), (40, 41), (7, 7)])
def test_share_interval_is_wilsons(hits, count):
    low, high = share_interval([hits], [count])
    expected = binomtest(hits, count).proportion_ci(method="wilson")
    assert (low[0], high[0]) == pytest.approx((expected.low, expected.high), abs=1e-6)


@pytest.mark.parametrize("kind", ["good", "scratch", "both"])
def test_plots_of_any_test_split(dataset, make_run, kind):
    run = make_run(dataset, "bovw")
    table = run.predictions
    is_test = table["split"] == "test"
    kept = ~is_test | (table["label"] == kind) | (kind == "both")
    write_results(run.folder, table[kept], run.config)
    figures = run_plots(read_run(run.folder))
    assert "reliability" in figures
    both = {"roc", "miss_against_false_reject"} & set(figures)
    assert len(both) == (2 if kind == "both" else 0)
    for figure in figures.values():
        figure.canvas.draw()


def test_a_detector_has_a_roc_and_no_reliability(dataset, make_run):
    run = make_run(dataset, "memory", detector=True)
    assert len(run.metrics["test"]["roc"]) == 3
    assert "roc" in run_plots(run) and "reliability" not in run_plots(run)
