"""AdamW with a smaller learning rate for the pretrained features than for the head."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from networks.quiet_keras import keras

WEIGHT_DECAY = 1e-4
NOT_DECAYED = ("bias", "gamma", "beta")

Schedule = Callable[[float], float]  # the share of all steps done to that of a rate


class TwoRateAdamW(keras.optimizers.Adam):
    """AdamW with a smaller learning rate for some of the variables.

    `learning_rate` is that of the head. The weight decay of a variable uses its own
    rate; biases and normalisation parameters have none. Gradients are clipped to a
    global norm of 1.

    Args:
        learning_rate: Learning rate of all other variables.
        slow_variables: Those with the smaller rate.
        slow_share: Their rate as a fraction of `learning_rate`.

    Reference:
        Loshchilov and Hutter, Decoupled weight decay regularization, ICLR 2019.
    """

    def __init__(
        self,
        learning_rate: float,
        *,
        slow_variables: Iterable[keras.Variable] = (),
        slow_share: float = 1.0,
    ):
        super().__init__(learning_rate, global_clipnorm=1.0)
        self._slow = {id(variable) for variable in slow_variables}
        self._slow_share = slow_share

    def build(self, variables: Sequence[keras.Variable]) -> None:
        super().build(variables)
        # by index: some backends pass their own variable in the place of Keras's
        self._shares = [
            self._slow_share if id(variable) in self._slow else 1.0
            for variable in variables
        ]
        self._decays = [
            0.0 if variable.name in NOT_DECAYED else WEIGHT_DECAY
            for variable in variables
        ]

    def update_step(
        self, gradient: Any, variable: keras.Variable, learning_rate: Any
    ) -> None:
        index = self._get_variable_index(variable)
        rate = learning_rate * self._shares[index]
        if self._decays[index]:
            decay = keras.ops.cast(rate * self._decays[index], variable.dtype)
            self.assign_sub(variable, keras.ops.multiply(variable, decay))
        super().update_step(gradient, variable, rate)


def warm_up_and_cosine(num_epochs: int) -> Schedule:
    """A schedule: rises over the first epoch, then falls as a cosine to zero.

    Of less than four epochs the first quarter is the rise.
    """
    warm_up = min(1, num_epochs / 4) / num_epochs

    def schedule(done):
        if done < warm_up:
            return done / warm_up
        return (1 + math.cos(math.pi * (done - warm_up) / (1 - warm_up))) / 2

    return schedule
