import numpy as np
import pytest

from ensemble import calibration
from ensemble.calibration import (
    KINDS,
    apply_detector,
    choose_kind,
    fit_detector,
    fit_temperature,
    sharpen,
)
from ensemble.combiners import Truth


def sure_member(num_samples, *, power, seed=0):
    """Calibrated probabilities of three classes, then raised to a power."""
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet([1, 1, 1], num_samples)
    indices = (random.random((num_samples, 1)) > probabilities.cumsum(1)).sum(1)
    raised = probabilities**power
    groups = np.arange(num_samples).astype(str)
    truth = Truth(np.minimum(indices, 2), groups, 3, seed=0)
    return raised / raised.sum(1, keepdims=True), probabilities, truth


@pytest.mark.parametrize("power", [0.5, 1.0, 3.0])
def test_temperature_undoes_a_power(power):
    raised, true, truth = sure_member(4000, power=power)
    temperature = fit_temperature(raised, truth)
    # logits were multiplied by the power, so dividing by it gives them back
    assert temperature == pytest.approx(power, rel=0.1)
    assert (sharpen(raised, temperature).argmax(1) == raised.argmax(1)).all()


def test_isotonic_mends_what_no_temperature_can():
    _, true, truth = sure_member(4000, power=1)
    bent = np.stack([true[:, 0] ** 3, true[:, 1], true[:, 2] ** 0.3], axis=1)
    bent /= bent.sum(1, keepdims=True)
    folds = np.arange(4000) % 5
    assert choose_kind(bent, truth, folds) == "isotonic"
    learnt = KINDS["isotonic"].fit(bent, truth)
    found = KINDS["isotonic"].apply(bent, learnt)
    assert np.allclose(found.sum(1), 1) and found.min() > 0
    assert np.abs(found - true).mean() < 0.5 * np.abs(bent - true).mean()


def test_few_groups_or_none_held_out_get_a_temperature(monkeypatch):
    raised, _, truth = sure_member(400, power=2)
    assert choose_kind(raised, truth, np.arange(400) % 5) == "temperature"
    assert choose_kind(raised, truth, np.full(400, -1)) == "temperature"
    monkeypatch.setattr(calibration, "ISOTONIC_GROUPS", 400)
    raised, _, truth = sure_member(400, power=1)
    assert choose_kind(raised, truth, np.arange(400) % 5) == "temperature"


def test_a_detectors_score_becomes_a_chance():
    random = np.random.default_rng(0)
    is_defect = random.random(1000) < 0.1  # rare, yet both kinds weigh alike
    scores = 50 + 10 * is_defect + 5 * random.normal(size=1000)
    learnt = fit_detector(scores, is_defect)
    # midway between both means it is as likely the one as the other
    assert apply_detector(np.array([55.0]), learnt)[0] == pytest.approx(0.5, abs=0.06)
    assert apply_detector(np.array([40.0, 70.0]), learnt) == pytest.approx(
        [0, 1], abs=0.02
    )


def test_without_a_mistake_nothing_is_held_for_certain():
    sure = np.full((40, 2), 0.1)
    sure[np.arange(40), np.arange(40) % 2] = 0.9
    truth = Truth(np.arange(40) % 2, np.arange(40).astype(str), 2, seed=0)
    found = sharpen(sure, fit_temperature(sure, truth))
    # Platt's target after 40 groups of two classes: 41 / 42
    assert found.max() == pytest.approx(41 / 42, abs=1e-3)
