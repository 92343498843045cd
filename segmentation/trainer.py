"""The five losses of Mask R-CNN as one Keras model, trained on batches of truths.

Both losses of boxes divide the sum over the matched ones by all that were sampled. An
image without a defect adds to the losses of classes alone.
"""

from __future__ import annotations

from typing import Any

from networks.quiet_keras import keras
from segmentation.anchors import num_cells, place_anchors
from segmentation.boxes import ROI_WEIGHTS, encode
from segmentation.detector import BOX_BINS, MASK_BINS, Settings
from segmentation.network import MASK_SIDE, Parts
from segmentation.tensors import (
    align_boxes,
    crop_masks,
    num_proposals,
    pick,
    propose,
    sample_rois,
)

ops = keras.ops

LOSSES = ("proposal_class", "proposal_box", "class", "box", "mask")
NUM_ROIS, NUM_POSITIVE = 64, 16  # of an image, that the box head is trained on
NUM_MASKED = 8  # of the latter, drawn by chance, that the mask head is trained on
BEND = 1 / 9  # of the loss of boxes: quadratic below, linear above


class Trainer(keras.Model):
    """Takes batches of `batches.truth_batch` and returns their losses by name.

    Args:
        parts: The networks to train.
        settings: What belongs to them.
    """

    def __init__(self, parts: Parts, settings: Settings):
        super().__init__(name="mask_rcnn")
        self.pyramid, self.box_head, self.mask_head = parts
        self.settings = settings
        self.anchors = place_anchors(settings.canvas, settings.anchors)
        self.means = [keras.metrics.Mean(name=name) for name in LOSSES]
        self.built = True  # all parts are

    def call(self, inputs: dict[str, Any], training: bool = False) -> dict[str, Any]:
        images = ops.cast(inputs["images"], "float32")
        cells = self.pyramid(images, training=training)
        channels, num_ratios = self.settings.channels, len(self.settings.anchors.ratios)
        num_anchors = len(self.anchors)
        objectness, deltas = (
            ops.reshape(part, (-1, num_anchors, *rest))
            for part, rest in (
                (cells[..., channels : channels + num_ratios], ()),
                (cells[..., channels + num_ratios :], (4,)),
            )
        )
        losses = proposal_losses(objectness, deltas, inputs)
        proposals, is_there = propose(
            ops.stop_gradient(objectness),
            ops.stop_gradient(deltas),
            self.anchors,
            inputs["sizes"],
            self.settings,
        )
        rois = sample_rois(
            proposals,
            is_there,
            inputs["boxes"],
            inputs["labels"],
            inputs["noise"],
            num_rois=NUM_ROIS,
            num_positive=NUM_POSITIVE,
        )
        maps = self._maps(cells)
        return (
            losses
            | self._box_losses(maps, rois, inputs, training)
            | {"mask": self._mask_loss(maps, rois, inputs, training)}
        )

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The sum of the losses that `call` returned; their means are kept."""
        for mean in self.means:
            mean.update_state(y_pred[mean.name])
        return sum(y_pred[name] for name in LOSSES)

    def _maps(self, cells):
        """P2 to P5, `(batch, rows, columns, channels)`."""
        maps, start = [], 0
        for rows, columns in num_cells(self.settings.canvas)[:-1]:
            part = cells[:, start : start + rows * columns, : self.settings.channels]
            maps.append(ops.reshape(part, (-1, rows, columns, self.settings.channels)))
            start += rows * columns
        return maps

    def _box_losses(self, maps, rois, inputs, training):
        num_labels = len(self.settings.labels)
        features = align_boxes(maps, rois.boxes, BOX_BINS)
        size = BOX_BINS * BOX_BINS * self.settings.channels
        output = self.box_head(
            ops.reshape(features, (-1, NUM_ROIS, size)), training=training
        )
        logits, deltas = output[..., : num_labels + 1], output[..., num_labels + 1 :]
        num_sampled = ops.maximum(ops.sum(rois.weights), 1.0)
        wanted = ops.one_hot(rois.labels, num_labels + 1)
        entropies = -ops.sum(wanted * ops.log_softmax(logits, axis=-1), axis=-1)
        deltas = ops.reshape(deltas, (-1, NUM_ROIS, num_labels, 4))
        mine = ops.sum(deltas * wanted[..., 1:, None], axis=-2)
        truths = encode(
            pick(inputs["boxes"], rois.matched), rois.boxes, ROI_WEIGHTS, ops
        )
        is_positive = ops.cast(rois.labels > 0, "float32") * rois.weights
        return {
            "class": ops.sum(entropies * rois.weights) / num_sampled,
            "box": ops.sum(_smooth(mine - truths) * is_positive) / num_sampled,
        }

    def _mask_loss(self, maps, rois, inputs, training):
        boxes, labels, matched, weights = (each[:, :NUM_MASKED] for each in rois)
        features = align_boxes(maps, boxes, MASK_BINS)
        shape = (-1, MASK_BINS, MASK_BINS, self.settings.channels)
        logits = self.mask_head(ops.reshape(features, shape), training=training)
        mine = ops.one_hot(ops.reshape(labels, (-1,)), len(self.settings.labels) + 1)
        logits = ops.sum(logits * mine[:, None, None, 1:], axis=-1)
        size = self.settings.canvas
        masks = ops.reshape(pick(inputs["masks"], matched), (-1, *size))
        truths = crop_masks(masks, ops.reshape(boxes, (-1, 4)), MASK_SIDE)
        weights = weights * pick(inputs["has_outline"], matched)
        weights = ops.reshape(weights * ops.cast(labels > 0, "float32"), (-1,))
        entropies = ops.mean(_binary_entropy(logits, truths), axis=(1, 2))
        return ops.sum(entropies * weights) / ops.maximum(ops.sum(weights), 1.0)


def proposal_losses(
    objectness: Any, deltas: Any, inputs: dict[str, Any]
) -> dict[str, Any]:
    """The losses of the proposals, on the anchors that were sampled.

    Args:
        objectness: `(batch, anchors)`, logits.
        deltas: `(batch, anchors, 4)`.
        inputs: With `anchor_index`, `anchor_label` (1, 0, or -1 for none) and
            `anchor_target`, see `targets.AnchorTargets`.
    """
    labels = ops.cast(inputs["anchor_label"], "float32")
    is_sampled = ops.cast(labels >= 0, "float32")
    is_positive = ops.cast(labels > 0, "float32")
    num_sampled = ops.maximum(ops.sum(is_sampled), 1.0)
    entropies = _binary_entropy(pick(objectness, inputs["anchor_index"]), is_positive)
    apart = pick(deltas, inputs["anchor_index"]) - inputs["anchor_target"]
    return {
        "proposal_class": ops.sum(entropies * is_sampled) / num_sampled,
        "proposal_box": ops.sum(_smooth(apart) * is_positive) / num_sampled,
    }


def _binary_entropy(logits, truths):
    return ops.relu(logits) - logits * truths + ops.softplus(-ops.abs(logits))


def _smooth(apart):
    """Smooth L1 of differences `(..., 4)`, summed over the last axis."""
    size = ops.abs(apart)
    losses = ops.where(size < BEND, 0.5 * size * size / BEND, size - 0.5 * BEND)
    return ops.sum(losses, axis=-1)


def noise_length(settings: Settings, num_truths: int) -> int:
    """Random numbers that each image of a batch needs, see `tensors.sample_rois`."""
    return num_truths + num_proposals(settings)
