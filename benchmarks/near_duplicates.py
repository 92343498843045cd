"""What groups of real data sets hold: seconds, sizes, true parts, and what leaks.

    REAL_DATA=... python3 benchmarks/near_duplicates.py

Six minutes on two cores. `whole` of the parts known from file names lie in one group;
`groups_mixed` hold several of them. Known are the places on magnetic tiles (numbers of
a class within 300), each screw and hazelnut (every image another), and the fixed
cameras over ball screws (position and angle). In rows "copies: ..." each of some images
has an altered copy; `whole` copies lie in the group of their original.
"""

import re
import time
from collections import defaultdict

import cv2
import numpy as np
from figures import make_parser, real_data, sized, write_figures

from goodparts.command import run_command
from preprocessing.images import read_image
from preprocessing.importing.checked_images import check_images, place_files
from preprocessing.importing.layouts import read_source
from preprocessing.splitting.near_duplicates import fingerprint, linked
from preprocessing.splitting.neighbour_guess import neighbour_guess
from preprocessing.splitting.rule import SplitRule, split_table
from preprocessing.splitting.same_part import same_part_groups
from preprocessing.splitting.series import last_numbers
from preprocessing.splitting.split import expected_leak

SAME_PLACE = 300  # numbers of one place on a tile


def tile_places(table):
    numbers, labels = last_numbers(table["stem"]), table["label"].tolist()
    order = sorted(range(len(table)), key=lambda row: (labels[row], numbers[row]))
    parts, part = [0] * len(table), 0
    for before, row in zip([order[0], *order], order, strict=False):
        far = numbers[row] - numbers[before] > SAME_PLACE
        part += far or labels[row] != labels[before]
        parts[row] = part
    return parts


def camera_places(table):
    found = [re.match(r"01_\d+_(\d+_\d+)", stem) for stem in table["stem"]]
    return [
        match[1] if match else stem
        for match, stem in zip(found, table["stem"], strict=True)
    ]


def single_images(table):
    return list(range(len(table)))


DATA = {
    "bottles": None,
    "screw": single_images,
    "hazelnut_toy": single_images,
    "magnetic_tile": tile_places,
    "ball_screw": camera_places,
}


def clocks():
    """Time now, and that of the processor, which other programs hardly change."""
    return time.perf_counter(), time.process_time()


def seconds(what, started):
    passed = [round(now - then, 2) for now, then in zip(clocks(), started, strict=True)]
    return {f"{what}_s": passed[0], f"{what}_cpu_s": passed[1]}


def judge(groups, parts):
    """Parts that are whole, and groups that mix several."""
    of_part, of_group = defaultdict(set), defaultdict(set)
    for group, part in zip(groups, parts, strict=True):
        of_part[part].add(group)
        of_group[group].add(part)
    return {
        "parts": len(of_part),
        "whole": sum(len(held) == 1 for held in of_part.values()),
        "groups_mixed": sum(len(held) > 1 for held in of_group.values()),
    }


def negative(image):
    return 255 - image


def flipped(image):
    return np.ascontiguousarray(image[:, ::-1])


def bars(image):
    """Black bars above and below, the scale unchanged."""
    border = round(BAR * image.shape[0])
    return cv2.copyMakeBorder(image, border, border, 0, 0, cv2.BORDER_CONSTANT)


def letterboxed(image):
    """As networks want it: 640 x 640, the rest grey."""
    scale = LETTERBOX / max(image.shape[:2])
    size = [round(scale * side) for side in image.shape[1::-1]]
    fitted = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    top, left = ((LETTERBOX - side) // 2 for side in fitted.shape[:2])
    whole = np.full((LETTERBOX, LETTERBOX, 3), 114, np.uint8)
    whole[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
    return whole


def framed(image):
    """At three quarters of its scale, in a black frame of its size."""
    size = [round(FRAMED * side) for side in image.shape[1::-1]]
    fitted = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    top, left = (
        (side - own) // 2
        for side, own in zip(image.shape[:2], fitted.shape[:2], strict=True)
    )
    whole = np.zeros_like(image)
    whole[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
    return whole


ALTERED = (flipped, negative, bars, letterboxed, framed)
NUM_ALTERED = sized(80, 8)
BAR, FRAMED = 1 / 8, 3 / 4  # of the height, of the scale
LETTERBOX = 640  # pixels


def measure_altered(name):
    """A row for each kind of altered copy: those found, and what leaks then."""
    found = read_source(real_data(name)).images
    random = np.random.default_rng(0)
    chosen = sorted(random.permutation(len(found))[:NUM_ALTERED])
    images = [read_image(found[number].path) for number in chosen]
    originals, count = [fingerprint(image) for image in images], len(images)
    numbers = random.permutation(10**6)[: 2 * count]  # names that tell nothing
    names, labels = [f"part {number}" for number in numbers], ["part"] * 2 * count
    for alter in ALTERED:
        prints = originals + [fingerprint(alter(image)) for image in images]
        groups, _ = same_part_groups(prints, labels, names)
        splits = ["train"] * count + ["test"] * count
        yield {
            "data": name,
            "way": f"copies: {alter.__name__}",
            "images": 2 * count,
            "groups": len(np.unique(groups)),
            "largest": int(np.bincount(groups).max()),
            "leak": round(expected_leak(splits, prints), 4),
            "parts": count,
            "whole": int((groups[:count] == groups[count:]).sum()),
        }


def measure(name, find_parts):
    """Rows: near-copies without a bound, the groups as they are, and two splits."""
    source = read_source(real_data(name))
    started = clocks()
    images, _ = check_images(source.images)
    read = seconds("read_and_hash", started)
    table, prints = place_files(images), [image.fingerprint for image in images]
    normal_class = table["label"].iloc[0]  # asked by official splits alone
    for way in ("links", "groups"):
        started = clocks()
        if way == "links":
            numbers = linked(prints)
        else:
            names = table["label"].tolist(), table["stem"].tolist()
            numbers, _ = same_part_groups(prints, *names)
        row = {
            "data": name,
            "way": way,
            "images": len(images),
            **read,
            **seconds("search", started),
            "groups": len(np.unique(numbers)),
            "largest": int(np.bincount(numbers).max()),
        }
        if find_parts:
            row |= judge(numbers.tolist(), find_parts(table))
        yield row
    for grouping in ("near_duplicates", "none"):
        split_table(table, prints, SplitRule(grouping=grouping), normal_class)
        guess = neighbour_guess(prints, table)
        yield {
            "data": name,
            "way": f"split by {grouping}",
            "images": len(images),
            "leak": round(expected_leak(table["split"], prints), 4),
            **(guess or {}),
        }


def main():
    out = make_parser(__doc__.split("\n")[0]).parse_args().out
    rows = []
    for name, find_parts in DATA.items():
        rows += [*measure(name, find_parts), *measure_altered(name)]
    write_figures("near_duplicates", rows, out)


if __name__ == "__main__":
    run_command(main)
