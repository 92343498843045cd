from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from goodparts.command import InputError
from preprocessing.augmenting.augmentation import (
    augment,
    augment_visibly,
    geometry_and_light,
)

STILL = {"flips": ["none"], "rotation": 0, "brightness": (1, 1)}


def picture(size=(40, 48)):
    return np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)


def test_nothing_to_draw_leaves_the_picture():
    image, masks = augment(geometry_and_light(**STILL), picture(), [], 0)
    assert (image == picture()).all() and masks == []


@pytest.mark.parametrize("flip, axis", [("horizontal", 1), ("vertical", 0)])
def test_flips_mirror_image_and_mask(flip, axis):
    mask = picture()[..., 0] > 128
    augmentation = geometry_and_light(**{**STILL, "flips": [flip]})
    image, (moved,) = augment(augmentation, picture(), [mask], 0)
    assert (image == np.flip(picture(), axis)).all()
    assert moved.dtype == bool and (moved == np.flip(mask, axis)).all()


def test_brightness_multiplies_rgb_and_clips():
    augmentation = geometry_and_light(**{**STILL, "brightness": (1.5, 1.5)})
    image, _ = augment(augmentation, np.uint8([[[10, 100, 200]]]), [], 0)
    assert image.tolist() == [[[15, 150, 255]]]  # 200 * 1.5 = 300
    augmentation = geometry_and_light(**{**STILL, "brightness": (0.5, 0.5)})
    image, _ = augment(augmentation, np.uint8([[[10, 100, 200]]]), [], 0)
    assert image.tolist() == [[[5, 50, 100]]]


def test_draws_fill_their_ranges_and_do_not_depend_on_each_other():
    ramp = np.zeros((41, 41, 3), np.uint8)
    ramp[20, 20] = ramp[20, 30] = 100  # the centre, and a point to the right of it
    pointer = np.zeros((41, 41), bool)
    pointer[19:22, 28:33] = True
    augmentation = geometry_and_light(flips=["none"])
    angles, factors = [], []
    for seed in range(400):
        image, (moved,) = augment(augmentation, ramp, [pointer], seed)
        rows, columns = np.nonzero(moved)
        angle = np.arctan2(20 - rows.mean(), columns.mean() - 20)
        angles.append(np.degrees(angle))
        factors.append(image[20, 20, 0] / 100)
    for values, low, high in ((angles, -90, 90), (factors, 0.5, 1.5)):
        counts, _ = np.histogram(values, 4, (low, high))
        assert counts.sum() >= 390 and counts.min() > 60  # 100 expected, sd 9
    # the standard deviation of a correlation of 400 pairs is 0.05
    assert abs(np.corrcoef(angles, factors)[0, 1]) < 0.2


def test_flips_are_drawn_equally_often_and_without_the_light():
    image = np.zeros((8, 8, 3), np.uint8)
    image[0, 0] = 100
    augmentation = geometry_and_light(rotation=0)
    found = {"none": [], "horizontal": [], "vertical": []}
    corners = {(0, 0): "none", (0, 7): "horizontal", (7, 0): "vertical"}
    for seed in range(300):
        drawn, _ = augment(augmentation, image, [], seed)
        corner = tuple(np.argwhere(drawn[..., 0])[0].tolist())
        found[corners[corner]].append(drawn.max() / 100)
    for factors in found.values():
        assert len(factors) > 70  # 100 expected, sd 8
        assert abs(np.mean(factors) - 1) < 0.15  # sd 0.29 / sqrt(100) = 0.03


def test_a_turn_keeps_the_size_and_leaves_no_border():
    bright = np.full((30, 50, 3), 200, np.uint8)
    augmentation = geometry_and_light(brightness=(1, 1))
    for seed in range(20):
        image, _ = augment(augmentation, bright, [], seed)
        assert image.shape == bright.shape and (image == 200).all()


def test_quarter_turns_move_image_and_mask_and_all_four_are_drawn():
    still = geometry_and_light(flips=("none",), rotation=0, brightness=(1, 1))
    image = picture((24, 24))
    mask = image[..., 0] > 128
    seen = set()
    for seed in range(40):
        turned, (moved,) = augment(
            still._replace(quarter_turns=True), image, [mask], seed
        )
        (count,) = (n for n in range(4) if np.array_equal(turned, np.rot90(image, n)))
        assert np.array_equal(moved, np.rot90(mask, count))
        seen.add(count)
    assert seen == {0, 1, 2, 3}
    assert not still.quarter_turns


def test_image_and_masks_move_together():
    size = (60, 80)
    masks = [np.zeros(size, bool), np.zeros(size, bool)]
    masks[0][20:36, 10:30] = True
    masks[1][40:55, 50:70] = True
    image = np.full((*size, 3), 20, np.uint8)
    image[masks[0]], image[masks[1]] = (250, 0, 0), (0, 250, 0)
    for seed in range(20):
        moved_image, moved = augment(geometry_and_light(), image, masks, seed)
        for channel, mask in enumerate(moved):
            seen = moved_image[..., channel] > 1.2 * moved_image.min(axis=2) + 50
            overlap = (seen & mask).sum() / max((seen | mask).sum(), 1)
            assert overlap > 0.85 or (seen | mask).sum() < 60


def test_the_seed_alone_decides_also_in_threads():
    augmentation = geometry_and_light()

    def draw(seed):
        return augment(augmentation, picture(), [], seed)[0].tobytes()

    alone = [draw(seed) for seed in range(16)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(draw, reversed(range(16)))) == alone[::-1]
    assert len(set(alone)) == 16


def test_defects_stay_in_the_picture():
    mask = np.zeros((64, 64), bool)
    mask[0:4, 0:4] = True  # a corner leaves the picture at most angles
    augmentation = geometry_and_light()
    lost = 0
    for number in range(60):
        lost += not augment(augmentation, picture((64, 64)), [mask], number)[1][0].any()
        _, (moved,) = augment_visibly(
            augmentation, picture((64, 64)), [mask], f"crack/{number}"
        )
        assert moved.sum() >= 4  # a quarter of 16 pixels
    assert lost > 20


def test_after_some_tries_only_the_light_changes(monkeypatch):
    monkeypatch.setattr("preprocessing.augmenting.augmentation.TRIES", 0)
    mask = picture()[..., 0] > 128
    _, (moved,) = augment_visibly(geometry_and_light(), picture(), [mask], "crack/0")
    assert (moved == mask).all()


@pytest.mark.parametrize(
    "wrong, text",
    [
        ({"flips": []}, "--flips must be some of .* Received: nothing"),
        ({"flips": ["up"]}, "--flips must be some of .* Received: up"),
        ({"rotation": -1}, "--rotation must be from 0 to 180 .* Received: -1"),
        ({"rotation": 181}, "--rotation must be from 0 to 180 .* Received: 181"),
        ({"brightness": (1.5, 0.5)}, "--brightness must .* Received: 1.5 0.5"),
        ({"brightness": (0, 1)}, "--brightness must .* Received: 0 1"),
        ({"brightness": (0.5, 9)}, "--brightness must .* Received: 0.5 9"),
        ({"brightness": (float("nan"), 1)}, "--brightness must .* Received: nan 1"),
    ],
)
def test_wrong_values_are_named(wrong, text):
    with pytest.raises(InputError, match=text):
        geometry_and_light(**wrong)


def test_what_is_given_twice_counts_once():
    flips = geometry_and_light(flips=["none", "vertical", "none"]).flips
    assert flips == ("vertical", "none")
