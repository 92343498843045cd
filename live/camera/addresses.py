"""Camera addresses: checked, with unescaped passwords, and shown without secrets."""

import re
from urllib.parse import urlsplit

from goodparts.command import InputError

SCHEMES = ("rtsp", "rtsps", "http", "https")
LOGIN = re.compile(r"(\w+://)(?:\S*@)?([^\s?]*)(\?\S*)?")
PASSWORD = re.compile(r"(?i)((?:pass\w*?|pwd|psw|token|secret)=)[^\s&/;?]+")
WRITTEN = {"#": "%23", "/": "%2F", "?": "%3F", " ": "%20"}  # in a user name or password
HOW_TO_WRITE = "in a password, # must be written as %23, / as %2F and ? as %3F"


def without_secrets(text: str) -> str:
    """Removes everything that is or may be a password, for the screen and the log.

    In a URL, `user:password@` (up to the last @) and the query are removed; in any
    text, the values of `password=`, `pwd=` and similar keys.
    """
    text = LOGIN.sub(
        lambda found: found[1] + found[2] + ("?..." if found[3] else ""), text
    )
    return PASSWORD.sub(r"\1...", text)


def shown_source(text: str) -> str:
    """The name of a source without secrets; a password in an address may contain
    spaces.
    """
    return without_secrets(re.sub(r"\s", "%20", text) if "://" in text else text)


def camera_url(text: str, expected: str) -> str:
    """Converts the address of a camera to the form that FFmpeg accepts.

    Args:
        text: The URL. The characters `#`, `/` and `?` of a password need no escape if
            this is unambiguous: `rtsp://admin:pa#ss@camera/line`.
        expected: What is accepted instead, for the error message.

    Raises:
        InputError: If it is not an address; the text does not contain the password.
    """
    url = _with_login_written(text)
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme.lower() in SCHEMES and bool(parts.hostname)
        _ = parts.port  # raises ValueError
    except ValueError:
        is_whole = False
    if not is_whole:
        hint = f" Note that {HOW_TO_WRITE}." if "@" in text else ""
        name = shown_source(text)
        raise InputError(f"--source {name} is not a camera address.{hint} {expected}")
    return url


def _with_login_written(text):
    """Encodes `#`, `/` and `?` before the last @ if they do not end a host."""
    scheme, slashes, rest = text.partition("://")
    login, at, place = rest.rpartition("@")
    host = re.split(r"[/?#]", login)[0]  # by the rules of URLs
    _, colon, port = host.partition(":")
    if set("# ") & set(login) or ("@" not in host and colon and not port.isdecimal()):
        login = "".join(WRITTEN.get(sign, sign) for sign in login)
    return scheme + slashes + login + at + place
