"""Information on defects in files that do not belong to the layout."""

import json
import posixpath
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from preprocessing.images import is_image
from preprocessing.importing.annotation_files import read_json_file, read_xml_file
from preprocessing.importing.annotation_readers import (
    BY_OWN_NAME,
    kinds,
    read_files,
    readers,
)
from preprocessing.importing.doubts import Read
from preprocessing.importing.image_label import is_normal
from preprocessing.importing.label_tables import find_tables, read_table
from preprocessing.importing.matching import match
from preprocessing.importing.unread_keys import says_something, unread_keys

_LINES = (".jsonl", ".ndjson")


class Others(NamedTuple):
    """Information from other files.

    Attributes:
        spoken: By image, the file of another layout that mentions it, other than as
            good.
        against: By image, why it may have a defect according to another file.
        by_id: A file with annotations of images by a number alone, or "".
    """

    spoken: dict[str, str]
    against: dict[str, str]
    by_id: str


def read_others(
    folder: Path,
    files: Sequence[str],
    images: Sequence[str],
    read: Read,
    normal_name: str,
) -> Others:
    """Reads the files that do not belong to the layout, as `Others`."""
    left = [name for name in files if name not in read.used]
    of_kinds = {kind: readers(folder, left, kind) for kind in kinds(folder, left)}
    tables = [name for name in find_tables(folder, files) if name in left]
    for table in tables:
        of_kinds[table] = {table: lambda file: read_table(folder, file, files)}
    others, known = Others({}, {}, ""), set()
    for kind, of_kind in of_kinds.items():
        other = read_files(of_kind)
        known |= other.used
        matches = match(other.claims, images, by_own_name=kind in BY_OWN_NAME)
        for image, claims in matches.claims.items():
            file, said = _hold_against(claims, normal_name)
            if file:
                others.spoken[image] = file
            if said:
                others.against[image] = f"{file} records a defect in it: {said}"
    unknown = [name for name in left if name not in known]
    mentions, by_id = _find_mentions(folder, unknown, images)
    for image, file in mentions.items():
        others.against.setdefault(image, f"{file}, which was not read, mentions it")
    return others._replace(by_id=by_id)


def _hold_against(claims, normal_name):
    """The file that mentions an image other than as good, and its label.

    Two empty texts if it says good; only the file if it has no label.
    """
    for claim in claims:
        annotation = claim.annotation
        bad = [flag for flag in annotation.flags if not is_normal(flag, normal_name)]
        marked = [
            each
            for each in annotation.instances
            if not is_normal(each["label"], normal_name)
        ]
        said = [*bad, *(each["label"] for each in marked), *annotation.problems]
        if said or annotation.conflict:
            return claim.file, str((said or [annotation.conflict])[0])
    if all(claim.annotation.flags for claim in claims):
        return "", ""
    return claims[0].file, ""


def _find_mentions(folder, names, images):
    """Finds the images that are mentioned in files of unknown format.

    Args:
        folder: The source folder.
        names: Names of files that no reader knows.
        images: Names of the images.

    Returns:
        Dict of image -> file, and the first file that names images by a number, or "".
    """
    by_name = defaultdict(list)
    for image in images:
        by_name[_base(image)].append(image)
    found, by_id = {}, ""
    for name in names:
        for group in _groups(_read(folder, name)):
            for image in _mentioned(group, by_name):
                found.setdefault(image, name)
            if group.get("image_id") is not None and unread_keys(group, {"image_id"}):
                by_id = by_id or name
    return found, by_id


def _read(folder, name):
    """The content of a file as lists, dicts and values; None where it has none."""
    suffix = PurePosixPath(name).suffix.lower()
    try:
        if suffix == ".json":
            return read_json_file(folder / name)
        if suffix == ".xml":
            return _as_dict(read_xml_file(folder / name))
        if suffix in _LINES:
            lines = (folder / name).read_text("utf-8-sig").splitlines()
            return [json.loads(line) for line in lines if line.strip()]
    except (ValueError, OSError, RecursionError):
        return None
    return None


def _as_dict(element):
    """An XML element: attributes, and the lists of what its children hold."""
    content = dict(element.attrib)
    for child in element:
        inner = _as_dict(child) if len(child) or child.attrib else child.text
        content.setdefault(f"{child.tag}", []).append(inner)
    return content


def _groups(content):
    """All dicts in it, however deep."""
    left = [content]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            yield each
        if isinstance(each, dict | list):
            left += each.values() if isinstance(each, dict) else each


def _mentioned(group, by_name):
    """The images that a dict names and describes."""
    for key, value in group.items():
        if is_image(key) and says_something(value):
            yield from by_name.get(_base(key), ())
        for text in value if isinstance(value, list) and len(value) == 1 else [value]:
            if isinstance(text, str) and is_image(text) and _base(text) in by_name:
                if unread_keys(group, {key}):
                    yield from by_name[_base(text)]


def _base(name):
    base = posixpath.basename(name.replace("\\", "/"))
    return unicodedata.normalize("NFC", base).casefold()
