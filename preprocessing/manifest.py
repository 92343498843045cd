"""The manifest: one row per image, and all information on a data set.

`dataset/<name>/manifest.csv` has the columns below, paths relative to it.
`dataset.json` beside it has the class list, the normal class, how the split was
made and the manifest's hash.
"""

import difflib
import hashlib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from goodparts.command import InputError, command_line, reason
from goodparts.files import PathLike, file_hash, read_json, write_csv, write_json
from preprocessing.images import image_size, image_threads
from preprocessing.instances import read_instances, read_truth_mask
from preprocessing.normal_names import is_normal_name

SPLITS = ("train", "validate", "test")
COLUMNS = (
    "sample_id",  # unique, "<label>/<file stem>"; an augmented copy has its own
    "path",  # of the image
    "label",  # class name
    "split",  # one of SPLITS
    "group",  # physical part, clip or near-duplicate cluster; never cut by a split
    "clip",  # the recording that the image is a frame of, or empty
    "frame",  # number of the frame in its clip, or empty
    "mask_path",  # PNG, or empty
    "source",  # path in the source folder, or "copy of <sample_id>", see is_copy
    "sha256",  # of the image file
)
COPY_MARK = "copy of "
INFO = {
    "name": str,
    "classes": list,
    "normal_class": str | None,
    "manifest_sha256": str,
}
NEXT = "next_manifest_sha256"  # in dataset.json while manifest.csv is being replaced
MARKER = ".augmentation.json"  # there while copies are being written: which ones


class Dataset(NamedTuple):
    """A data set on disk: `folder`, its `manifest` table and `info` of dataset.json."""

    folder: Path
    manifest: pd.DataFrame
    info: dict[str, Any]

    @property
    def name(self) -> str:
        return self.info["name"]

    @property
    def classes(self) -> list[str]:
        """Class names in alphabetical order, whatever the order in dataset.json."""
        return sorted(self.info["classes"])

    @property
    def normal_class(self) -> str | None:
        """The class of good parts; None if there is none."""
        return self.info["normal_class"]

    def rows(self, *splits: str) -> pd.DataFrame:
        """The manifest rows of the given splits, ordered by sample_id."""
        table = self.manifest[self.manifest["split"].isin(splits)]
        return table.sort_values("sample_id", ignore_index=True)


def is_copy(manifest: pd.DataFrame) -> pd.Series:
    """Bool series: which rows are augmented copies."""
    return manifest["source"].str.startswith(COPY_MARK)


def copy_source(sample_id: str) -> str:
    """The `source` of an augmented copy of the image `sample_id`."""
    return COPY_MARK + sample_id


def image_source(path: str) -> str:
    """The `source` of an image from the source folder; never one of a copy's."""
    return f"./{path}" if path.startswith(COPY_MARK) else path


def original_of(manifest: pd.DataFrame) -> pd.Series:
    """Series of sample_ids: of a copy its original's, of other rows their own."""
    named = manifest["source"].str.removeprefix(COPY_MARK)
    return manifest["sample_id"].mask(is_copy(manifest), named)


def find_normal_class(classes: Iterable[str], normal_class: str | None = None) -> str:
    """The class of good parts: the given one, or the one with a usual name.

    Raises:
        InputError: If the name is not a class, or no class name is a usual one.
    """
    classes = sorted(classes)
    if normal_class is not None:
        if normal_class not in classes:
            near = difflib.get_close_matches(normal_class, classes, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise InputError(
                f"--normal-class {normal_class!r} is not one of the classes "
                f"{', '.join(classes)}.{hint}"
            )
        return normal_class
    found = list(filter(is_normal_name, classes))
    if len(found) != 1:
        raise InputError(
            f"Which of the classes {', '.join(classes)} contains the good parts? Give "
            "it with --normal-class NAME. If none of them does, give --classes-only: "
            "images are then classified, and nothing is accepted or rejected."
        )
    return found[0]


def check_classes(dataset: Dataset) -> None:
    """Raises InputError unless a classifier can learn every class from `train`."""
    if len(dataset.classes) == 1:
        raise InputError(
            f"{dataset.folder} has only good parts ({dataset.normal_class!r}), but a "
            "classifier needs images of defective parts too. Train a one-class "
            "detector, or add folders of defective parts and run "
            f"{command_line('folders')} again."
        )
    absent = set(dataset.classes) - set(dataset.rows("train")["label"])
    if absent:
        raise InputError(
            f"The train split of {dataset.folder} has no images of "
            f"{', '.join(sorted(absent))}, so a classifier cannot learn this class. "
            "Split again without --protocol official."
        )


def write_dataset(
    folder: PathLike, manifest: pd.DataFrame, info: Mapping[str, Any]
) -> None:
    """Writes manifest.csv, then dataset.json with the manifest's hash.

    The old dataset.json first gets the hash of the new manifest, so that a reader finds
    a consistent pair even after a kill between the two steps.
    """
    table, about = Path(folder, "manifest.csv"), Path(folder, "dataset.json")
    new_hash = table_hash(manifest)
    if table.exists() and about.exists():
        before = {**read_json(about), "manifest_sha256": file_hash(table)}
        write_json(about, {**before, NEXT: new_hash})
    write_csv(table, manifest[list(COLUMNS)])
    info = {key: value for key, value in info.items() if key != NEXT}
    write_json(about, {**info, "manifest_sha256": new_hash})


def read_dataset(folder: PathLike, *, check_files: bool = False) -> Dataset:
    """Reads and checks a data set folder made by `create_folders.py`.

    Args:
        folder: `dataset/<name>`, or its manifest.csv.
        check_files: Whether to read every image file and compare its hash, and every
            mask and instances.json.

    Raises:
        InputError: If something is missing or does not fit; the text names the row.
    """
    folder = Path(folder)
    folder = folder.parent if folder.name == "manifest.csv" else folder
    for name in ("manifest.csv", "dataset.json"):
        if not (folder / name).is_file():
            raise InputError(
                f"{folder} has no {name}. Make a data set from your images with "
                f"{command_line('folders FOLDER')} and give its folder, dataset/<name>."
            )
    try:
        info = read_json(folder / "dataset.json")
        manifest = pd.read_csv(folder / "manifest.csv", dtype=str, na_filter=False)
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(f"{folder} cannot be read: {reason(error)}.") from error
    _check_info(info, folder / "dataset.json")
    check_manifest(manifest, info["classes"], folder / "manifest.csv")
    if file_hash(folder / "manifest.csv") not in (
        info["manifest_sha256"],
        info.get(NEXT),
    ):
        raise InputError(
            f"{folder / 'manifest.csv'} was changed after it was made: its hash "
            "differs from the one in dataset.json. Undo the change, or make the data "
            f"set again with {command_line('folders')}."
        )
    if check_files:
        _check_files(manifest, folder)
    return Dataset(folder, manifest, info)


def find_unchanged(config: Mapping[str, Any]) -> Dataset | None:
    """The `Dataset` on which a run was trained, if it is unchanged; else None.

    Args:
        config: Configuration of the run.
    """
    try:
        dataset = read_dataset(config["dataset_folder"])
    except InputError:
        return None
    is_same = table_hash(dataset.manifest) == config["manifest_sha256"]
    return dataset if is_same else None


def _check_info(info, path):
    """Raises InputError unless dataset.json has what every command needs."""
    info = info if isinstance(info, dict) else {}
    wrong = [
        key
        for key, kind in INFO.items()
        if key not in info or not isinstance(info[key], kind)
    ]
    if wrong:
        reason = f"lacks {', '.join(wrong)}"
    elif info["normal_class"] not in [None, *info["classes"]]:
        classes = ", ".join(map(str, info["classes"])) or "empty"
        reason = (
            f"has the normal_class {info['normal_class']!r}, which is not one of its "
            f"classes {classes}"
        )
    else:
        return
    raise InputError(f"{path} {reason}. Run {command_line('folders')} again.")


def table_hash(manifest: pd.DataFrame) -> str:
    """Hash of manifest.csv, which identifies the data on which a run was trained."""
    text = manifest[list(COLUMNS)].to_csv(index=False, lineterminator="\n")
    return hashlib.sha256(text.encode()).hexdigest()


def check_manifest(
    manifest: pd.DataFrame, classes: Collection[str], path: PathLike
) -> None:
    """Raises InputError naming the first row that cannot be right."""
    missing = [column for column in COLUMNS if column not in manifest.columns]
    if missing:
        raise InputError(
            f"{path} lacks the column(s) {', '.join(missing)}. "
            f"Run {command_line('folders')} again."
        )
    if manifest.empty:
        raise InputError(f"{path} has no rows. Run {command_line('folders')} again.")

    def refuse(wrong, text):
        if wrong.any():
            row = manifest[wrong].iloc[0]
            number = int(wrong.to_numpy().argmax()) + 2
            raise InputError(f"{path}, line {number}: " + text(row))

    refuse(
        ~manifest["split"].isin(SPLITS),
        lambda row: (
            f"split must be one of {', '.join(SPLITS)}. Received: {row['split']!r}."
        ),
    )
    refuse(
        ~manifest["label"].isin(classes),
        lambda row: (
            f"label {row['label']!r} is not one of the classes {', '.join(classes)} "
            "in dataset.json."
        ),
    )
    for column in ("sample_id", "path"):
        refuse(
            manifest[column].duplicated() | (manifest[column] == ""),
            lambda row, column=column: (
                f"{column} {row[column]!r} is empty or occurs more than once."
            ),
        )
    for split in SPLITS:
        if split not in set(manifest["split"]):
            raise InputError(
                f"{path} has no rows for {split}. Run {command_line('folders')} again."
            )
    first_split = manifest.groupby("group")["split"].transform("first")
    refuse(
        manifest["split"] != first_split,
        lambda row: (
            f"group {row['group']!r} is in {row['split']} here and in another split "
            "above; a group must be in one split only."
        ),
    )


def _check_files(manifest, folder):
    if (folder / MARKER).exists():
        raise InputError(
            f"The augmentation of {folder} was interrupted. Run "
            f"{command_line('augment')} {folder} again, with the same options."
        )

    def state(row):
        try:
            if file_hash(folder / row.path) != row.sha256:
                return "was changed"
        except FileNotFoundError:
            return "is missing"
        if row.mask_path:
            read_truth_mask(folder, row.mask_path, image_size(folder / row.path))
        return ""

    read_instances(folder / "instances.json")
    with image_threads() as pool:
        states = list(pool.map(state, manifest.itertuples()))
    for number, (path, found) in enumerate(
        zip(manifest["path"], states, strict=True), 2
    ):
        if found:
            raise InputError(
                f"{folder / 'manifest.csv'}, line {number}: {folder / path} {found} "
                f"since the data set was made. Run {command_line('folders')} again."
            )
