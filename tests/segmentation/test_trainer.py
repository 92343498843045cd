"""The losses against NumPy, gradients, and images that are hard to train on."""

import numpy as np
import pytest
from networks_of import SETTINGS, batch_of, small_parts, truth_of

from networks.quiet_keras import keras
from segmentation.boxes import ROI_WEIGHTS, encode
from segmentation.trainer import LOSSES, Trainer, proposal_losses
from segmentation.training import Plan, compile_trainer

ops = keras.ops
PLAN = Plan(1, 1, 1e-3, 1e-3, 1)


@pytest.fixture(scope="module")
def trainer():
    found = Trainer(small_parts(), SETTINGS)
    compile_trainer(found, PLAN)
    return found


def losses_of(trainer, batch):
    found = trainer.test_on_batch(batch, return_dict=True)
    return {name: float(found[name]) for name in ("loss", *LOSSES)}


HARD = {
    "no defect": [truth_of([]), truth_of([])],
    "one pixel": [truth_of([(7, 9, 8, 10)]), truth_of([(95, 63, 96, 64)])],
    "the whole image": [truth_of([(0, 0, 96, 64)]), truth_of([])],
    "at the border": [truth_of([(0, 0, 9, 7), (80, 50, 96, 64)]), truth_of([])],
    "touching": [truth_of([(10, 10, 20, 30), (20, 10, 34, 30)], [1, 2]), truth_of([])],
    "thin": [truth_of([(0, 5, 96, 6)]), truth_of([(40, 0, 41, 64)])],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HARD)
def test_no_image_makes_nan(trainer, name):
    before = trainer.get_weights()
    found = losses_of(trainer, batch_of(HARD[name]))
    assert np.isfinite(list(found.values())).all()
    assert found["loss"] == pytest.approx(sum(found[part] for part in LOSSES), rel=1e-4)
    assert found["proposal_class"] > 0 and found["class"] > 0
    for part in ("proposal_box", "box", "mask"):
        assert (found[part] == 0) == (name == "no defect")
    trained = trainer.train_on_batch(batch_of(HARD[name]), return_dict=True)
    assert np.isfinite(float(trained["loss"]))
    assert all(np.isfinite(value).all() for value in trainer.get_weights())
    trainer.set_weights(before)


def test_an_image_alone_or_with_others_is_judged_alike(trainer):
    """Losses are means over what was sampled, so that a repeated image changes none."""
    truth = truth_of([(10, 8, 40, 30)])
    alone = losses_of(trainer, batch_of([truth]))
    batch = batch_of([truth])
    twice = {name: np.repeat(value, 2, axis=0) for name, value in batch.items()}
    assert losses_of(trainer, twice) == pytest.approx(alone, rel=1e-3)


def test_boxes_without_outline_train_no_masks(trainer):
    truth = truth_of([(10, 8, 40, 30)])
    batch = batch_of([truth._replace(has_outline=np.zeros(1, bool))])
    found = losses_of(trainer, batch)
    assert found["mask"] == 0 and found["box"] > 0


def test_losses_of_proposals_by_hand():
    objectness = np.array([[2.0, -1, 0.5, 3]], np.float32)
    deltas = np.zeros((1, 4, 4), np.float32)
    deltas[0, 2] = [1, 0, 0.05, 0]
    found = proposal_losses(
        ops.array(objectness),
        ops.array(deltas),
        {
            "anchor_index": np.array([[2, 1, 0]], np.int32),
            "anchor_label": np.array([[1, 0, -1]], np.int32),
            "anchor_target": np.zeros((1, 3, 4), np.float32),
        },
    )
    entropy = (np.log1p(np.exp(-0.5)) + np.log1p(np.exp(-1.0))) / 2
    assert float(found["proposal_class"]) == pytest.approx(entropy, rel=1e-5)
    smooth = (1 - 1 / 18) + 0.5 * 0.05**2 * 9
    assert float(found["proposal_box"]) == pytest.approx(smooth / 2, rel=1e-5)


class Perfect(keras.layers.Layer):
    """A head that says the same of every RoI."""

    def __init__(self, answer):
        super().__init__()
        self.answer = np.asarray(answer, np.float32)

    def call(self, inputs, training=False):
        ones = ops.ones_like(inputs[..., :1])
        if len(inputs.shape) == 4:  # of masks
            ones = ops.ones_like(ops.repeat(ops.repeat(ones, 2, axis=1), 2, axis=2))
        return ones * self.answer


def test_losses_of_the_heads_by_hand():
    """One truth that is drawn alone: its box is a RoI, all others are background."""
    parts = small_parts()
    box = np.array([10, 8, 40, 30], np.float32)
    logits, deltas = np.array([0.0, 1, 2]), np.array([0, 0, 0, 0, 0.5, 0, 0, 0.0])
    found = Trainer(
        parts._replace(
            box_head=Perfect([*logits, *deltas]), mask_head=Perfect([9.0, 1.5])
        ),
        SETTINGS,
    )
    compile_trainer(found, PLAN)
    batch = batch_of([truth_of([box.astype(int)], [2])])
    num_truths = batch["boxes"].shape[1]
    batch["noise"][:] = 0.5
    batch["noise"][:, 0] = 1.0  # the truth is drawn first
    values = losses_of(found, batch)
    entropies = np.log(np.exp(logits).sum()) - logits
    share = round((values["class"] - entropies[0]) / (entropies[2] - entropies[0]), 4)
    assert 1 / 64 - 1e-3 <= share <= 16 / 64  # positives among those sampled
    # the mask of a RoI that is the truth is full; others that overlap it less are not
    full = np.log1p(np.exp(-1.5))
    assert full - 1e-3 <= values["mask"] < full + 0.75
    assert values["box"] > 0 and num_truths == 3
    assert np.allclose(encode(box, box, ROI_WEIGHTS), 0)


def gradients_of(trainer, batch):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        losses = trainer(batch, training=True)
        total = sum(losses.values())
    variables = [each.value for each in trainer.trainable_variables]
    return tape.gradient(total, variables)


def is_moved(gradient):
    return gradient is not None and bool((abs(as_dense(gradient)) > 0).any())


def as_dense(gradient):
    import tensorflow as tf

    return tf.convert_to_tensor(gradient).numpy()


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="gradient tape")
def test_gradients_reach_all_that_trains(tmp_path):
    keras.utils.set_random_seed(1)
    path = tmp_path / "weights.weights.h5"
    from backbones import build_backbone

    build_backbone("mobilenetv2", weights="none", alpha=0.35).save_weights(path)
    trainer = Trainer(small_parts(weights=path), SETTINGS)
    batch = batch_of([truth_of([(10, 8, 40, 30)], [2]), truth_of([(0, 0, 90, 60)])])
    gradients = gradients_of(trainer, batch)
    names = [each.path for each in trainer.trainable_variables]
    still = [n for n, g in zip(names, gradients, strict=True) if not is_moved(g)]
    assert not still
    assert len(names) > 60 and not any("gamma" in name for name in names)
    frozen = [each.path for each in trainer.pyramid.non_trainable_variables]
    assert any(path.startswith("Conv1/") or "/Conv1/" in path for path in frozen)
    assert not any("block_2_project/" in name for name in names)
    assert any("block_3_expand/" in name for name in names)


@pytest.mark.slow
def test_frozen_layers_stay_as_they_are(tmp_path):
    keras.utils.set_random_seed(1)
    path = tmp_path / "weights.weights.h5"
    from backbones import build_backbone

    build_backbone("mobilenetv2", weights="none", alpha=0.35).save_weights(path)
    trainer = Trainer(small_parts(weights=path), SETTINGS)
    compile_trainer(trainer, PLAN)
    frozen = trainer.pyramid.non_trainable_variables
    before = [ops.convert_to_numpy(each).copy() for each in frozen]
    moving = [ops.convert_to_numpy(each).copy() for each in trainer.trainable_variables]
    trainer.train_on_batch(batch_of([truth_of([(10, 8, 40, 30)])]))
    for each, old in zip(frozen, before, strict=True):
        assert (ops.convert_to_numpy(each) == old).all(), each.path
    changed = [
        not (ops.convert_to_numpy(each) == old).all()
        for each, old in zip(trainer.trainable_variables, moving, strict=True)
    ]
    assert np.mean(changed) > 0.9
