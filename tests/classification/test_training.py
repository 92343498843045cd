"""The loop: rates, schedules of unfreezing, early stopping."""

import itertools

import keras
import numpy as np
import pytest

from classification.batches import judged, make_loss, make_targets, predict
from networks import training
from networks.epochs import num_batches, order
from networks.optimizer import TwoRateAdamW, warm_up_and_cosine
from networks.training import Stage, falling_steps, fit


def test_falling_steps_are_the_missions():
    rates = [1e-3 * falling_steps(done) for done in (0, 0.32, 0.34, 0.66, 0.67, 0.99)]
    assert rates == pytest.approx([1e-3, 1e-3, 2e-4, 2e-4, 4e-5, 4e-5])


def test_cosine_rises_for_an_epoch_and_falls_to_zero():
    schedule = warm_up_and_cosine(4)
    # a quarter is the warm-up; half way through the rest, at 0.625, cos is 0
    values = [schedule(done) for done in (0, 0.125, 0.25, 0.625, 1)]
    assert values == pytest.approx([0, 0.5, 1, 0.5, 0], abs=1e-6)
    # of one epoch the first quarter is the rise, and the end is zero too
    short = [warm_up_and_cosine(1)(done) for done in (0.125, 0.25, 1)]
    assert short == pytest.approx([0.5, 1, 0], abs=1e-6)


def test_two_rates_move_variables_by_their_share():
    """The first step of Adam is the learning rate, whatever the gradient."""
    slow, fast, kernel = (
        keras.Variable([1.0], name=name) for name in ("bias", "bias", "kernel")
    )
    optimizer = TwoRateAdamW(0.1, slow_variables=[slow], slow_share=0.01)
    gradients = [keras.ops.array([value]) for value in (0.3, 0.3, 0.0)]
    optimizer.apply(gradients, [slow, fast, kernel])
    assert float(1 - slow[0]) == pytest.approx(0.001, rel=1e-3)
    assert float(1 - fast[0]) == pytest.approx(0.1, rel=1e-3)
    assert float(1 - kernel[0]) == pytest.approx(0.1 * 1e-4, rel=0.02)  # decay alone


def test_an_epoch_has_every_image_and_batches_of_one_size():
    chosen = np.arange(100, 110)
    batches = order(chosen, 4, seed=5, epoch=2)
    assert batches.shape == (num_batches(10, 4), 4) == (15, 4)  # 5 passes of 3
    for first in range(0, 15, 3):
        assert set(batches[first : first + 3].ravel()) == set(chosen)
    assert num_batches(1000, 32) == 32
    assert np.array_equal(batches, order(chosen, 4, seed=5, epoch=2))
    assert not np.array_equal(batches, order(chosen, 4, seed=5, epoch=3))


def test_weights_make_classes_alike_and_have_mean_one():
    labels = ["a", "b", "b", "b", "b"]
    targets = make_targets(labels, ["a", "b"], "weighted", among=[0, 1, 2, 3])
    assert targets.weights == pytest.approx([2] + 4 * [2 / 3])  # 4 / (2 * n)
    assert targets.one_hot.tolist() == [[1, 0]] + 4 * [[0, 1]]
    plain = make_targets(labels, ["a", "b"], "cross_entropy", among=[0, 1])
    assert plain.weights.tolist() == 5 * [1]


def test_focal_loss_weighs_easy_images_down():
    # -log(0.9) = 0.10536; the focal loss weighs it by (1 - 0.9) ** 2 = 0.01
    right, answer = np.array([[0.0, 1.0]]), np.array([[0.1, 0.9]])
    plain = float(make_loss("cross_entropy", 0.0)(right, answer))
    focal = float(make_loss("focal", 0.0)(right, answer))
    assert plain == pytest.approx(0.10536, abs=1e-4)
    assert focal == pytest.approx(0.0010536, abs=1e-5)


def test_predict_fills_up_the_last_batch():
    seen = []

    class Doubling:
        def predict_on_batch(self, inputs):
            seen.append(len(inputs))
            return 2 * inputs

    parts = [np.ones((3, 2)), 5 * np.ones((1, 2))]
    assert predict(Doubling(), parts).tolist() == [[2, 2]] * 3 + [[10, 10]]
    assert seen == [3, 3]


def toy(epochs, *, dropout=0.0, **changes):
    """A model of one layer behind another, and a stage for it."""
    keras.utils.set_random_seed(0)
    features = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4)], name="features"
    )
    head = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(2, "softmax"),
        ],
        name="head",
    )
    inputs = keras.Input((3,))
    model = keras.Model(inputs, head(features(inputs)))
    stage = Stage(
        "toy",
        epochs,
        1,
        head_rate=0.1,
        features_rate=0.01,
        schedule=lambda done: 1.0,
        loss=make_loss("cross_entropy", 0.0),
        **changes,
    )
    values = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    targets = make_targets(
        values[:, 0] > 0, ["False", "True"], "cross_entropy", among=range(8)
    )

    def batches(epoch):
        yield values, *targets

    def judge():
        return judged(stage.loss, model.predict_on_batch(values), *targets)

    return model, stage, {"batches": batches, "judge": judge, "seed": 0}


def test_a_schedule_unfreezes_in_its_epoch():
    calls, kernels = [], []

    def set_blocks(count):
        calls.append((len(kernels), count))
        features.trainable = count > 0

    model, stage, rest = toy(4, unfreeze={0: 0, 2: 1}, set_blocks=set_blocks)
    features = model.get_layer("features")
    judge = rest["judge"]

    def watching():
        kernels.append(features.get_weights()[0])
        return judge()

    fit(model, stage, **rest | {"judge": watching})
    assert calls == [(0, 0), (2, 1)]
    changed = [not np.array_equal(a, b) for a, b in itertools.pairwise(kernels)]
    assert changed == [False, True, True]


def test_dropout_is_another_in_every_epoch_and_the_same_for_a_seed():
    def losses(seed):
        model, stage, rest = toy(3, dropout=0.5)
        stage = stage._replace(schedule=lambda done: 0.0)  # dropout alone changes
        return fit(model, stage, **rest | {"seed": seed})["loss"].tolist()

    assert len(set(losses(0))) == 3
    assert losses(0) == losses(0) and losses(0) != losses(1)


def test_early_stopping_and_the_best_weights():
    model, stage, rest = toy(50, patience=2)
    losses = iter([0.5, 0.4, 0.6, 0.7, 0.1])
    weights = []

    def judge():
        weights.append(model.get_weights())
        wanted = np.exp(-next(losses))  # cross-entropy of one answer
        answer, truth = np.array([[wanted, 1 - wanted]]), np.array([[1.0, 0.0]])
        return judged(stage.loss, answer, truth, np.ones(1))

    history = fit(model, stage, **rest | {"judge": judge})
    assert history["val_loss"].round(3).tolist() == [0.5, 0.4, 0.6, 0.7]
    for kept, best in zip(model.get_weights(), weights[1], strict=True):
        assert np.array_equal(kept, best)


@pytest.mark.parametrize(
    "losses, judged_from, best",
    [
        ((np.nan, 0.7, np.nan), 0, 1),  # a diverged epoch never is
        ((0.1, 0.7, 0.6, 0.9), 2, 2),  # nor one before they are judged
        ((0.1, 0.7), 2, 1),  # until then the last one is kept
    ],
)
def test_the_best_epoch(losses, judged_from, best):
    _, stage, _ = toy(4, judged_from=judged_from)
    rows = [{"val_loss": value} for value in losses]
    assert training._best_epoch(rows, stage) == best
