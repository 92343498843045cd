"""A bundle on disk: `<name>.goodparts/` with bundle.json and the files it names.

Data only. What is read is read once, held against its sha256 and then used from
memory, so that a bundle that is replaced meanwhile changes nothing.
"""

import hashlib
import json
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from goodparts.command import InputError, reason
from goodparts.files import write_json

FORMAT = 2
ABOUT = "bundle.json"
SUFFIX = ".goodparts"
ORDER = (
    "Export the run again, or copy the bundle again, and keep its files as they are."
)


class Bundle(NamedTuple):
    """What a bundle holds.

    Attributes:
        path: Its folder.
        about: Content of bundle.json.
        files: Name -> bytes.
    """

    path: Path
    about: dict
    files: dict


def seal(folder, about):
    """Writes bundle.json: what is given, the sha256 of every file, and its own.

    Args:
        folder: With all other files of the bundle in it.
        about: A dict that JSON knows.
    """
    files = {
        path.relative_to(folder).as_posix(): _hash(path.read_bytes())
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and path != Path(folder) / ABOUT
    }
    about = {"format": FORMAT, **about, "files": files}
    write_json(Path(folder) / ABOUT, about | {"sha256": _own_hash(about)})


def read_bundle(path):
    """Reads a bundle and checks it.

    Raises:
        InputError: If it is none, or a file is changed, cut off, missing, foreign, a
            link, or outside the folder. The text names the file.
    """
    path = Path(path)
    if not (path / ABOUT).is_file():
        raise InputError(
            f"{path} is no bundle: it has no {ABOUT}. Make one: pipenv run export RUN "
            f"-o NAME{SUFFIX}"
        )
    about = _read_about(path / ABOUT)
    names = about["files"]
    for name in names:
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or ".." in parts or "\\" in name:
            raise InputError(f"{path / ABOUT} names {name!r}, outside the bundle.")
    foreign = [
        entry.relative_to(path).as_posix()
        for entry in sorted(path.rglob("*"))
        if entry.is_symlink() or not entry.is_dir()
    ]
    foreign = [name for name in foreign if name not in names and name != ABOUT]
    if foreign:
        raise InputError(
            f"{path} has a file that is not its own: {foreign[0]}. Remove it."
        )
    return Bundle(path, about, {name: _read(path, name, names[name]) for name in names})


def _read(path, name, expected):
    """The bytes of a file of the bundle, as they were when it was sealed."""
    file = path / name
    if any(part.is_symlink() for part in (file, *file.parents) if path in part.parents):
        raise InputError(f"{file} is a link; a bundle holds its files. {ORDER}")
    if not file.is_file():
        raise InputError(f"{path} lacks its file {name}. {ORDER}")
    content = file.read_bytes()
    if _hash(content) != expected:
        raise InputError(f"{file} was changed or cut off since the export. {ORDER}")
    return content


def _read_about(path):
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        own, version = about.pop("sha256"), about["format"]
        about["files"].items()
        is_whole = own == _own_hash(about)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged: {reason(error)}. {ORDER}") from error
    if version != FORMAT:
        raise InputError(
            f"{path} has the format {version}; this version reads {FORMAT}. Export the "
            "run again."
        )
    if not is_whole:
        raise InputError(f"{path} was changed since the export. {ORDER}")
    return about | {"sha256": own}


def _own_hash(about):
    return _hash(json.dumps(about, sort_keys=True, ensure_ascii=False).encode())


def _hash(content):
    return hashlib.sha256(content).hexdigest()
