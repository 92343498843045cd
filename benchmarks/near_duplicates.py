"""What groups of real data sets hold: seconds, sizes, true parts, and what leaks.

    REAL_DATA=... python3 benchmarks/near_duplicates.py

Four minutes on two cores. `whole` of the parts known from file names lie in one group;
`groups_mixed` hold several of them. Known are the places on magnetic tiles (numbers of
a class within 300), each screw and hazelnut (every image another), and the fixed
cameras over ball screws (position and angle).
"""

import re
import time
from collections import defaultdict

import numpy as np
from figures import make_parser, real_data, write_figures

from goodparts.command import run_command
from preprocessing.importing.checked_images import check_images, place_files
from preprocessing.importing.layouts import read_source
from preprocessing.splitting.near_duplicates import linked
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
    rows = [row for name, parts in DATA.items() for row in measure(name, parts)]
    write_figures("near_duplicates", rows, out)


if __name__ == "__main__":
    run_command(main)
