"""Makes a data set, split into train, validate and test, from folders of images.

    python3 preprocessing/create_folders.py FOLDER   (= pipenv run folders FOLDER)

Finds the layout by itself. Without a folder: every folder under dataset/raw/, and
if there is none, the embedded data set, which it renders. Seconds per thousand
images. Running it again changes nothing; a killed run is begun again.
"""

import argparse
import shutil
from collections import Counter
from pathlib import Path

import pandas as pd

from preprocessing.command import InputError, run_command
from preprocessing.files import replace_folder, write_csv
from preprocessing.importers import LAYOUTS, read_source
from preprocessing.instances import write_instances
from preprocessing.manifest import (
    SPLITS,
    find_normal_class,
    is_copy,
    read_dataset,
    write_dataset,
)
from preprocessing.near_duplicates import near_duplicate_pairs
from preprocessing.sources import add_paths, check_images, place_files, write_files
from preprocessing.split import (
    BLOCK,
    GROUPINGS,
    assign_groups,
    check_shares,
    expected_leak,
    split_groups,
    split_in_time,
)
from preprocessing.synthetic import render_dataset

SHARES = (0.70, 0.15, 0.15)


def create_folders(
    source,
    *,
    out="dataset",
    name=None,
    shares=SHARES,
    seed=0,
    grouping="near_duplicates",
    pattern=None,
    block=BLOCK,
    protocol="grouped",
    layout=None,
    normal_class=None,
    link=False,
):
    """Makes `<out>/<name>` from a folder of images.

    Args:
        source: Folder of images, in one of the known layouts.
        out: Folder of all data sets.
        name: Of the data set; the source folder's name if None.
        shares: Of train, validate and test; they sum to 1.
        seed: Of the split.
        grouping: What must stay together, one of GROUPINGS.
        pattern: For grouping "pattern", a regular expression.
        block: For "blocks" and "chronological", frames in a group; also the gap.
        protocol: "grouped", or "official" to keep the test set of the MVTec layout.
        layout: One of LAYOUTS; found by itself if None.
        normal_class: The class of good parts; found by its name if None.
        link: Whether to hard-link the images rather than copy them.

    Returns:
        The `Dataset`, and whether it was made anew.

    Raises:
        InputError: If there is nothing to make a data set of; the text says why.
    """
    source = Path(source)
    check_shares(shares)
    found = read_source(source, layout=layout, normal_name=normal_class or "good")
    images, rejected = check_images(found.images)
    rejected = [*found.rejected, *rejected]
    if not images:
        raise InputError(f"No image of {source} can be used: {rejected[0].reason}.")
    table = place_files(images)
    classes = sorted(set(table["label"]))
    normal_class = find_normal_class(classes, normal_class)
    if len(classes) < 2:
        raise InputError(
            f"{source} has one class only, {classes[0]!r}. Telling good from bad "
            "needs images of defective parts too, in folders of their own."
        )
    pairs = near_duplicate_pairs([image.fingerprint for image in images])
    _split(
        table, pairs, classes, normal_class, shares=shares, seed=seed,
        grouping=grouping, pattern=pattern, block=block, protocol=protocol,
    )  # fmt: skip
    leak = expected_leak(table["split"], pairs)
    kept = [image for image, split in zip(images, table["split"], strict=True) if split]
    table = table[table["split"] != ""].reset_index(drop=True)
    add_paths(table)
    sizes = Counter(table["group"])
    info = {
        "name": name or source.resolve().name,
        "source": str(source.resolve()),
        "layout": found.layout,
        "classes": classes,
        "normal_class": normal_class,
        "protocol": protocol,
        "grouping": grouping,
        "pattern": pattern,
        "block": block,
        "shares": dict(zip(SPLITS, shares, strict=True)),
        "seed": seed,
        "num_groups": len(sizes),
        "largest_group": max(sizes.values()),
        "leak": round(leak, 4),
        "num_rejected": len(rejected),
    }
    return _write(Path(out) / info["name"], table, kept, info, rejected, link)


def _split(
    table, pairs, classes, normal_class, *, shares, seed, grouping, pattern, block,
    protocol,
):  # fmt: skip
    """Fills the columns group, frame and split of the table."""
    if (grouping == "pattern") != (pattern is not None):
        raise InputError("--grouping pattern and --pattern REGEX go together.")
    if block < 1:
        raise InputError(f"--block must be at least 1. Received: {block}.")
    if protocol == "official":
        _split_officially(table, pairs, normal_class, shares=shares, seed=seed)
        return
    table["group"] = assign_groups(
        table, pairs, grouping=grouping, pattern=pattern, block=block
    )
    if grouping in ("blocks", "chronological"):
        table["frame"] = [str(order) for order in table["order"]]
    if grouping == "chronological":
        labels, order = table["label"], table["order"]
        table["split"] = split_in_time(labels, order, shares=shares, gap=block)
        table["group"] = table["group"] + " " + table["split"]
    else:
        table["split"] = split_groups(
            table["label"].to_numpy(str), table["group"].to_numpy(str),
            shares=shares, seed=seed,
        )  # fmt: skip


def _split_officially(table, pairs, normal_class, *, shares, seed):
    """Keeps train and test of the layout; validate is a part of train/good."""
    official = table["official_split"].to_numpy(str)
    if not {"train", "test"} <= set(official):
        raise InputError(
            "--protocol official needs the MVTec layout, with train/ and test/."
        )
    if set(table["label"][official == "train"]) != {normal_class}:
        raise InputError(
            f"--protocol official needs train/ to hold {normal_class!r} alone."
        )
    same_side = pairs[official[pairs[:, 0]] == official[pairs[:, 1]]]
    table["group"] = assign_groups(table, same_side, grouping="near_duplicates")
    table["split"] = official
    goods = official == "train"
    share = shares[1] / (shares[0] + shares[1])
    parts = split_groups(
        table["label"][goods].to_numpy(str), table["group"][goods].to_numpy(str),
        shares=(1 - share, share / 2, share / 2), seed=seed,
    )  # fmt: skip
    table.loc[goods, "split"] = [
        "train" if part == "train" else "validate" for part in parts
    ]


def _write(folder, table, images, info, rejected, link):
    """Puts the data set in place, whole, unless just this one stands there."""
    if folder.exists():
        before = _read_before(folder, info)
        if before is not None and _same(before, table, info):
            return before, False
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    instances = write_files(partial, table, images, link=link)
    samples = [
        {**row, "size": image.size, "instances": found}
        for row, image, found in zip(
            table.to_dict("records"), images, instances, strict=True
        )
    ]
    write_instances(partial / "instances.json", samples, info["classes"])
    lines = pd.DataFrame(sorted(set(rejected)), columns=["path", "reason"])
    write_csv(partial / "rejected.csv", lines)
    write_dataset(partial, table, info)
    replace_folder(partial, folder)
    return read_dataset(folder), True


def _read_before(folder, info):
    try:
        before = read_dataset(folder, check_files=True)
    except InputError:
        if not (folder / "dataset.json").is_file():
            raise InputError(
                f"{folder} is there already and is no data set of Goodparts. "
                "Give another --name."
            ) from None
        return None
    if before.info["source"] != info["source"]:
        raise InputError(
            f"{folder} was made from another source, {before.info['source']}. "
            "Give another --name, or remove that folder first."
        )
    return before


def _same(before, table, info):
    own = {"augmentation", "manifest_sha256"}
    old_info = {key: value for key, value in before.info.items() if key not in own}
    originals = before.manifest[~is_copy(before.manifest)]
    columns = ["sample_id", "path", "split", "group", "sha256"]
    old = originals[columns].sort_values("sample_id").to_numpy().tolist()
    new = table[columns].sort_values("sample_id").to_numpy().tolist()
    return old_info == info and old == new


def describe(dataset):
    """What an engineer should read after a split, as text."""
    info, manifest = dataset.info, dataset.manifest
    counts = pd.crosstab(manifest["label"], manifest["split"])
    counts = counts.reindex(columns=list(SPLITS), fill_value=0)
    lines = [
        counts.rename_axis(index=None, columns=None).to_string(),
        f"{info['num_groups']} groups by {info['grouping'].replace('_', ' ')}, "
        f"the largest with {info['largest_group']} images",
        f"expected leak: {info['leak']:.1%} of the validate and test images have a "
        "near-duplicate in train",
    ]
    if info["num_rejected"]:
        lines.append(
            f"{info['num_rejected']} remark(s) on files, most of them left out: see "
            f"{dataset.folder / 'rejected.csv'}"
        )
    return "\n".join(lines)


def add_arguments(parser):
    parser.add_argument("source", nargs="*", help="folder(s) of images")
    parser.add_argument("--out", default="dataset", help="folder of all data sets")
    parser.add_argument("--name", help="of the data set; the source's name")
    parser.add_argument(
        "--shares", type=float, nargs=3, default=SHARES, help="70 15 15"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--grouping", choices=GROUPINGS, default="near_duplicates")
    parser.add_argument("--pattern", help="regular expression that finds the group")
    parser.add_argument("--block", type=int, default=BLOCK, help="frames in a group")
    parser.add_argument(
        "--protocol", choices=("grouped", "official"), default="grouped"
    )
    parser.add_argument("--layout", choices=LAYOUTS, help="found by itself if left out")
    parser.add_argument("--normal-class", help="the class of good parts")
    parser.add_argument("--link", action="store_true", help="hard links, not copies")


def find_sources(out):
    """The folders under `<out>/raw`, or the embedded data set, rendered there."""
    raw = Path(out) / "raw"
    found = sorted(path for path in raw.glob("[!.]*") if path.is_dir())
    if found:
        return found
    embedded = raw / "bottle_mouths"
    print(f"{raw} has no folders: rendering the embedded data set, {embedded}")
    return [render_dataset(embedded)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_arguments(parser)
    arguments = vars(parser.parse_args())
    sources = arguments.pop("source") or find_sources(arguments["out"])
    names = Counter(Path(source).resolve().name for source in sources)
    twice = [name for name, count in names.items() if count > 1]
    if twice or (arguments["name"] and len(sources) > 1):
        raise InputError(
            f"{len(sources)} sources would become one data set, "
            f"{arguments['name'] or twice[0]!r}. Give them one by one, each with "
            "its own --name."
        )
    for source in sources:
        dataset, is_new = create_folders(source, **arguments)
        print(f"{dataset.folder}: {'made' if is_new else 'up to date'}")
        print(describe(dataset))


if __name__ == "__main__":
    run_command(main)
