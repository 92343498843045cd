"""The embedded data set: bottle mouths under a camera, rendered, not photographed.

Every part is rendered with and without its defect, so that the masks are exact. The
camera adds vignetting, defocus, exposure and noise. 400 images of 256 px take about
10 seconds on two cores.
"""

import shutil
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from goodparts.command import InputError, progress
from goodparts.files import (
    PathLike,
    read_json,
    remove_leftovers,
    replace_folder,
    write_json,
)
from preprocessing.embedded_parts.bottle_defects import DEFECTS
from preprocessing.embedded_parts.bottle_mouth import draw_glass, light_glass, soft_step
from preprocessing.images import image_threads, write_image

CLASSES = ("good", *DEFECTS)
RENDERER = 1  # to be counted up whenever the pictures change
RECORD = "synthetic.json"  # what a rendered folder was made of
SMALLEST_SIZE, FEWEST_IMAGES = 32, 10
VISIBLE = 6.0  # grey levels of 255 by which a defect alters a pixel
SMALLEST_DEFECT = 2e-4  # of the image's area


class FaultEvent(NamedTuple):
    """One faulty part's passage: the frames in which its centre is in view."""

    label: str
    first_frame: int
    last_frame: int  # inclusive


class Clip(NamedTuple):
    """A rendered clip: uint8 RGB `(num_frames, height, width, 3)` and what is wrong."""

    frames: np.ndarray
    faults: np.ndarray  # bool (num_frames,)
    events: list[FaultEvent]


def render_part(
    label: str, seed: int, *, size: int = 256
) -> tuple[np.ndarray, np.ndarray]:
    """Renders one bottle mouth as a camera above it would see it.

    The same seed under another label is the same part in the same light: `good` is
    the defective part without its defect.

    Args:
        label: One of CLASSES.
        seed: Names the part, its pose, light and defect; 0 or above.
        size: Height and width in pixels, at least 32.

    Returns:
        The image, uint8 RGB `(size, size, 3)`, and the mask, bool `(size, size)`: the
        pixels that the defect alters by more than VISIBLE grey levels, before sensor
        noise. The mask of `good` is empty.

    Raises:
        InputError: If the label is unknown, the seed negative or the size too small.
    """
    if label not in CLASSES:
        raise InputError(
            f"label must be one of {', '.join(CLASSES)}. Received: {label!r}."
        )
    _check_least("seed", seed, 0)
    _check_least("size", size, SMALLEST_SIZE)
    glass = draw_glass(_random(seed, "glass"), size)
    picture, mask = _photograph(glass, label, seed)
    return _add_noise(picture, _random(seed, "noise")), mask


def _random(seed, purpose, part=0):
    return np.random.default_rng([seed, part, *purpose.encode()])


def _check_least(name, value, least):
    if value < least:
        raise InputError(f"{name} must be {least} or more. Received: {value}.")


def _photograph(glass, label, seed, part=0):
    """The picture before noise, in grey levels as float32, and the defect's mask.

    A defect that no pixel shows is drawn anew.
    """
    good = picture = _expose(light_glass(glass, _random(seed, "lamps")), seed)
    mask = np.zeros(glass.x.shape, bool)
    random = _random(seed, label, part)
    while label != "good" and mask.mean() < SMALLEST_DEFECT:
        defective = DEFECTS[label](glass, random)
        picture = _expose(light_glass(defective, _random(seed, "lamps")), seed)
        mask = np.abs(picture - good).max(axis=2) > VISIBLE
    return picture, mask


def _expose(scene, seed):
    """Vignetting, white balance, exposure, defocus and the camera's tone curve."""
    random = _random(seed, "camera")
    size = len(scene)
    squared = np.linspace(-1, 1, size, dtype=np.float32) ** 2
    corners = random.uniform(0.05, 0.22)
    light = (1 - corners * (squared[:, None] + squared) / 2)[..., None]
    light = light * random.uniform(0.96, 1.04, 3) * random.uniform(0.85, 1.15)
    blur = random.uniform(0.5, 1.3) * size / 256
    scene = cv2.GaussianBlur(scene * light.astype(np.float32), (0, 0), blur)
    bright = np.maximum(scene - 0.75, 0)
    scene = np.clip(scene, 0, 0.75) + 0.25 * np.tanh(4 * bright)  # soft clipping
    return 255 * np.sqrt(scene)


def _add_noise(picture, random):
    """The sensor's shot and read noise, and rounding to uint8."""
    deviation = random.uniform(1.0, 2.5) * np.sqrt(0.5 + picture / 255)
    noise = random.standard_normal(picture.shape, dtype=np.float32)
    return np.clip(picture + deviation * noise + 0.5, 0, 255).astype(np.uint8)


def render_dataset(
    folder: PathLike, *, num_images: int = 400, size: int = 256, seed: int = 0
) -> Path:
    """Renders a data set in the MVTec layout; every image is another physical part.

    A fifth of the images for each kind of defect, the rest is good, and of that three
    quarters go to `train/good`. The folder appears when it is complete; one that was
    rendered with the same arguments is kept, with other ones it is replaced.

    Args:
        folder: Where `train/`, `test/` and `ground_truth/` go.
        num_images: At least 10.
        size: Height and width in pixels, at least 32.
        seed: Another seed gives other parts.

    Returns:
        The folder's path.

    Raises:
        InputError: If an argument is out of range, or the folder has other content.
    """
    _check_least("num_images", num_images, FEWEST_IMAGES)
    _check_least("size", size, SMALLEST_SIZE)
    _check_least("seed", seed, 0)
    folder = Path(folder)
    made_of = {
        "renderer": RENDERER,
        "num_images": num_images,
        "size": size,
        "seed": seed,
    }
    if _rendered_with(folder) == made_of:
        remove_leftovers(folder)
        return folder
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _render_images(partial, num_images, size, seed)
        write_json(partial / RECORD, made_of)
        replace_folder(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _rendered_with(folder):
    """The arguments that a folder was rendered with, or None where nothing is."""
    if (folder / RECORD).is_file():
        return read_json(folder / RECORD)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            f"{folder} already exists and was not rendered by this program, so it was "
            "not changed. Give a new folder, or remove this one."
        )
    return None


def _render_images(folder, num_images, size, seed):
    def render(number, split, label, name):
        image, mask = render_part(label, seed * 1_000_000 + number, size=size)
        write_image(folder / split / label / f"{name:03d}.png", image)
        if label != "good":
            write_image(folder / "ground_truth" / label / f"{name:03d}_mask.png", mask)

    places = _places(num_images)
    pool = image_threads()
    try:
        futures = [
            pool.submit(render, number, *place) for number, place in enumerate(places)
        ]
        for future in progress(futures, "rendering", len(futures)):
            future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _places(num_images):
    """`(split, label, number in its folder)` of every image."""
    num_each = num_images // 5
    num_good = num_images - num_each * len(DEFECTS)
    num_train = 3 * num_good // 4
    places = [("train", "good", number) for number in range(num_train)]
    places += [("test", "good", number) for number in range(num_good - num_train)]
    for label in DEFECTS:
        places += [("test", label, number) for number in range(num_each)]
    return places


def render_conveyor_clip(
    seed: int,
    *,
    num_frames: int = 120,
    size: tuple[int, int] = (180, 320),
    fault_parts: Collection[int] = (2,),
) -> Clip:
    """Renders bottle mouths that pass a fixed camera at constant speed on a belt.

    Args:
        seed: Names the belt, its speed, the parts and their defects; 0 or above.
        num_frames: At least 1.
        size: `(height, width)` of a frame; the height at least 64.
        fault_parts: Which parts are faulty, counted from 0 in the order in which they
            pass. At the default length at least four pass.

    Returns:
        A Clip. `faults[t]` is True when the centre of a faulty part is in view in
        frame t; `events` lists the faulty parts with their first and last such frame.

    Raises:
        InputError: If an argument is out of range, or a faulty part never passes.
    """
    height, width = size
    _check_least("seed", seed, 0)
    _check_least("num_frames", num_frames, 1)
    _check_least("height", height, 2 * SMALLEST_SIZE)
    random = _random(seed, "conveyor")
    speed = width * random.uniform(0.015, 0.025)  # pixels per frame
    starts = speed * np.arange(num_frames)  # where each view begins on the belt
    side = round(0.85 * height)
    end = int(starts[-1]) + width
    centres = np.arange(width * random.uniform(0.1, 0.5), end, 1.3 * side).astype(int)
    missing = set(fault_parts) - set(range(len(centres)))
    if missing:
        raise InputError(
            f"fault_parts must be from 0 to {len(centres) - 1}, the parts that pass "
            f"in {num_frames} frames. Received: {min(missing)}. Render more frames."
        )
    labels = dict.fromkeys(range(len(centres)), "good")
    labels |= {
        part: _random(seed, "label", part).choice(CLASSES[1:]) for part in fault_parts
    }
    belt = _belt(random, height, end + 2 * side)
    for part, centre in enumerate(centres):
        left = centre + side - side // 2
        _lay_down(belt[:, left : left + side], labels[part], seed, part)
    frames = _film(belt, size, starts + side, seed)
    return Clip(frames, *_find_faults(centres, labels, starts, width))


def _belt(random, height, length):
    """A woven, stained rubber belt: grey levels, float32 `(height, length, 3)`."""
    weave = random.normal(0, 3, (height, length)).astype(np.float32)
    weave += 2 * np.sin(np.arange(length, dtype=np.float32) * 1.3)
    stains = random.normal(0, 6, (6, max(2, length // 40))).astype(np.float32)
    weave += cv2.resize(stains, (length, height), interpolation=cv2.INTER_CUBIC)
    return (random.uniform(60, 90) + weave)[..., None] * np.float32((1, 1.02, 1.05))


def _lay_down(belt, label, seed, part):
    """Puts part number `part` with its shadow into the middle of a piece of belt."""
    height, side = belt.shape[:2]
    glass = draw_glass(_random(seed, "part", part), side)
    picture, _ = _photograph(glass, label, seed, part)
    top = (height - side) // 2
    ground = belt[top : top + side]
    reach = np.maximum(glass.radius - 0.95, 0) / np.float32(0.08)
    ground *= 1 - 0.5 * np.exp(-reach)[..., None]
    covered = soft_step(0.97 - glass.radius, 2 * glass.pixel)[..., None]
    ground += covered * (picture - ground)


def _film(belt, size, lefts, seed):
    """Frames of the belt from each left edge on, under uneven light, with noise."""
    height, width = size
    random = _random(seed, "film")
    light = cv2.resize(random.normal(1, 0.06, (3, 3)), (width, height))
    light = light[..., None].astype(np.float32)
    frames = np.empty((len(lefts), height, width, 3), np.uint8)
    for frame, left in zip(frames, lefts, strict=True):
        centre = (float(left) + (width - 1) / 2, (height - 1) / 2)
        frame[:] = _add_noise(
            light * cv2.getRectSubPix(belt, (width, height), centre), random
        )
    return frames


def _find_faults(centres, labels, starts, width):
    faults = np.zeros(len(starts), bool)
    events = []
    for part, centre in enumerate(centres):
        in_view = (centre >= starts) & (centre < starts + width)
        if labels[part] != "good" and in_view.any():
            first, last = np.flatnonzero(in_view)[[0, -1]]
            events.append(FaultEvent(str(labels[part]), int(first), int(last)))
            faults |= in_view
    return faults, events
