"""Writes the folder of a data set completely, unless it is already up to date."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from goodparts.command import InputError
from goodparts.files import (
    file_hash,
    read_json,
    remove_leftovers,
    replace_folder,
    write_csv,
)
from preprocessing.importing.checked_images import CheckedImage, write_files
from preprocessing.importing.found_image import Rejected
from preprocessing.instances import write_instances
from preprocessing.manifest import (
    COLUMNS,
    Dataset,
    is_copy,
    read_dataset,
    write_dataset,
)

OWN = {"augmentation", "manifest_sha256", "masks_sha256"}  # not of the source


def put_dataset(
    folder: Path,
    table: pd.DataFrame,
    images: Sequence[CheckedImage],
    rejected: Iterable[Rejected],
    info: Mapping[str, Any],
    *,
    link: bool = False,
) -> tuple[Dataset, bool]:
    """Writes the data set of a folder, or finds it up to date.

    Args:
        folder: `dataset/<name>`.
        table: Table from `place_files`, split and with paths.
        images: Images of each row.
        rejected: Files that are left out, and remarks.
        info: Content of dataset.json.
        link: Whether to hard-link the images rather than copy them.

    Returns:
        The data set, and whether it was made anew.

    Raises:
        InputError: If the folder is not a data set, or was made from another source.
    """
    rejected = sorted(set(rejected))
    info = {**info, "truth_sha256": _truth_hash(table, images, rejected)}
    if folder.exists():
        _check_owner(folder, info)
        before = _find_same(folder, table, info)
        if before is not None:
            remove_leftovers(folder)
            return before, False
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _write(partial, table, images, rejected, info, link)
        replace_folder(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return read_dataset(folder), True


def _truth_hash(table, images, rejected):
    """Hash of the labels in the source: masks, instances, and files left out."""
    truth = [
        [sample_id, image.mask_sha256, image.instances]
        for sample_id, image in zip(table["sample_id"], images, strict=True)
    ]
    return hashlib.sha256(json.dumps([truth, rejected]).encode()).hexdigest()


def _check_owner(folder, info):
    """Raises InputError if the folder is not this program's, from the same source."""
    try:
        before = read_json(folder / "dataset.json")
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            f"{folder} already exists and is not a data set of Goodparts. Give "
            "another --name."
        ) from None
    except ValueError:
        return
    source = before.get("source") if isinstance(before, dict) else None
    if source not in (None, info["source"]):
        raise InputError(
            f"{folder} was made from another source, {source}. "
            "Give another --name, or remove that folder first."
        )


def _find_same(folder, table, info):
    """The data set in the folder if it is complete and the requested one, else None."""
    try:
        before = read_dataset(folder, check_files=True)
    except InputError:
        return None
    columns = [name for name in COLUMNS if name != "source"]
    originals = before.manifest[~is_copy(before.manifest)]
    old = originals[columns].sort_values("sample_id").to_numpy().tolist()
    new = table[columns].sort_values("sample_id").to_numpy().tolist()
    old_info = {key: value for key, value in before.info.items() if key not in OWN}
    is_same = (
        old_info == info
        and old == new
        and all(
            (folder / name).is_file() for name in ("instances.json", "rejected.csv")
        )
        and _masks_hash(folder, originals) == before.info.get("masks_sha256")
    )
    return before if is_same else None


def _masks_hash(folder, table):
    """Hash of the mask files in the folder; None if one is missing."""
    try:
        hashes = [
            [path, file_hash(folder / path)]
            for path in sorted(table["mask_path"])
            if path
        ]
    except FileNotFoundError:
        return None
    return hashlib.sha256(json.dumps(hashes).encode()).hexdigest()


def _write(folder, table, images, rejected, info, link):
    instances = write_files(folder, table, images, link=link)
    samples = [
        {**row, "size": image.size, "instances": found}
        for row, image, found in zip(
            table.to_dict("records"), images, instances, strict=True
        )
    ]
    write_instances(folder / "instances.json", samples, info["classes"])
    lines = pd.DataFrame(rejected, columns=["path", "reason"])
    write_csv(folder / "rejected.csv", lines)
    info = {**info, "masks_sha256": _masks_hash(folder, table)}
    write_dataset(folder, table, info)
