"""A bundle on disk: `<name>.goodparts/` with bundle.json and the files it names.

A bundle contains only data. Every file is read once, checked against its sha256 and
then used from memory, so replacing a bundle does not affect one that is already loaded.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from deployment.trust import SIGNATURE, Trust, check_sha256, check_signature
from goodparts.command import InputError, command_line, reason
from goodparts.files import write_bytes, write_json

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FORMAT = 2
ABOUT = "bundle.json"
SUFFIX = ".goodparts"
MAX_FILES = 1000
MAX_ABOUT_BYTES = 64 * 2**20  # of bundle.json
MAX_FILE_BYTES = 2 * 2**30  # of one file; protobuf allows no larger network
MAX_BYTES = 4 * 2**30  # of all files
ORDER = (
    "Export the run again, or copy the bundle again, and keep its files as they are."
)


class Bundle(NamedTuple):
    """The content of a bundle.

    Attributes:
        path: Its folder.
        about: Content of bundle.json.
        files: Name -> bytes.
    """

    path: Path
    about: dict[str, Any]
    files: dict[str, bytes]


def seal(
    folder: str | os.PathLike[str],
    about: dict[str, Any],
    *,
    signing_key: Ed25519PrivateKey | None = None,
) -> str:
    """Writes bundle.json: the given content, the sha256 of every file, and its own.

    Args:
        folder: Folder that contains all other files of the bundle.
        about: Content that can be written as JSON.
        signing_key: See `trust.read_signing_key`; bundle.sig is written with it.

    Returns:
        The sha256 of the bundle.
    """
    folder = Path(folder)
    files = {
        path.relative_to(folder).as_posix(): _hash(path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path not in (folder / ABOUT, folder / SIGNATURE)
    }
    about = {"format": FORMAT, **about, "files": files}
    sha256 = _own_hash(about)
    write_json(folder / ABOUT, about | {"sha256": sha256})
    if signing_key is not None:
        signature = signing_key.sign((folder / ABOUT).read_bytes())
        write_bytes(folder / SIGNATURE, signature)
    return sha256


def read_bundle(path: str | os.PathLike[str], *, trust: Trust | None = None) -> Bundle:
    """Reads a bundle and checks that it is complete and unchanged.

    Args:
        path: Its folder.
        trust: Required origin of the bundle; None for no requirement.

    Raises:
        InputError: If it is not a bundle, is not the required one, or a file is
            changed, truncated, missing, not part of the bundle, a link, too large, or
            outside the folder. The text names the file.
    """
    path, trust = Path(path), trust or Trust()
    _check_folder(path)
    about = _read_about(path, trust)
    names = about["files"]
    for name in names:
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or ".." in parts or "\\" in name:
            raise InputError(
                f"{path / ABOUT} refers to {name!r:.80}, which is outside the bundle."
            )
    _check_entries(path, names)
    return Bundle(path, about, {name: _read(path, name, names[name]) for name in names})


def _check_folder(path):
    """Raises InputError with instructions unless a path is the folder of a bundle."""
    if (path / ABOUT).is_file():
        return
    how = f"Make one: {command_line('export RUN')} -o NAME{SUFFIX}"
    if path.is_file():
        said = f"{path} is a file; a bundle is a folder NAME{SUFFIX}."
        how = f"Give the folder: {path.parent}" if path.name == ABOUT else how
    elif (path / "config.json").is_file():
        said = f"{path} is a run folder, not a bundle."
        how = f"Export it first: {command_line('export')} {path} -o NAME{SUFFIX}"
    elif path.is_dir():
        said = f"{path} is not a bundle: it has no {ABOUT}."
    else:
        said, how = (
            f"{path} is not a bundle: there is no such folder.",
            "Check the path.",
        )
    raise InputError(f"{said} {how}")


def _check_entries(path, names):
    """Raises InputError for files that are not listed, too many or too large.

    The sizes are taken from the folder, before any file is read.
    """
    entries = list(islice(path.rglob("*"), 2 * MAX_FILES + 1))
    if len(names) > MAX_FILES or len(entries) > 2 * MAX_FILES:
        raise InputError(
            f"{path} has more than the {MAX_FILES} files that are allowed."
        )
    total = 0
    for entry in sorted(entries):
        name = entry.relative_to(path).as_posix()
        if entry.is_dir() and not entry.is_symlink():
            continue
        if name not in names and name not in (ABOUT, SIGNATURE):
            raise InputError(
                f"{path} has a file that does not belong to the bundle: {name}. "
                "Remove it."
            )
        size = entry.lstat().st_size
        total += size
        if size > MAX_FILE_BYTES or total > MAX_BYTES:
            raise InputError(
                f"{entry} is too large: a file may have at most {MAX_FILE_BYTES:,} "
                f"bytes, and a bundle {MAX_BYTES:,} in total. {ORDER}"
            )


def _read(path, name, expected):
    """The bytes of a file of the bundle, as they were when it was sealed."""
    file = path / name
    if any(part.is_symlink() for part in (file, *file.parents) if path in part.parents):
        raise InputError(
            f"{file} is a link; a bundle must contain the files themselves. {ORDER}"
        )
    if not file.is_file():
        raise InputError(f"{path} lacks the file {name}. {ORDER}")
    content = file.read_bytes()
    if _hash(content) != expected:
        raise InputError(f"{file} was changed or truncated after the export. {ORDER}")
    return content


def _read_about(folder, trust):
    """Reads bundle.json after checking its signature and sha256."""
    path = folder / ABOUT
    if path.stat().st_size > MAX_ABOUT_BYTES:
        raise InputError(f"{path} has more than {MAX_ABOUT_BYTES:,} bytes. {ORDER}")
    content = path.read_bytes()
    if trust.public_key is not None:
        signed = folder / SIGNATURE
        signature = signed.read_bytes() if signed.is_file() else None
        check_signature(content, signature, trust.public_key, folder)
    about = _parsed(path, content)
    _check_format(path, about.get("format"))
    try:
        own = about.pop("sha256")
        about["files"].items()
        is_whole = own == _own_hash(about)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged: {reason(error)}. {ORDER}") from error
    if not is_whole:
        raise InputError(f"{path} was changed after the export. {ORDER}")
    if trust.sha256 is not None:
        check_sha256(own, trust.sha256, folder)
    return about | {"sha256": own}


def _check_format(path, version):
    if version == FORMAT and not isinstance(version, bool | float):
        return
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise InputError(f"{path} is damaged: it states no format. {ORDER}")
    made, how = "an earlier", "export the run again"
    if version > FORMAT:
        made, how = "a later", "update Goodparts here, or export the run again"
    raise InputError(
        f"{path.parent} was made by {made} version: {how}. Its format is "
        f"{str(version)[:20]}; this version reads format {FORMAT}."
    )


def _parsed(path, content):
    """A JSON object of unique keys and finite numbers.

    Different readers interpret duplicate keys, and NaN or infinity, differently.
    """
    try:
        about = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_finite,
            parse_float=_finite,
        )
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged: {error}. {ORDER}") from error
    if not isinstance(about, dict):
        raise InputError(f"{path} is damaged: it is not a JSON object. {ORDER}")
    return about


def _unique(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        raise ValueError(f"{twice[:80]!r} occurs twice")
    return found


def _finite(text):
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:80]} is not a finite number")
    return value


def _own_hash(about):
    return _hash(json.dumps(about, sort_keys=True, ensure_ascii=False).encode())


def _hash(content):
    return hashlib.sha256(content).hexdigest()
