"""A glass bottle mouth seen from above: its shape and how it looks in the light.

The glass is a height field. Its slopes decide which lamp each point mirrors, its
thickness how much of the light panel below shines through; dirt covers both.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike

# Radial profiles of the glass; radii in units of the part's outer radius.
BORE, LIP, GROOVE = 0.50, 0.69, 0.79  # inner edge, crest of the lip, its outer foot
RADII = np.linspace(0, 1.2, 1024, dtype=np.float32)
THICKNESS = np.interp(
    RADII,
    (0.00, 0.47, 0.50, 0.54, 0.60, 0.69, 0.76, 0.80, 0.83, 0.92, 0.97, 1.00),
    (4.50, 4.50, 4.20, 3.20, 2.90, 2.10, 3.00, 5.50, 4.60, 3.60, 4.40, 6.00),
).astype(np.float32)
DEEP_THICKNESS = np.interp(  # of the base, seen through the bore
    RADII, (0.0, 0.05, 0.24, 0.30, 0.34, 0.40, 0.50), (2.6, 2.8, 3.0, 4.2, 3.3, 4.5, 6)
).astype(np.float32)


class Glass(NamedTuple):
    """One part: arrays `(size, size)` in float32; `dirt` is RGBA, 0 to 1."""

    x: np.ndarray  # from the centre, in units of the part's radius
    y: np.ndarray
    radius: np.ndarray
    slope_x: np.ndarray
    slope_y: np.ndarray
    thickness: np.ndarray
    fracture: np.ndarray  # how rough and white the surface is
    dirt: np.ndarray
    pixel: float  # size of a pixel in units of the part's radius


def draw_glass(random: np.random.Generator, size: int) -> Glass:
    """Draws a part: pose, glass thickness and slopes, and dust on the panel below.

    Args:
        random: A numpy Generator; the same state gives the same part.
        size: Height and width in pixels. The part looks alike in every size.
    """
    scale = random.uniform(0.78, 0.90)
    centre_x, centre_y, tilt_x, tilt_y = random.normal(0, 0.03, 4).tolist()
    axis = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(2 / size) - 1
    x, y = np.meshgrid((axis - centre_x) / scale, (axis - centre_y) / scale)
    radius = np.sqrt(x * x + y * y)
    cosine, sine = x / (radius + 1e-6), y / (radius + 1e-6)
    oval = random.uniform(0, 2 * math.pi)  # no mouth is quite round
    radius *= 1 + 0.004 * (math.cos(oval) * cosine + math.sin(oval) * sine) ** 2
    deep = np.hypot(x - np.float32(2.5 * tilt_x), y - np.float32(2.5 * tilt_y))
    pixel = 2 / size / scale
    shown = _look_up(DEEP_THICKNESS, deep / np.float32(random.uniform(0.9, 1.1)))
    inside = soft_step(BORE - 0.04 - radius, 2 * pixel)
    thickness = _look_up(THICKNESS, radius) * random.uniform(0.85, 1.15)
    thickness += inside * (shown * random.uniform(0.8, 1.2) - thickness)
    thickness *= 1 + 0.10 * smooth_noise(random, size, 5)
    thickness += 0.15 * smooth_noise(random, size, 20)
    slope = _look_up(_slope_profile(random), radius)
    seam = random.uniform(0, math.pi)  # where the mould's halves met
    offset = (y * math.cos(seam) - x * math.sin(seam)) / 0.012
    seam = random.uniform(0, 0.25) * offset * np.exp(-offset * offset)
    wave = np.stack([0.03 * smooth_noise(random, size, 7) for _ in "xy"])
    wave += np.stack([0.02 * smooth_noise(random, size, 40) for _ in "xy"])
    return Glass(
        x=x,
        y=y,
        radius=radius,
        slope_x=slope * cosine - seam * sine + wave[0] - np.float32(tilt_x),
        slope_y=slope * sine + seam * cosine + wave[1] - np.float32(tilt_y),
        thickness=thickness,
        fracture=np.zeros_like(x),
        dirt=_dust(random, x, y, pixel),
        pixel=pixel,
    )


def _look_up(profile, radius):
    position = radius * np.float32((len(RADII) - 1) / RADII[-1])
    return profile[np.minimum(position, len(RADII) - 1).astype(np.int32)]


def _slope_profile(random):
    """The bore's bevel, the rounded lip and the shoulder that falls off outside."""
    lip, steep = random.normal(LIP, 0.008), random.uniform(0.8, 1.3)
    inner, outer = lip - 0.12, lip + 0.115
    knots = (0.46, 0.50, inner, lip - 0.08, lip, lip + 0.08, outer, 0.82, 0.9, 1)
    slopes = (2.2, 1.2, 1.5, 0.6 * steep, 0, -0.6 * steep, -2, -0.7, -0.9, -2.5)
    profile = np.interp(RADII, knots, slopes).astype(np.float32)
    return cv2.GaussianBlur(profile[None], (0, 0), random.uniform(4, 12))[0]


def _dust(random, x, y, pixel):
    dirt = np.zeros((*x.shape, 4), np.float32)
    for _ in range(random.poisson(3)):
        angle, distance = random.uniform(0, 2 * math.pi), random.uniform(1.06, 1.5)
        x_there = x - np.float32(distance * math.cos(angle))
        y_there = y - np.float32(distance * math.sin(angle))
        speck = draw_blob(random, x_there, y_there, pixel, random.uniform(0.006, 0.02))
        colour = random.uniform(0.02, 0.25) * random.uniform(0.7, 1, 3)
        dirt = cover(dirt, speck * random.uniform(0.15, 0.7), colour)
    return dirt


def light_glass(glass: Glass, random: np.random.Generator) -> np.ndarray:
    """How the part looks on its light panel under the lamps that `random` draws.

    Returns:
        Linear RGB, float32 `(size, size, 3)`; the panel is below 1, highlights are not.
    """
    panel = _panel(glass, random)
    tint = _tint(random)
    scene = panel * np.exp(-glass.thickness[..., None] * tint)
    scene += _mirrored(glass, random)[..., None]
    white = np.array((1, 0.95, 0.85), np.float32)
    scene += (0.10 * glass.fracture)[..., None] * white
    outside = soft_step(glass.radius - 1, 1.5 * glass.pixel)[..., None]
    scene += outside * (panel - scene)
    light = panel.mean(axis=(0, 1)) / panel.max()
    alpha = glass.dirt[..., 3:]
    scene = scene * (1 - alpha) + glass.dirt[..., :3] * light
    return scene.astype(np.float32)


def _panel(glass, random):
    """The light panel under the part, uneven, darker close to the glass."""
    size = len(glass.x)
    uneven = 1 + 0.05 * smooth_noise(random, size, 3)
    uneven += 0.008 * smooth_noise(random, size, 30)
    slant = random.normal(0, 0.06, 2).astype(np.float32)
    uneven += slant[0] * glass.x + slant[1] * glass.y
    reach = np.maximum(glass.radius - 1, 0) / np.float32(random.uniform(0.05, 0.15))
    uneven *= 1 - random.uniform(0.1, 0.35) * np.exp(-reach)
    colour = random.uniform((0.92, 0.93, 0.88), (1.0, 1.0, 1.0))
    return uneven[..., None] * (random.uniform(0.6, 0.85) * colour).astype(np.float32)


def _tint(random):
    """What the glass absorbs of red, green and blue: amber, more or less greenish."""
    amber, green = np.array((0.50, 0.95, 1.7)), np.array((0.95, 0.62, 1.2))
    tint = (amber + random.uniform(0, 0.4) * (green - amber)) * random.uniform(
        0.75, 1.25
    )
    return tint.astype(np.float32)


def _mirrored(glass, random):
    """What the glass mirrors: a ring lamp with dead spots, soft boxes, the room."""
    slope = np.hypot(glass.slope_x, glass.slope_y)
    ring = np.exp(-(((slope - random.uniform(0.35, 0.6)) / np.float32(0.09)) ** 2))
    lamps = np.full_like(slope, random.uniform(0.3, 0.9))
    for _ in range(random.integers(1, 3)):  # dead or shaded stretches of the ring
        turn, edge = random.uniform(0, 2 * math.pi), math.cos(random.uniform(0.04, 0.5))
        along = math.cos(turn) * glass.slope_x + math.sin(turn) * glass.slope_y
        off = soft_step(along / (slope + 1e-6) - edge, 0.03)
        lamps *= 1 - random.uniform(0.3, 0.95) * off
    low = 1 - random.uniform(0.3, 0.9) * soft_step(glass.radius - GROOVE, 0.04)
    light = ring * lamps * low
    for _ in range(random.integers(2, 4)):
        turn, far = random.uniform(0, 2 * math.pi), random.uniform(0.3, 1.3)
        wide, bright = random.uniform(0.08, 0.25), random.uniform(0.3, 1.8)
        x = (glass.slope_x - np.float32(far * math.cos(turn))) / np.float32(wide)
        y = (glass.slope_y - np.float32(far * math.sin(turn))) / np.float32(wide)
        light += bright * np.exp(-((x * x + y * y) ** 2))
    on_glass = soft_step(glass.radius - BORE + 0.03, 2 * glass.pixel)
    room = np.float32(0.03) + 0.02 * slope
    return (light + room) * (on_glass + 0.01) * (1 - 0.5 * glass.fracture)


def smooth_noise(random: np.random.Generator, size: int, cells: int) -> np.ndarray:
    """Smooth noise of unit deviation, `cells` bumps across, alike at every size."""
    grid = random.standard_normal((cells, cells), dtype=np.float32)
    return cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)


def soft_step(distance: np.ndarray, width: float) -> np.ndarray:
    """0 to 1 where `distance` passes through 0: an edge without stairs."""
    return np.clip(distance / np.float32(width) + np.float32(0.5), 0, 1)


def draw_blob(
    random: np.random.Generator,
    x: np.ndarray,
    y: np.ndarray,
    pixel: float,
    radius: float,
) -> np.ndarray:
    """An irregular spot around the place where x and y are 0: 1 inside, 0 outside."""
    angle = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    outline = np.ones_like(angle)
    for waves in (2, 3, 4, 5, 7):
        phase = random.uniform(0, 2 * math.pi)
        outline += random.normal(0, 0.5 / waves) * np.cos(waves * angle + phase)
    outline = radius * np.maximum(outline, 0.2)
    return draw_outline(outline * np.cos(angle), outline * np.sin(angle), x, y, pixel)


def draw_outline(
    points_x: np.ndarray,
    points_y: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    pixel: float,
    *,
    width: int | None = None,
) -> np.ndarray:
    """Draws a polygon, or a line if it has a width in pixels, without stairs."""
    points = np.stack([points_x - x[0, 0], points_y - y[0, 0]], axis=1) / pixel
    points = np.round(points * 16).astype(np.int32)  # sixteenths of a pixel
    canvas = np.zeros(x.shape, np.uint8)
    if width is None:
        cv2.fillPoly(canvas, [points], 255, cv2.LINE_AA, shift=4)
    else:
        cv2.polylines(canvas, [points], False, 255, width, cv2.LINE_AA, shift=4)
    return canvas.astype(np.float32) / 255


def cover(dirt: np.ndarray, alpha: np.ndarray, colour: ArrayLike) -> np.ndarray:
    """Puts one more layer of dirt over `dirt`."""
    alpha = alpha[..., None].astype(np.float32)
    layer = np.append(colour, 1).astype(np.float32)
    return dirt + alpha * (layer - dirt)
