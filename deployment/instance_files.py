"""The instances of predicted images as files: COCO results, and a row for each."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from deployment.runtime import Inspector, Verdict
from evaluation.found_instances import instance_results
from evaluation.instance_table import area_unit
from goodparts.command import InputError
from goodparts.files import PathLike, write_text
from preprocessing.instances import Ids


class InstanceFiles:
    """Collects the instances of images, to write them at the end.

    Args:
        mm_per_pixel: Side of a pixel, so that areas are in mm² instead of pixels.
    """

    def __init__(self, mm_per_pixel: float | None = None):
        self.unit, self.scale = area_unit(mm_per_pixel)
        self.results: list[dict[str, Any]] = []
        self.rows: list[dict[str, Any]] = []
        self._num_images = 0

    def add(self, file: Path, verdict: Verdict, inspector: Inspector) -> None:
        """Adds the instances of an image.

        Raises:
            InputError: If the model finds no instances.
        """
        found, every = verdict.instances, verdict.all_instances
        if found is None or every is None:
            raise InputError(
                f"{inspector.name} finds no instances, so there are none to write. "
                "Omit --coco and --instances."
            )
        self._num_images += 1
        categories = {name: place for place, name in enumerate(inspector.classes, 1)}
        ids = Ids({str(file): self._num_images}, categories)
        self.results += instance_results(str(file), every, ids)
        areas = np.prod(found.boxes[:, 2:], axis=1)
        if found.masks is not None:
            areas = found.masks.sum(axis=(1, 2))
        for box, score, label, area in zip(
            found.boxes, found.scores, found.labels, areas, strict=True
        ):
            x, y, width, height = (round(float(side), 2) for side in box)
            self.rows.append(
                {
                    "image": str(file),
                    "class": label,
                    "score": round(float(score), 4),
                    "x": x,
                    "y": y,
                    "width": width,
                    "height": height,
                    f"area_{self.unit}": float(f"{self.scale * float(area):.6g}"),
                }
            )

    def write(self, *, coco: PathLike | None, table: PathLike | None) -> None:
        """Writes the files that are not None.

        Args:
            coco: COCO results of all instances, with `sample_id` (the path of the
                image) and `label`; images are numbered from 1, and classes in their
                order.
            table: CSV file with the instances at or above their score threshold.
        """
        if coco is not None:
            write_text(coco, json.dumps(self.results, ensure_ascii=False) + "\n")
        if table is not None:
            names = ["image", "class", "score", "x", "y", "width", "height"]
            text = io.StringIO()
            columns = [*names, f"area_{self.unit}"]
            writer = csv.DictWriter(text, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
            write_text(table, text.getvalue())
