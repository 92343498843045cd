"""Plans the augmented copies of a data set: the future rows of the manifest."""

from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from goodparts.command import InputError
from goodparts.files import PathLike
from preprocessing.manifest import copy_source


def plan_copies(
    originals: pd.DataFrame, *, multiplier: int, balance: bool
) -> pd.DataFrame:
    """The manifest rows of the copies, with `sha256` still empty."""
    train = originals[originals["split"] == "train"]
    counts = pd.Series(multiplier, train.index)
    if balance:
        sizes = train["label"].value_counts()
        for _, rows in train.groupby("label"):
            spread = spread_evenly(2 * int(sizes.max()) - len(rows), len(rows))
            counts[rows.index] = pd.Series(spread, rows.index)
    rows = [
        copy_row(original, number)
        for original, count in zip(train.itertuples(index=False), counts, strict=True)
        for number in range(1, count + 1)
    ]
    return pd.DataFrame(rows, columns=originals.columns)


def spread_evenly(total: int, places: int) -> list[int]:
    """`total` as a sum of `places` whole numbers that differ by one at most."""
    return [(i + 1) * total // places - i * total // places for i in range(places)]


def copy_row(original: Any, number: int) -> Any:
    """The manifest row of a copy, not a frame of a clip; JPEG stays JPEG, others are
    PNG.
    """
    tail = f"__aug{number:03d}"
    path = PurePosixPath(original.path)
    suffix = path.suffix if path.suffix.lower() in (".jpg", ".jpeg") else ".png"
    mask_path = original.mask_path
    if mask_path:
        name = f"{path.stem}{tail}_mask.png"
        mask_path = str(PurePosixPath(mask_path).with_name(name))
    return original._replace(
        sample_id=original.sample_id + tail,
        path=str(path.with_name(f"{path.stem}{tail}{suffix}")),
        clip="",
        frame="",
        mask_path=mask_path,
        source=copy_source(original.sample_id),
        sha256="",
    )


def check_plan(folder: PathLike, originals: pd.DataFrame, copies: pd.DataFrame) -> None:
    """Raises InputError if an original has the name of a copy."""
    for column in ("sample_id", "path"):
        taken = set(originals[column]) & set(copies[column])
        if taken:
            raise InputError(
                f"An image of {folder} already has the name of a copy: {min(taken)}. "
                "Rename it, or remove augmented images from the source before you "
                "make the data set."
            )
