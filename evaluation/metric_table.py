"""METRICS: every metric of a run, by name, and how to compute it.

A metric applies to runs that have its output and to splits that have the labels for it.
Its function takes a `Judged` and `Draws` and returns a value for each resample, so that
a value, its interval and a paired difference are computed by the same code.
"""

from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import NamedTuple

import numpy as np

from evaluation import average_precision, instance_metrics, metrics, pixel_metrics
from evaluation.calibration import calibration_error
from evaluation.intervals import interval, open_interval
from evaluation.judged import Draws, Judged


class Metric(NamedTuple):
    """A metric.

    Attributes:
        title: For tables and axes.
        output: Which of `predictor.OUTPUTS` it evaluates.
        values: `(judged, draws) -> (resamples,)`; NaN where a resample has none.
        rests_on: `judged -> number of groups`, or several, see `intervals.interval`;
            None if no bound of a proportion applies.
        is_higher_better: Its direction.
        is_share: Whether it is in `[0, 1]` and is shown in percent.
        is_reflected: See `intervals.open_interval`.
        needs_masks: Whether it compares masks of instances.
    """

    title: str
    output: str
    values: Callable[[Judged, Draws], np.ndarray]
    rests_on: Callable[[Judged], int | list[int]] | None
    is_higher_better: bool = True
    is_share: bool = True
    is_reflected: bool = False
    needs_masks: bool = False

    def applies(self, judged: Judged, outputs: Collection[str]) -> bool:
        """Whether the run has this output and the split has labels for it."""
        if self.output == "map":
            return judged.pixels is not None
        if self.output == "instances":
            has_masks = judged.matches is not None and judged.matches.has_masks
            return has_masks if self.needs_masks else judged.matches is not None
        return self.output in outputs

    def interval(self, judged: Judged, values: np.ndarray) -> dict[str, float | None]:
        """The figure with its 95 % interval, of values that begin with the sample's."""
        if self.rests_on is None:
            return open_interval(values[0], values[1:], is_reflected=self.is_reflected)
        return interval(values[0], values[1:], self.rests_on(judged))


def _of_classes(function):
    return lambda judged, draws: function(judged.confusion(draws))


def _auroc(judged, draws):
    return metrics.auroc(judged.scores, judged.is_defect, draws.of_samples)


def _miss_rate(judged, draws):
    return metrics.share(~judged.rejected, judged.is_defect, draws.of_samples)


def _false_reject_rate(judged, draws):
    return metrics.share(judged.rejected, ~judged.is_defect, draws.of_samples)


def _cross_entropy(judged, draws):
    return metrics.mean(judged.losses, draws.of_samples)


def _calibration_error(judged, draws):
    return calibration_error(*judged.confidences, draws.of_samples)


def _all_groups(judged):
    return judged.num_groups


def _present_classes(judged):
    return [count for count in judged.groups_per_class if count]


def _rarer_kind(judged):
    return min(judged.num_bad_groups, judged.num_good_groups)


def _of_pixels(function):
    return lambda judged, draws: function(judged.pixels, draws.of_groups)


def _of_instances(function):
    return lambda judged, draws: function(judged.matches.counts, draws.of_groups)


def _instance_accuracy(judged, draws):
    return instance_metrics.accuracy(judged.matches, draws.of_groups)


def _precision(kind, at):
    """The metric of COCO's average precision: of a kind, at all IoU or at one."""
    mean = partial(instance_metrics.mean_precision, kind, at)
    number = at.removeprefix("ap")
    return Metric(
        f"{kind} AP{number}",
        "instances",
        lambda judged, draws: mean(judged.matches, draws.of_groups),
        lambda judged: judged.matches.groups_per_class,
        needs_masks=kind == "mask",
    )


def _groups_with_masks(judged):
    return judged.pixels.num_groups_with_defects


def _groups_with_instances(judged):
    return judged.matches.num_groups_with_defects


METRICS = {
    "macro_f1": Metric(
        "macro-F1", "classes", _of_classes(metrics.macro_f1), _present_classes
    ),
    "accuracy": Metric(
        "accuracy", "classes", _of_classes(metrics.accuracy), _all_groups
    ),
    "balanced_accuracy": Metric(
        "balanced accuracy",
        "classes",
        _of_classes(metrics.balanced_accuracy),
        _present_classes,
    ),
    "auroc": Metric("AUROC", "score", _auroc, _rarer_kind),
    "miss_rate": Metric(
        "miss rate",
        "score",
        _miss_rate,
        lambda judged: judged.num_bad_groups,
        is_higher_better=False,
    ),
    "false_reject_rate": Metric(
        "false reject rate",
        "score",
        _false_reject_rate,
        lambda judged: judged.num_good_groups,
        is_higher_better=False,
    ),
    "pixel_auroc": Metric(
        "pixel AUROC", "map", _of_pixels(pixel_metrics.auroc), _groups_with_masks
    ),
    "pixel_ap": Metric(
        "pixel AP",
        "map",
        _of_pixels(pixel_metrics.average_precision),
        _groups_with_masks,
    ),
    "aupro": Metric(
        "AUPRO 30 %", "map", _of_pixels(pixel_metrics.aupro), _groups_with_masks
    ),
    **{
        f"{kind}_{at}": _precision(kind, at)
        for kind in ("mask", "box")
        for at in average_precision.AT
    },
    "detection_rate": Metric(
        "detection rate",
        "instances",
        _of_instances(instance_metrics.detection_rate),
        _groups_with_instances,
    ),
    "false_alarms": Metric(
        "false alarms per image",
        "instances",
        _of_instances(instance_metrics.false_alarms_per_image),
        None,
        is_higher_better=False,
        is_share=False,
    ),
    "mean_iou": Metric(
        "IoU of detected defects",
        "instances",
        _of_instances(instance_metrics.mean_iou),
        _groups_with_instances,
    ),
    "instance_accuracy": Metric(
        "accuracy of instances",
        "instances",
        _instance_accuracy,
        _groups_with_instances,
    ),
    "area_error": Metric(
        "area error",
        "instances",
        _of_instances(instance_metrics.area_error),
        None,
        is_higher_better=False,
    ),
    "calibration_error": Metric(
        "calibration error",
        "classes",
        _calibration_error,
        None,
        is_higher_better=False,
        is_reflected=True,
    ),
    "cross_entropy": Metric(
        "cross-entropy",
        "classes",
        _cross_entropy,
        None,
        is_higher_better=False,
        is_share=False,
    ),
}
RANKING = ("macro_f1", "auroc")  # the first that all runs of a data set have


def metric_values(names: Iterable[str], judged: Judged) -> dict[str, np.ndarray]:
    """The values of metrics: for the sample first, then for each resample.

    Returns:
        A dict of arrays `(1 + resamples,)`.
    """
    parts = [
        {name: METRICS[name].values(judged, draws) for name in names}
        for draws in judged.draws()
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in names}
