"""The origin of a bundle: its sha256 and a signature, both checked only on request.

The hashes inside a bundle show that it is complete, but whoever changes a file can
rewrite them. The origin is proved by a signature, or by the sha256 that `export`
printed, if it is kept in another place.
"""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from goodparts.command import InputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SIGNATURE = "bundle.sig"  # ed25519, over the bytes of bundle.json
MAX_KEY_BYTES = 100_000
HOW = "Make one: openssl genpkey -algorithm ed25519 -out KEY.pem"


class Trust(NamedTuple):
    """The required origin of a bundle; None is no requirement.

    Attributes:
        sha256: Required sha256 of the bundle, hexadecimal.
        public_key: Path of a PEM file with the ed25519 key with which it must be
            signed.
    """

    sha256: str | None = None
    public_key: str | Path | None = None

    def is_asked(self) -> bool:
        return self != Trust()


def add_trust_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds --require-sha256 and --require-signature to a command."""
    parser.add_argument(
        "--require-sha256",
        type=_sha256,
        metavar="HEX",
        help="refuse every bundle except the one with this sha256, as printed by "
        "export",
    )
    parser.add_argument(
        "--require-signature",
        metavar="PUBLIC.pem",
        help="refuse a bundle that was not signed with this ed25519 key",
    )


def asked_trust(arguments: argparse.Namespace) -> Trust:
    """The `Trust` that parsed arguments ask for."""
    return Trust(arguments.require_sha256, arguments.require_signature)


def read_signing_key(path: str | os.PathLike[str]) -> Ed25519PrivateKey:
    """The private ed25519 key of a PEM file.

    Raises:
        InputError: If it is not such a key, or cryptography is not installed.
    """
    serialization, ed25519, _ = _cryptography()
    key = _read_key(path, lambda text: serialization.load_pem_private_key(text, None))
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise InputError(f"{path} is not a private ed25519 key. {HOW}")
    return key


def check_signature(
    content: bytes,
    signature: bytes | None,
    public_key: str | os.PathLike[str],
    where: str | os.PathLike[str],
) -> None:
    """Checks a signature.

    Args:
        content: Bytes of bundle.json.
        signature: Bytes of bundle.sig; None without one.
        public_key: Path of the PEM file.
        where: Name of the bundle in error messages.

    Raises:
        InputError: If there is no signature, or it is for another key or content.
    """
    serialization, ed25519, invalid = _cryptography()
    key = _read_key(public_key, serialization.load_pem_public_key)
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise InputError(
            f"{public_key} is not a public ed25519 key. Make one from the private "
            "key: openssl pkey -in KEY.pem -pubout -out PUBLIC.pem"
        )
    if signature is None:
        raise InputError(
            f"{where} is not signed: it has no {SIGNATURE}. Export it with --sign KEY."
        )
    try:
        key.verify(signature, content)
    except invalid as error:
        raise InputError(
            f"{where} was not signed with the key of {public_key}, or was changed "
            "afterwards. Copy it again from where it was made."
        ) from error


def check_sha256(found: str, wanted: str, where: str | os.PathLike[str]) -> None:
    """Raises InputError unless a bundle is the required one."""
    if found != wanted.lower():
        raise InputError(
            f"{where} is not the required bundle: its sha256 is {found}, not "
            f"{wanted.lower()}. Copy it again from where it was made."
        )


def _read_key(path, load):
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no key {path}. Check the path.")
    with open(path, "rb") as file:
        text = file.read(MAX_KEY_BYTES)
    try:
        return load(text)
    except Exception as error:  # cryptography raises several kinds, also its own
        raise InputError(
            f"{path} is not an ed25519 key in PEM format without a password. {HOW}"
        ) from error


def _cryptography():
    """Imports the package cryptography, only when something is signed or checked."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ModuleNotFoundError as error:
        raise InputError(
            "Signatures need the package cryptography: pip install cryptography."
        ) from error
    return serialization, ed25519, InvalidSignature


def _sha256(text):
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError(
            f"must be 64 hexadecimal digits, as printed by export. Received: {text!r}."
        )
    return text.lower()
