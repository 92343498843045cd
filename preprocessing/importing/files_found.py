"""The files of a user's folder: listing, start folder, and unread files."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from goodparts.command import InputError, reason
from goodparts.files import PathLike
from preprocessing.folder_walk import is_hidden, special_files, walk
from preprocessing.images import IMAGE_SUFFIXES, is_image
from preprocessing.importing.annotation_files import read_json_file, read_xml_file
from preprocessing.importing.found_image import Rejected
from preprocessing.importing.mask_names import MASK_FOLDERS, SPLIT_FOLDERS, is_role
from preprocessing.normal_names import is_normal_name

OTHER_TABLES = (".parquet", ".xlsx", ".xls", ".ods")  # not read
_ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz")
_PARSERS = {".json": read_json_file, ".xml": read_xml_file}


def find_start(folder: PathLike, normal_name: str | None = None) -> PathLike:
    """The folder where the images begin, below folders that contain only one folder.

    A folder with a meaningful name, such as `good`, `train` or the given class of good
    parts, is kept.

    Raises:
        InputError: If there is no such folder.
    """
    if not os.path.exists(folder):
        raise InputError(f"There is no folder {folder}. Check the path.")
    if not os.path.isdir(folder):
        raise InputError(f"{folder} is a file; a folder of images is expected.")
    start = folder
    while True:
        with os.scandir(start) as entries:
            seen = [entry for entry in entries if not is_hidden(entry.name)]
        inner = [entry for entry in seen if entry.is_dir()]
        has_more = any(
            is_image(entry.name)
            or entry.name.lower().endswith((".json", ".xml", ".csv"))
            for entry in seen
            if not entry.is_dir()
        )
        if len(inner) != 1 or has_more or _says_something(inner[0].name, normal_name):
            return start
        if not any(entry.is_dir() for entry in os.scandir(inner[0].path)):
            return start  # images of one class lie in it
        start = inner[0].path


def list_files(folder: PathLike) -> list[str]:
    """All files as sorted POSIX paths, except hidden and system files.

    Raises:
        InputError: If none is an image; the text lists what was found.
    """
    files = sorted(walk(folder))
    if not any(map(is_image, files)):
        suffixes = " ".join(sorted(IMAGE_SUFFIXES))
        counts = Counter(_suffix(name) for name in files)
        there = ", ".join(f"{name} {count}" for name, count in counts.most_common(5))
        seen = f" It contains: {there}." if there else ""
        if any(name.lower().endswith(_ARCHIVES) for name in files):
            seen += " Unpack archives first."
        raise InputError(f"{folder} has no images ({suffixes}). Check the path.{seen}")
    return files


def no_files(folder: PathLike) -> list[Rejected]:
    """One `Rejected` for every pipe, socket or device, which is not opened."""
    reason = "is not a regular file (a pipe, socket or device)"
    return [Rejected(name, reason) for name in special_files(folder)]


def count_unused(names: Iterable[str]) -> list[Rejected]:
    """One `Rejected` for every suffix of the files that are not used."""
    counts = Counter(map(_suffix, names))
    return [
        Rejected(f"*{suffix}", f"{number} file{'s' * (number > 1)} not used")
        for suffix, number in sorted(counts.items())
    ]


def describe_unused(names: Sequence[str]) -> str:
    """The files that are not used as one text, most frequent suffix first."""
    counts = Counter(map(_suffix, names))
    listed = ", ".join(f"{suffix} {number}" for suffix, number in counts.most_common())
    return f"files that were not used: {len(names)} ({listed})"


def broken_files(folder: PathLike, names: Iterable[str]) -> list[Rejected]:
    """One `Rejected` for every .json or .xml file that cannot be parsed."""
    broken = []
    for name in names:
        read = _PARSERS.get(PurePosixPath(name).suffix.lower())
        try:
            if read:
                read(Path(folder, name))
        except (ValueError, OSError) as error:
            broken.append(Rejected(name, f"cannot be read: {reason(error)}"))
    return broken


def seen_unread(folder: PathLike, files: Sequence[str]) -> str:
    """Files that are not read but may contain labels, as a text or ""."""
    seen = []
    tables = [name for name in files if name.lower().endswith((".csv", ".tsv"))]
    seen += tables[:1]
    others = [name for name in files if name.lower().endswith(OTHER_TABLES)]
    seen += [f"{name} (save it as CSV)" for name in others[:1]]
    stems = {PurePosixPath(name).stem for name in files if is_image(name)}
    texts = [
        name
        for name in files
        if name.lower().endswith(".txt") and PurePosixPath(name).stem in stems
    ]
    if texts:
        place = PurePosixPath(texts[0]).parent / "*.txt"
        seen.append(f"{len(texts)} text files like those of YOLO in {place}")
    others = [name for name in files if name.lower().endswith((".json", ".xml"))]
    broken = broken_files(folder, others)
    if broken:
        seen.append(f"{broken[0].path}, which {broken[0].reason}")
    elif others:
        seen.append(f"{len(others)} .json or .xml files, the first is {others[0]}")
    return f" Found, but not read: {'; '.join(seen)}." if seen else ""


def _says_something(name, normal_name):
    return (
        is_role(name)
        or name.lower() in MASK_FOLDERS
        or name.lower() in SPLIT_FOLDERS
        or is_normal_name(name)
        or name == normal_name
    )


def _suffix(name):
    return PurePosixPath(name).suffix.lower() or " without an extension"
