"""What good parts are like: the facts that a method is chosen by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np

from anomaly.foreground import border_of, find_foreground
from anomaly.pose import MIN_ELONGATION, find_outline


class GoodFacts(NamedTuple):
    """Facts of good images; those of the part are None where none is found.

    Attributes:
        colour_spread: Standard deviation of the colours in an image, CIELAB units.
        light_spread: Of the mean colours of the images.
        border: Share of the border that differs from the background, 0 where the part
            lies free.
        area: Of the part, share of the image.
        area_spread: Of it, relative to its mean.
        centre_spread: Of the part's place, share of the image's width.
        turn_spread: Of the direction of its main axis, degrees; None for a part without
            one. 52 or so where all directions are equally likely.
    """

    colour_spread: float
    light_spread: float
    border: float
    area: float | None
    area_spread: float | None
    centre_spread: float | None
    turn_spread: float | None


def find_facts(images: Iterable[np.ndarray]) -> GoodFacts:
    """The facts of good images, uint8 RGB `(height, width, 3)` each."""
    spreads, means, borders, outlines = [], [], [], []
    for image in images:
        lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(np.float64)
        lab *= (100 / 255, 1, 1)
        spreads.append(np.linalg.norm(lab.std(axis=0)))
        means.append(lab.mean(axis=0))
        mask, _ = find_foreground(image)
        borders.append(mask[border_of(mask.shape)].mean())
        outline = find_outline(mask, 1.0)
        if outline is not None:
            height, width = mask.shape
            share = outline.area / (height * width)
            place = np.array(outline.centre) / width
            is_long = outline.length >= MIN_ELONGATION * outline.breadth
            outlines.append((share, place, outline.axis if is_long else None))
    part: list[float | None] = [None] * 4
    if len(outlines) == len(means):
        areas = np.array([share for share, _, _ in outlines])
        places = np.array([place for _, place, _ in outlines])
        axes = [axis for _, _, axis in outlines if axis is not None]
        part = [
            float(areas.mean()),
            float(areas.std() / areas.mean()),
            float(np.linalg.norm(places.std(axis=0))),
            _turn_spread(np.array(axes)) if 2 * len(axes) > len(outlines) else None,
        ]
    return GoodFacts(
        float(np.mean(spreads)),
        float(np.linalg.norm(np.std(means, axis=0))),
        float(np.median(borders)),
        *part,
    )


def _turn_spread(axes):
    """The spread of directions that are the same when reversed, degrees."""
    angles = 2 * np.arctan2(axes[:, 1], axes[:, 0])
    away = np.angle(np.exp(1j * angles) / np.exp(1j * _mean_angle(angles)))
    return float(np.degrees(np.sqrt((away**2).mean()) / 2))


def _mean_angle(angles):
    return np.angle(np.exp(1j * angles).mean())


def facts_lines(facts: GoodFacts) -> list[str]:
    """The facts as sentences."""
    lines = [
        f"The colours of an image vary by {facts.colour_spread:.0f} CIELAB units, "
        f"those of the images among each other by {facts.light_spread:.1f}."
    ]
    if facts.area is None or facts.area_spread is None or facts.centre_spread is None:
        return [*lines, "No part was found before a background."]
    lines.append(
        f"What differs from the border covers {facts.area:.0%} of the image, varying "
        f"by {facts.area_spread:.0%} of that; its place varies by "
        f"{facts.centre_spread:.1%} of the width"
        + (
            " and it has no main axis."
            if facts.turn_spread is None
            else f", its direction by {facts.turn_spread:.0f} degrees."
        )
    )
    if facts.border > 0:
        lines.append(f"It covers {facts.border:.0%} of the border of the image.")
    return lines
