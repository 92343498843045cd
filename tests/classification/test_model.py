import numpy as np
import pytest

from classification.model import adjust_bias_to_priors, build_head


def test_a_head_leans_half_way_to_the_shares():
    head = build_head(4, 3)
    values = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    before = head.predict_on_batch(values)
    shares = np.array([0.64, 0.32, 0.04])
    adjust_bias_to_priors(head, shares)
    # half of a log is a square root: 0.8, 0.566, 0.2, and to sum 1 again
    expected = before * np.sqrt(shares)
    expected /= expected.sum(1, keepdims=True)
    assert head.predict_on_batch(values) == pytest.approx(expected, abs=1e-6)
