"""Named arrays on disk: npz files without pickle, checked before they are unpacked."""

import io
import math
import os
import zipfile
from collections.abc import Collection, Mapping
from typing import IO

import numpy as np

from goodparts.command import InputError, reason
from goodparts.files import PathLike

MAX_BYTES = 4 * 2**30  # of all arrays of a file together
MAX_ARRAYS = 100
KINDS = "biufU"  # of dtypes: truth values, whole numbers, floats, text
HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class NamedBytes(io.BytesIO):
    """The content of a file, with the `name` used in error messages."""

    def __init__(self, name: str, content: bytes):
        super().__init__(content)
        self.name = name


def read_arrays(
    file: PathLike | IO[bytes], *names: str, max_bytes: int = MAX_BYTES
) -> dict[str, np.ndarray]:
    """Reads the arrays of an npz file by name.

    The sizes stated in the file are checked first, so that a small file that unpacks to
    a huge one is refused before it takes memory.

    Args:
        file: Path or open file.
        names: Names of the arrays that must exist; if empty, all that exist are
            returned.
        max_bytes: Maximum size of all arrays in memory.

    Raises:
        InputError: If the file is missing, truncated or too large, contains anything
            but numbers and text, or lacks one of the names.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            _check_sizes(archive, max_bytes)
        if hasattr(file, "seek"):
            file.seek(0)
        with np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in names or stored.files}
    except Exception as error:  # zipfile, its decoders and NumPy raise many kinds
        where = file if isinstance(file, str | os.PathLike) else file_name(file)
        raise InputError(
            f"{where} cannot be read ({reason(error)}). Restore it from a copy, or "
            "train again."
        ) from error


def file_name(file: PathLike | IO[bytes]) -> str:
    """The name of an open file in error messages."""
    return getattr(file, "name", "An npz file of the model")


def check_arrays(
    arrays: Mapping[str, np.ndarray],
    shapes: Mapping[str, tuple[str, ...]],
    where: str,
    *,
    sizes: Mapping[str, int] | None = None,
    text: Collection[str] = (),
    infinite: Collection[str] = (),
) -> None:
    """Checks shapes and values of arrays, and that there are no others.

    Args:
        arrays: By name.
        shapes: By name, the shape as a tuple of names of sizes, such as
            `("words", "values")`: a size has one value wherever it is named.
        where: Name of the file in error messages.
        sizes: Known sizes, by name.
        text: Names of arrays of text; all others are of numbers.
        infinite: Names of arrays that may hold infinities.

    Raises:
        InputError: If they do not match, or a number is NaN or infinite.
    """
    sizes = dict(sizes or {})
    if set(arrays) != set(shapes):
        raise InputError(
            f"{where} must contain the arrays {', '.join(shapes)}. Received: "
            f"{', '.join(arrays) or 'none'}."
        )
    for name, shape in shapes.items():
        found = arrays[name].shape
        wanted = tuple(sizes.get(size, size) for size in shape)
        if len(found) == len(shape):
            for size, length in zip(shape, found, strict=True):
                sizes.setdefault(size, length)
        if found != tuple(sizes.get(size) for size in shape):
            expected = f"({', '.join(map(str, wanted))})"
            raise InputError(
                f"{name} in {where} must have the shape {expected}. Received: {found}."
            )
        _check_values(
            arrays[name], f"{name} in {where}", name in text, name in infinite
        )


def _check_values(array, where, is_text, may_be_infinite):
    if (array.dtype.kind == "U") != is_text:
        kind = "text" if is_text else "numbers"
        raise InputError(f"{where} must contain {kind}. Received: {array.dtype}.")
    if is_text:
        return
    is_wrong = np.isnan(array) if may_be_infinite else ~np.isfinite(array)
    if is_wrong.any():
        raise InputError(f"{where} has values that are NaN or infinite.")


def _check_sizes(archive, max_bytes):
    """Raises ValueError if an archive unpacks to more, or to something else, than it
    may."""
    members = archive.infolist()
    if len(members) > MAX_ARRAYS:
        raise ValueError(f"{len(members)} arrays; at most {MAX_ARRAYS} are allowed")
    total = sum(member.file_size for member in members)
    if total > max_bytes:
        raise ValueError(
            f"{total:,} bytes when unpacked; at most {max_bytes:,} are allowed"
        )
    for member in members:
        with archive.open(member) as stream:
            read_header = HEADERS.get(np.lib.format.read_magic(stream))
            if read_header is None:
                raise ValueError(f"{member.filename} has an unknown version")
            shape, _, dtype = read_header(stream)
            if dtype.kind not in KINDS:
                raise ValueError(f"{member.filename} holds {dtype}")
            size = stream.tell() + math.prod(shape) * dtype.itemsize
            if size != member.file_size:
                raise ValueError(
                    f"the length of {member.filename} does not match its shape"
                )
