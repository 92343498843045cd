"""Writes augmented copies of the training images.

    goodparts augment                    every data set under dataset/
    goodparts augment dataset/screw --balance
    goodparts augment dataset/bottles --rotation 3 --flips none --brightness 0.8 1.2

The last example is for a fixed camera and parts that always have the same pose: a large
rotation would move the features that distinguish the classes out of the image.

Copies are flipped, rotated, and made brighter or darker; masks and instances move with
them. Only train gets copies, of every class alike, so that traces of augmentation do
not reveal the label. Running it with other options replaces the copies. A run that was
interrupted continues where it stopped. 3000 copies of 512x512 pixels take about a
minute.
"""

if __name__ == "__main__":
    from goodparts.cli import start

    start("augment")

import re
from collections.abc import Sequence

import pandas as pd

from goodparts.command import (
    InputError,
    progress,
)
from goodparts.files import PathLike, file_hash, read_json, write_json
from preprocessing.augmenting.augmentation import (
    FLIPS,
    augment_visibly,
    geometry_and_light,
)
from preprocessing.augmenting.copy_plan import check_plan, plan_copies
from preprocessing.create_bndbox import box_path
from preprocessing.images import image_size, image_threads, read_image, write_image
from preprocessing.instances import (
    instance_mask,
    mask_instances,
    read_instances,
    read_truth_mask,
    write_instances,
)
from preprocessing.manifest import (
    MARKER,
    NEXT,
    is_copy,
    original_of,
    read_dataset,
    table_hash,
    write_dataset,
)

COPY_NAME = re.compile(r"__aug\d{3,}")


def augment_dataset(
    folder: PathLike,
    *,
    multiplier: int = 12,
    balance: bool = False,
    flips: Sequence[str] = FLIPS,
    rotation: float = 90,
    brightness: Sequence[float] = (0.5, 1.5),
    seed: int = 0,
) -> int:
    """Writes the copies and their manifest rows, and prints a line.

    The copies depend on the originals and these arguments only; originals, `validate`
    and `test` are not changed.

    Args:
        folder: `dataset/<name>`.
        multiplier: Copies of each original, 1 or more; not used with `balance`.
        balance: Whether to bring each class of `train`, originals and copies
            together, to twice the number of originals of the largest class.
        flips, rotation, brightness: See `geometry_and_light`.
        seed: Another seed makes other copies.

    Returns:
        The number of copies.

    Raises:
        InputError: If an argument is out of range, or `train` has no images.
    """
    if multiplier < 1:
        raise InputError(f"--multiplier must be 1 or more. Received: {multiplier}.")
    augmentation = geometry_and_light(
        flips=flips, rotation=rotation, brightness=brightness
    )
    recipe = {
        "multiplier": None if balance else multiplier,
        "balance": balance,
        "flips": list(augmentation.flips),
        "rotation": augmentation.rotation,
        "brightness": list(augmentation.brightness),
        "seed": seed,
    }
    dataset = read_dataset(folder)
    originals = dataset.manifest[~is_copy(dataset.manifest)]
    copies = plan_copies(originals, multiplier=multiplier, balance=balance)
    check_plan(dataset.folder, originals, copies)
    _remove_partials(dataset.folder)
    done = _is_done(dataset, copies, recipe)
    if not done:
        _clear(dataset, originals, copies, recipe)
        _write(dataset, originals, copies, recipe)
    print(
        f"{dataset.name}: {'up to date, ' if done else ''}{len(copies)} copies of "
        f"{copies['source'].nunique()} images in {dataset.folder}/train"
    )
    return len(copies)


def _remove_partials(folder):
    """Removes the incomplete files of a killed run."""
    for pattern in (".*.partial", "train/*/*/.*.partial"):
        for path in folder.glob(pattern):
            path.unlink()


def _is_done(dataset, copies, recipe):
    """Whether a run with this recipe was completed and its files are unchanged."""
    written = dataset.manifest[is_copy(dataset.manifest)]
    columns = [name for name in copies.columns if name != "sha256"]
    if (
        dataset.info.get("augmentation") != recipe
        or NEXT in dataset.info
        or (dataset.folder / MARKER).exists()
        or not written[columns].reset_index(drop=True).equals(copies[columns])
    ):
        return False
    return all(
        _exist(dataset.folder, copy)
        and file_hash(dataset.folder / copy["path"]) == copy["sha256"]
        for copy in written.to_dict("records")
    )


def _exist(folder, copy):
    paths = [path for path in (copy["path"], copy["mask_path"]) if path]
    return all((folder / path).is_file() for path in paths)


def _clear(dataset, originals, copies, recipe):
    """Removes other copies, but keeps those of an interrupted run with this recipe.

    The marker is written after other copies are deleted: files next to a marker belong
    to its recipe and are complete.
    """
    folder = dataset.folder
    write_dataset(folder, originals, _info_without_recipe(dataset))
    marker = {"recipe": recipe, "originals": table_hash(originals)}
    keep = {*originals["path"], *originals["mask_path"]}
    keep |= {str(box_path(path)) for path in originals["path"]}
    if _read_marker(folder) == marker:
        keep |= {*copies["path"], *copies["mask_path"]}
    for path in folder.glob("train/*/*/*"):
        is_kept = path.relative_to(folder).as_posix() in keep
        if COPY_NAME.search(path.name) and not is_kept:
            path.unlink()
    write_json(folder / MARKER, marker)


def _info_without_recipe(dataset):
    return {key: value for key, value in dataset.info.items() if key != "augmentation"}


def _read_marker(folder):
    path = folder / MARKER
    return read_json(path) if path.exists() else None


def _write(dataset, originals, copies, recipe):
    """Writes the copies, then instances.json, manifest.csv and dataset.json."""
    folder = dataset.folder
    stored = read_instances(folder / "instances.json")
    samples = [
        {
            **row,
            "size": image_size(folder / row["path"]),
            "instances": stored.get(row["sample_id"], []),
        }
        for row in originals.to_dict("records")
    ]
    rows = {key: rows for key, rows in copies.groupby(original_of(copies), sort=False)}
    tasks = [sample for sample in samples if sample["sample_id"] in rows]

    def work(sample):
        copies_of_it = rows[sample["sample_id"]].to_dict("records")
        return _write_copies(folder, sample, copies_of_it, recipe)

    with image_threads() as pool:
        steps = progress(pool.map(work, tasks), dataset.name, len(tasks))
        samples += [copy for made in steps for copy in made]
    write_instances(folder / "instances.json", samples, dataset.classes)
    table = pd.DataFrame(samples)
    info = {**_info_without_recipe(dataset), "augmentation": recipe}
    write_dataset(folder, table, info)
    (folder / MARKER).unlink()


def _write_copies(folder, sample, copies, recipe):
    """Writes the copies of one original; returns them as samples."""
    augmentation = geometry_and_light(
        **{key: recipe[key] for key in ("flips", "rotation", "brightness")}
    )
    image = read_image(folder / sample["path"])
    size, instances = sample["size"], sample["instances"]
    masks = [instance_mask(each, size) for each in instances]
    if sample["mask_path"]:
        masks.append(read_truth_mask(folder, sample["mask_path"], size))
    made = []
    for copy in copies:
        there = _exist(folder, copy)
        moved = []
        if masks or not there:
            key = f"{recipe['seed']} {copy['sample_id']}"
            new_image, moved = augment_visibly(augmentation, image, masks, key)
        if not there:
            if copy["mask_path"]:
                write_image(folder / copy["mask_path"], moved[-1])
            write_image(folder / copy["path"], new_image)
        made.append(
            {
                **copy,
                "sha256": file_hash(folder / copy["path"]),
                "size": size,
                "instances": _moved_instances(instances, moved),
            }
        )
    return made


def _moved_instances(instances, masks):
    """Instances of the copy: each visible part of each one, mirrored parts too."""
    moved = []
    for each, mask in zip(instances, masks, strict=False):
        for part in mask_instances(mask, each["label"]):
            moved.append(part if each["polygons"] else {**part, "polygons": []})
    return moved
