"""Sentences on the limits of what was measured."""

import pytest

from evaluation.comparison.paired import verdict
from goodparts.files import write_json
from reporting.limits import cannot_conclude


@pytest.mark.parametrize("high, is_said", [(0.81, False), (0.79, True)])
def test_validate_is_doubted_when_its_interval_lies_above_that_of_test(
    dataset, make_run, high, is_said
):
    run = make_run(dataset, "bovw")
    metrics = run.metrics
    intervals = {
        "validate": {"value": 0.9, "low": 0.8, "high": 0.95},
        "test": {"value": 0.7, "low": 0.6, "high": high},
    }
    for split, interval in intervals.items():
        metrics[split]["metrics"]["macro_f1"] |= interval
    write_json(run.folder / "metrics.json", metrics)
    text = " ".join(cannot_conclude([run], dataset.info, verdict([run])))
    assert ("That validate is representative of new parts" in text) == is_said
