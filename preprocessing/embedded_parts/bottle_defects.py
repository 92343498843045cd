"""What goes wrong with a bottle mouth: glass broken out of the lip, and dirt.

DEFECTS has a function per class: it takes good glass and a numpy Generator and
returns the glass with a defect.
"""

import math

import cv2
import numpy as np

from preprocessing.embedded_parts.bottle_mouth import (
    BORE,
    GROOVE,
    LIP,
    cover,
    draw_blob,
    draw_outline,
    smooth_noise,
    soft_step,
)


def _break_large(glass, random):
    """A piece of the lip is gone: pits side by side along an arc."""
    middle, arc = random.uniform(0, 2 * math.pi), random.uniform(0.3, 0.9)
    pits = random.integers(2, 5)
    for angle in middle + np.linspace(-arc / 2, arc / 2, pits):
        radius, reach = random.uniform(0.60, 0.80), random.uniform(0.22, 0.32)
        glass = _chip(glass, random, angle=angle, radius=radius, reach=reach)
    return glass


def _break_small(glass, random):
    """A chip at an edge of the lip, from barely visible to a fingernail's size."""
    edge = (0.59, LIP, 0.75, GROOVE)[random.integers(4)]
    reach = 0.09 * 2.0 ** random.uniform(0, 1)
    angle = random.uniform(0, 2 * math.pi)
    return _chip(glass, random, angle=angle, radius=edge, reach=reach)


def _chip(glass, random, *, angle, radius, reach):
    """Cuts a pit with flat facets, as glass breaks, out of lip and bead.

    The pit's depth is the lowest of several planes, each falling from the middle:
    that gives the jagged outline and the facets at once.
    """
    size = len(glass.x)
    warp = np.stack([0.05 * reach * smooth_noise(random, size, 20) for _ in "xy"])
    warp += np.stack([0.001 * smooth_noise(random, size, 90) for _ in "xy"])
    x = glass.x - np.float32(radius * math.cos(angle)) + warp[0]
    y = glass.y - np.float32(radius * math.sin(angle)) + warp[1]
    depth = np.full_like(x, np.inf)
    num_planes = 7
    for number in range(num_planes):
        turn = 2 * math.pi * (number + random.uniform(0, 0.8)) / num_planes
        away = reach * random.uniform(0.6, 1.3)
        fall = random.uniform(0.3, 1.4)
        plane = away - x * np.float32(math.cos(turn)) - y * np.float32(math.sin(turn))
        np.minimum(depth, np.float32(fall) * plane, out=depth)
    inside = soft_step(depth, 0.6 * glass.pixel)
    inside *= soft_step(glass.radius - BORE, 2 * glass.pixel)
    inside *= soft_step(0.99 - glass.radius, 2 * glass.pixel)
    falls = np.gradient(np.maximum(depth, 0), np.float32(glass.pixel))
    depth = np.clip(depth / np.float32(reach), 0, 1)
    thinner, rough = random.uniform(-0.3, 0.7), random.uniform(0, 0.7)
    ripple = 0.12 * np.sin(np.hypot(x, y) * np.float32(14 / reach))
    return glass._replace(
        slope_x=glass.slope_x + inside * (-falls[1] - 0.6 * glass.slope_x + ripple),
        slope_y=glass.slope_y + inside * (-falls[0] - 0.6 * glass.slope_y + ripple),
        thickness=glass.thickness * (1 - inside * thinner * (0.3 + 0.7 * depth)),
        fracture=np.maximum(glass.fracture, inside * rough),
    )


def _contaminate(glass, random):
    """Dirt in the mouth: specks, a fibre, a smear or a flake, faint to obvious."""
    angle = random.uniform(0, 2 * math.pi)
    distance = 0.6 * math.sqrt(random.uniform(0, 1))
    x = glass.x - np.float32(distance * math.cos(angle))
    y = glass.y - np.float32(distance * math.sin(angle))
    draw = (_specks, _fibre, _smear, _flake)[random.integers(4)]
    strength = 0.6 * 1.6 ** random.uniform(0, 1)
    alpha = np.clip(draw(random, x, y, glass.pixel), 0, 1) * strength
    shade = random.uniform(0.3, 0.9) if random.random() < 0.95 else 0.01
    colour = shade * random.uniform((0.9, 0.75, 0.5), (1, 1, 1))
    return glass._replace(dirt=cover(glass.dirt, alpha, colour))


def _specks(random, x, y, pixel):
    alpha = np.zeros_like(x)
    for _ in range(random.integers(2, 9)):
        left, up = random.normal(0, 0.09, 2)
        radius = random.uniform(0.020, 0.06)
        speck = draw_blob(
            random, x - np.float32(left), y - np.float32(up), pixel, radius
        )
        alpha = np.maximum(alpha, speck * random.uniform(0.5, 1))
    return alpha


def _fibre(random, x, y, pixel):
    """A bent thread: the points near to a curve through turning steps."""
    turn = random.uniform(0, 2 * math.pi) + np.cumsum(random.normal(0, 0.35, 24))
    step = random.uniform(0.015, 0.035)
    points = np.cumsum(np.stack([np.cos(turn), np.sin(turn)]) * step, axis=1)
    points -= points.mean(axis=1, keepdims=True)
    width = max(1, round(random.uniform(0.012, 0.024) / pixel))
    return draw_outline(*points, x, y, pixel, width=width)


def _smear(random, x, y, pixel):
    reach = random.uniform(0.16, 0.34)
    body = draw_blob(random, x, y, pixel, reach)
    body = cv2.GaussianBlur(body, (0, 0), 0.3 * reach / pixel)
    return body * (0.45 + 0.25 * smooth_noise(random, len(x), 24))


def _flake(random, x, y, pixel):
    body = draw_blob(random, x, y, pixel, random.uniform(0.07, 0.17))
    return body * (0.85 + 0.15 * smooth_noise(random, len(x), 40))


DEFECTS = {
    "broken_large": _break_large,
    "broken_small": _break_small,
    "contamination": _contaminate,
}
