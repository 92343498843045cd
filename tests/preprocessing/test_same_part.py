import cv2
import numpy as np

from preprocessing.splitting.near_duplicates import cluster, fingerprint, linked
from preprocessing.splitting.same_part import same_part_groups
from preprocessing.splitting.split import expected_leak
from preprocessing.splitting.structure import shared_structure, structure

LIGHTS = 5


def texture(seed, size=(240, 220)):
    """A tile: grey, with fine lines of its own."""
    random = np.random.default_rng(seed)
    fine = cv2.GaussianBlur(random.normal(0, 40, size), (0, 0), 1.8)
    coarse = cv2.resize(random.uniform(-15, 15, (4, 4)), size[::-1])
    return 110 + 3 * fine + coarse


def lit(tile, light, seed):
    """A tile under another light: brightness, contrast, shading, and a new cut."""
    random = np.random.default_rng([seed, light])
    height, width = tile.shape
    slope = np.linspace(-40, 40, width) * (light - 2) / 2
    seen = tile * (0.5 + 0.2 * light) - 20 * (light - 1) + slope
    top, left = random.integers(0, 9, 2)
    cut = seen[top : height - 8 + top, left : width - 8 + left]
    noisy = cut + random.normal(0, 2, cut.shape)
    return np.repeat(np.clip(noisy, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def tiles(count):
    images = [
        lit(texture(tile), light, tile)
        for tile in range(count)
        for light in range(LIGHTS)
    ]
    return [fingerprint(image) for image in images], np.repeat(np.arange(count), LIGHTS)


def test_one_part_under_several_lights_is_one_group():
    prints, parts = tiles(24)
    assert len(set(cluster(prints))) > 60  # greys alone do not see it
    random = np.random.default_rng(1)
    names = [f"p{number}" for number in random.permutation(10**4)[: len(prints)]]
    numbers, grounds = same_part_groups(prints, ["good"] * len(prints), names)
    whole = [len(set(numbers[parts == part])) == 1 for part in range(24)]
    assert np.mean(whole) >= 0.9
    assert all(len(set(parts[numbers == number])) == 1 for number in numbers)
    assert grounds["lines"] > 100 and grounds["numbers"] == 0


def test_numbers_in_names_count_where_the_pictures_bear_them_out():
    prints, parts = tiles(24)
    names = [f"exp{i % 5}_{1000 * part + 7 * i}" for i, part in enumerate(parts)]
    numbers, grounds = same_part_groups(prints, ["good"] * len(prints), names)
    assert (numbers[:, None] == numbers).tolist() == (parts[:, None] == parts).tolist()
    assert grounds["numbers"] == len(prints)
    shuffled = np.random.default_rng(2).permutation(len(prints))
    strangers = [prints[position] for position in shuffled]
    assert same_part_groups(strangers, ["good"] * len(prints), names)[1]["numbers"] == 0


def lens(step, seed):
    """Good lenses: all alike, and drifting little by little along the day."""
    rows, columns = np.mgrid[:128, :128]
    ring = 150 * np.exp(-(((np.hypot(rows - 64, columns - 64) - 40) / 9) ** 2))
    grey = 40 + 0.7 * step + ring + np.random.default_rng(seed).normal(0, 2, ring.shape)
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def test_a_chain_of_parts_that_drift_is_no_group():
    prints = [fingerprint(lens(step, step)) for step in range(120)]
    assert len(set(linked(prints))) == 1
    numbers, grounds = same_part_groups(prints, ["good"] * 120, ["x"] * 120)
    sizes = np.bincount(numbers)
    assert sizes.max() <= 24 and grounds["near_copies"] == 120
    for number in set(numbers):
        assert np.ptp(np.flatnonzero(numbers == number)) <= 24
    splits = np.where(numbers % 3 == 0, "test", "train")
    assert expected_leak(splits, prints) > 0  # and it says so


def test_flips_and_quarter_turns_are_copies():
    pictures = []
    for tile in range(10):
        picture = lit(texture(tile, (200, 200)), 2, tile)
        turned = [
            np.rot90(side, turn)
            for side in (picture, picture[:, ::-1])
            for turn in range(4)
        ]
        pictures += [np.ascontiguousarray(each) for each in turned]
    prints = [fingerprint(each) for each in pictures]
    parts = np.repeat(np.arange(10), 8)
    numbers = cluster(prints)
    assert (numbers[:, None] == numbers).tolist() == (parts[:, None] == parts).tolist()
    assert expected_leak(["train", *["test"] * 7] * 10, prints) == 1


def test_negatives_are_copies():
    pictures = [lit(texture(tile), 2, tile) for tile in range(12)]
    noise = np.random.default_rng(0).normal(0, 2, pictures[0].shape)
    negatives = [
        np.clip(255 - picture + noise, 0, 255).astype(np.uint8) for picture in pictures
    ]
    prints = [fingerprint(each) for each in pictures + negatives]
    numbers = cluster(prints)
    assert len(set(numbers)) == 12 and (numbers[:12] == numbers[12:]).all()
    numbers = np.random.default_rng(1).permutation(10**4)[:24]
    names = [f"p{number}" for number in numbers]
    grouped, _ = same_part_groups(prints, ["good"] * 24, names)
    assert len(set(grouped)) == 12 and (grouped[:12] == grouped[12:]).all()
    assert expected_leak(["train"] * 12 + ["test"] * 12, prints) == 1


def test_small_parts_on_a_plain_ground_are_not_all_one():
    prints = []
    for seed in range(80):
        random = np.random.default_rng(seed)
        rod = np.full((256, 256), 200, np.uint8)
        rod[108:148, 48:208] = cv2.resize(
            random.integers(60, 200, (12, 48), np.uint8), (160, 40)
        )
        turn = cv2.getRotationMatrix2D((128, 128), float(random.uniform(0, 360)), 1)
        grey = cv2.warpAffine(rod, turn, (256, 256), borderValue=200)
        grey = cv2.add(grey, random.integers(0, 5, grey.shape, np.uint8))
        prints.append(fingerprint(np.repeat(grey[:, :, None], 3, axis=2)))
    numbers, _ = same_part_groups(prints, ["good"] * 80, ["x"] * 80)
    assert np.bincount(numbers).max() <= 4


def test_lines_are_laid_over_each_other():
    tile = texture(3)
    maps = [
        structure(np.clip(each, 0, 255).astype(np.uint8))
        for each in (tile, 60 + tile / 3, texture(4))
    ]
    same, other = shared_structure(maps, np.array([0, 0]), np.array([1, 2]))
    assert same > 0.5 and other < 0.12
    moved = [maps[0], np.ascontiguousarray(maps[0][5:, 7:])]
    assert shared_structure(moved, np.array([0]), np.array([1]))[0] > 0.5


def solar_cell(seed):
    """Cells: the same dark grid on all, grains of their own, some with a crack."""
    random = np.random.default_rng(seed)
    grains = cv2.resize(random.normal(0, 14, (14, 14)), (160, 160))
    fine = cv2.GaussianBlur(random.normal(0, 30, (160, 160)), (0, 0), 1.5)
    cell = 150 + random.normal(0, 12) + grains + fine
    cell[:, [30, 31, 79, 80, 128, 129]] = 60
    cell[10::10] -= 25
    if seed % 3 == 0:
        ends = random.integers(20, 140, 4)
        cv2.line(cell, tuple(map(int, ends[:2])), tuple(map(int, ends[2:])), 40.0, 2)
    shift = random.integers(-2, 3, 2)
    cell = np.roll(cell, tuple(shift), (0, 1))
    return np.repeat(np.clip(cell, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def test_parts_that_share_their_printed_grid_are_not_one_part():
    prints = [fingerprint(solar_cell(seed)) for seed in range(90)]
    names = [f"cell{number:04d}" for number in range(90)]
    labels = ["cracked" if seed % 3 == 0 else "good" for seed in range(90)]
    numbers, grounds = same_part_groups(prints, labels, names)
    assert np.bincount(numbers).max() <= 3 and len(set(numbers)) >= 80, grounds
