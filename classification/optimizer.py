"""AdamW that moves the pretrained features by smaller steps than the new head."""

import keras

WEIGHT_DECAY = 1e-4


class TwoRateAdamW(keras.optimizers.AdamW):
    """AdamW with a learning rate for some variables that is a share of the others'.

    Its `learning_rate` is that of the head. Gradients are clipped to a global norm
    of 1; biases and the parameters of normalisations do not decay.

    Args:
        learning_rate: Of all other variables.
        slow_variables: Those with the smaller rate.
        slow_share: Their rate as a share of `learning_rate`.

    Reference:
        Loshchilov and Hutter, Decoupled weight decay regularization, ICLR 2019.
    """

    def __init__(self, learning_rate, *, slow_variables=(), slow_share=1.0):
        super().__init__(
            learning_rate,
            weight_decay=WEIGHT_DECAY,
            global_clipnorm=1.0,
            name="two_rate_adamw",  # of its variables too, whichever optimizer it is
        )
        self.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        self._slow_variables = list(slow_variables)
        self._slow_share = slow_share

    def update_step(self, gradient, variable, learning_rate):
        # by index: some backends pass their own variable in the place of Keras's
        slow = {self._get_variable_index(value) for value in self._slow_variables}
        share = self._slow_share if self._get_variable_index(variable) in slow else 1.0
        super().update_step(gradient, variable, learning_rate * share)
