"""The instances that a run found, stored in the format of COCO results."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.predictor import Instances
from goodparts.command import InputError, reason
from goodparts.files import read_json
from preprocessing.instances import Ids, decode_mask, encode_mask


def instance_results(
    sample_id: str, instances: Instances, ids: Ids
) -> list[dict[str, Any]]:
    """One COCO result per instance of an image, with its `sample_id` and `label`.

    Args:
        sample_id: sample_id of the image.
        instances: In pixels of the image.
        ids: IDs of images and classes, see `preprocessing.instances.read_ids`.
    """
    masks: list[dict[str, Any] | None] = [None] * len(instances.scores)
    if instances.masks is not None:
        masks = [encode_mask(mask) for mask in instances.masks]
    return [
        {
            "image_id": ids.images[sample_id],
            "category_id": ids.categories.get(label, 0),
            "bbox": [round(float(value), 2) for value in box],
            "score": float(score),
            **({} if mask is None else {"segmentation": mask}),
            "sample_id": sample_id,
            "label": label,
        }
        for box, score, label, mask in zip(
            instances.boxes, instances.scores, instances.labels, masks, strict=True
        )
    ]


def read_found(run_folder: str | os.PathLike[str]) -> dict[str, list[dict[str, Any]]]:
    """The results in `instances.json` of a run folder: lists by sample_id.

    Raises:
        InputError: If the file is missing or damaged.
    """
    path = Path(run_folder) / "instances.json"
    found: dict[str, list[dict[str, Any]]] = {}
    try:
        for result in read_json(path):
            found.setdefault(result["sample_id"], []).append(result)
        for results in found.values():
            as_instances(results)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} cannot be read ({reason(error)}). Restore it from a copy, or "
            "train again."
        ) from error
    return found


def as_instances(results: list[dict[str, Any]]) -> Instances:
    """`Instances` of the COCO results of one image."""
    found = (result.get("segmentation") for result in results)
    masks = [mask for mask in found if mask is not None]
    has_masks = bool(results) and len(masks) == len(results)
    return Instances(
        np.array([result["bbox"] for result in results], np.float64).reshape(-1, 4),
        np.array([result["score"] for result in results], np.float64),
        [result["label"] for result in results],
        np.stack([decode_mask(mask) for mask in masks]) if has_masks else None,
    )
