"""Every found and missed instance of a split as a row, with its area."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from evaluation.instance_metrics import FALSE_ALARM, MISSED, Outcome

FOUND, CONFUSED = "found", "another class"


def instance_rows(
    outcomes: Sequence[Outcome], *, mm_per_pixel: float | None = None
) -> Iterator[dict[str, Any]]:
    """Yields a row for each instance at or above its score threshold or missed.

    Args:
        outcomes: What became of the instances of each image.
        mm_per_pixel: Side of a pixel, so that areas are in mm² instead of pixels.

    Yields:
        Dicts of `sample_id`, `outcome` ("found", "another class", "false alarm" or
        "missed"), `class` (of the found one), `true_class`, `score`, `iou`, `x`, `y`,
        `width`, `height` (pixels; of the true one if it was missed), and the areas
        `area_px` and `true_area_px`, or `area_mm2` and `true_area_mm2`; "" for what
        there is none of.
    """
    for each in outcomes:
        found, true = each.pairing.found, each.pairing.true
        is_right = each.is_right
        for place, index in enumerate(each.kept):
            partner = each.partners[place]
            outcome = FOUND if is_right[place] else CONFUSED
            yield {
                "sample_id": each.pairing.sample_id,
                "outcome": FALSE_ALARM if partner < 0 else outcome,
                "class": found.labels[index],
                "true_class": "" if partner < 0 else true.labels[partner],
                "score": round(float(found.scores[index]), 4),
                "iou": "" if partner < 0 else round(float(each.ious[place]), 4),
                **_box(found.boxes[index]),
                **_areas(
                    found.areas[index],
                    None if partner < 0 else true.areas[partner],
                    mm_per_pixel,
                ),
            }
        for index in each.missed:
            yield {
                "sample_id": each.pairing.sample_id,
                "outcome": MISSED,
                "class": "",
                "true_class": true.labels[index],
                "score": "",
                "iou": "",
                **_box(true.boxes[index]),
                **_areas(None, true.areas[index], mm_per_pixel),
            }


def _box(box):
    names = ("x", "y", "width", "height")
    return dict(zip(names, (round(float(side), 2) for side in box), strict=True))


def _areas(found, true, mm_per_pixel):
    unit, scale = area_unit(mm_per_pixel)
    return {
        f"{name}_{unit}": "" if area is None else float(f"{scale * area:.6g}")
        for name, area in (("area", found), ("true_area", true))
    }


def area_unit(mm_per_pixel: float | None) -> tuple[str, float]:
    """Suffix of the columns with areas, and the area of a pixel in this unit."""
    return ("px", 1.0) if mm_per_pixel is None else ("mm2", mm_per_pixel**2)


def areas_text(rows: Sequence[dict[str, Any]], mm_per_pixel: float | None) -> str:
    """The areas of the found instances in one line, and their file."""
    unit, _ = area_unit(mm_per_pixel)
    areas = sorted(row[f"area_{unit}"] for row in rows if row["outcome"] == FOUND)
    if not areas:
        return "instances.csv: no true instance of test was found"
    low, middle, high = (areas[round(x * (len(areas) - 1))] for x in (0, 0.5, 1))
    named = "pixels" if unit == "px" else "mm²"
    return (
        f"areas of the found instances: {low:.4g} to {high:.4g} {named}, median "
        f"{middle:.4g}; all in instances.csv"
    )
