"""The learning rate finder: where the loss has nearly fallen to its lowest value."""

import numpy as np
import pytest

from goodparts.command import InputError
from networks.rate_finder import choose_rate


def test_the_rate_is_the_first_at_which_the_loss_has_nearly_fallen():
    rates = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    # from 10 to 0: 85 % of the way is 1.5
    assert choose_rate(rates, [10, 9, 1.4, 0, 5, 50]) == 1e-3
    assert choose_rate(rates, [10, 9, 1.6, 0, 5, 50]) == 1e-2


def test_a_rise_before_the_fall_does_not_count():
    assert choose_rate([1, 2, 3, 4], [0.9, 10.0, 1.0, 0.0]) == 3


@pytest.mark.parametrize("losses", [[], [1.0], [1.0, 2.0, 3.0], [1.0, 1.0]])
def test_a_loss_that_does_not_fall_is_refused(losses):
    with pytest.raises(InputError, match="Give --learning-rate"):
        choose_rate(np.arange(1, len(losses) + 1), losses)
