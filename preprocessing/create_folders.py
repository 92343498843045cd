"""Makes a data set, split into train, validate and test, from folders of images.

    python3 preprocessing/create_folders.py FOLDER   (= goodparts folders FOLDER)

The layout is recognised. Without a folder, every folder under dataset/raw/ is used; if
there is none, the embedded data set is rendered and used. It takes seconds per thousand
images. Running it again changes nothing; after a kill, it starts again.
"""

if __name__ == "__main__":
    from goodparts.cli import start

    start("folders")

from collections import Counter
from pathlib import Path
from typing import Any

from goodparts.command import (
    InputError,
    working,
)
from goodparts.files import PathLike, escaped
from preprocessing.dataset_folder import put_dataset
from preprocessing.importing.checked_images import (
    add_paths,
    check_images,
    find_bit_depth,
    note_on_depths,
    note_on_unmarked,
    place_files,
)
from preprocessing.importing.found_image import Rejected
from preprocessing.importing.good_alone import check_good_alone, refuse_twins
from preprocessing.importing.layouts import read_source
from preprocessing.importing.left_out import describe_left_out, left_out
from preprocessing.manifest import (
    Dataset,
    find_normal_class,
)
from preprocessing.own_splits import is_split_with_classes, keep_own_splits
from preprocessing.splitting.neighbour_guess import neighbour_guess
from preprocessing.splitting.rule import (
    SHARES,
    SplitRule,
    check_rule,
    describe_rule,
    split_table,
)
from preprocessing.splitting.split import expected_leak


def create_folders(
    source: PathLike,
    *,
    out: PathLike = "dataset",
    name: str | None = None,
    layout: str | None = None,
    normal_class: str | None = None,
    classes_only: bool = False,
    link: bool = False,
    **rule: Any,
) -> tuple[Dataset, bool]:
    """Makes `<out>/<name>` from a folder of images.

    Args:
        source: Folder of images, in one of the known layouts.
        out: Folder of all data sets.
        name: Name of the data set; the source folder's name if None.
        layout: One of LAYOUTS; recognised if None.
        normal_class: The class of good parts; found by its name if None.
        classes_only: Whether there is no class of good parts.
        link: Whether to hard-link the images rather than copy them.
        **rule: How to split, the attributes of `SplitRule`.

    Returns:
        The `Dataset`, and whether it was made anew.

    Raises:
        InputError: If no data set can be made; the text says why.
    """
    rule = {**rule, "shares": _as_shares(rule.get("shares", SHARES))}
    source, rule = Path(source), SplitRule(**rule)
    if name is None:
        name = escaped(source.resolve().name)
    check_name("--name", name)
    if normal_class is not None:
        check_name("--normal-class", normal_class)
    check_rule(rule)
    found, images, rejected, bit_depth = _read_images(source, layout, normal_class)
    try:
        table = place_files(images)
        normal_class = _choose_normal(
            source, found, table, rejected, normal_class, classes_only
        )
        with working("finding images of the same part"):
            table, kept, info = _split(
                source, found, images, table, rejected, normal_class, rule
            )
    except InputError as error:
        raise InputError(f"{error}{describe_left_out(images, rejected)}") from error
    info = {"name": name, **info, "bit_depth": bit_depth}
    rejected = [*rejected, *found.unused]
    return put_dataset(Path(out) / name, table, kept, rejected, info, link=link)


def _choose_normal(source, found, table, rejected, normal_class, classes_only):
    """Determines the class of good parts; None if there is none."""
    classes = sorted(set(table["label"]))
    if not classes_only:
        if len(classes) == 1:
            check_good_alone(source, found.layout, table, rejected, normal_class)
        normal_class = find_normal_class(classes, normal_class)
        refuse_twins(source, classes, normal_class)
        return normal_class
    if normal_class is not None:
        raise InputError("Give either --normal-class or --classes-only, not both.")
    if len(classes) == 1:
        raise InputError(
            f"{source} has only one class, {classes[0]!r}; --classes-only needs at "
            "least two."
        )
    return None


def _split(source, found, images, table, rejected, normal_class, rule):
    """The table of the images with their splits, those kept, and dataset.json."""
    fingerprints = [image.fingerprint for image in images]
    is_official = rule.protocol == "official"
    if is_official and is_split_with_classes(table, normal_class):
        grounds = {}
        keep_own_splits(table, fingerprints, rule.shares, rule.seed, normal_class)
    else:
        grounds = split_table(table, fingerprints, rule, normal_class)
    rejected += _without_own_split(images, table, rule)
    leak = expected_leak(table["split"], fingerprints)
    guess = neighbour_guess(fingerprints, table)
    kept = [image for image, split in zip(images, table["split"], strict=True) if split]
    table = table[table["split"] != ""].reset_index(drop=True)
    add_paths(table)
    sizes = Counter(table["group"])
    info = {
        "source": escaped(source.resolve()),
        "layout": found.layout,
        "classes": sorted(set(table["label"])),
        "normal_class": normal_class,
        **describe_rule(rule),
        "has_own_test": "test" in set(table["official_split"]),
        "num_groups": len(sizes),
        "largest_group": max(sizes.values()),
        "grounds": grounds,
        "leak": round(leak, 4),
        "neighbour_guess": guess,
        "num_rejected": len(rejected),
        "notes": [
            *found.notes,
            *note_on_unmarked(kept),
            *_note_on_pooling(table, rule),
            *note_on_depths(kept, normal_class),
        ],
        "num_left_out": len(left_out(kept if is_official else images, rejected)),
    }
    return table, kept, info


def _without_own_split(images, table, rule):
    """The images that --protocol official leaves out, as no table has their split."""
    if rule.protocol != "official":
        return []
    reason = "has no split in the source, and --protocol official keeps that split"
    return [
        Rejected(image.found.source, reason)
        for image, split in zip(images, table["split"], strict=True)
        if not split
    ]


def check_name(flag: str, name: str) -> None:
    """Raises InputError unless the name can be that of a folder."""
    if not name or name.startswith(".") or set(name) & set("/\\\0"):
        raise InputError(
            f"{flag} must be the name of a folder: not empty, without slashes and "
            f"without a leading dot. Received: {name!r}."
        )


def _note_on_pooling(table, rule):
    tops = sorted(set(table["official_split"]) - {""})
    if rule.protocol == "official" or len(tops) < 2:
        return []
    if (table["table_split"] != "").any():
        return [
            "the splits in the table of the source are not kept: all images are pooled "
            "and split anew; --protocol official keeps them"
        ]
    return [
        f"the images in the folders {' and '.join(tops)} of the source are pooled and "
        "split anew; --protocol official keeps its test set"
    ]


def _as_shares(shares):
    """Shares that sum to 1 where they were given in percent."""
    in_percent = len(shares) == 3 and abs(sum(shares) - 100) < 1e-6
    return tuple(share / 100 for share in shares) if in_percent else shares


def _read_images(source, layout, normal_class):
    """The `Source`, its usable images, all that is rejected, and the bit depth."""
    found = read_source(source, layout=layout, normal_name=normal_class)
    bit_depth = find_bit_depth(found.images)
    images, rejected = check_images(found.images, bit_depth)
    rejected = [*found.rejected, *rejected]
    if not images:
        first = rejected[0]
        raise InputError(
            f"No image of {source} can be used. The first is {first.path}: "
            f"{first.reason}."
        )
    return found, images, rejected, bit_depth
