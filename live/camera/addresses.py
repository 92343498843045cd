"""Addresses of cameras: checked, with passwords as people write them, and shown."""

import re
from urllib.parse import urlsplit

from goodparts.command import InputError

SCHEMES = ("rtsp", "rtsps", "http", "https")
LOGIN = re.compile(r"(\w+://)(?:\S*@)?([^\s?]*)(\?\S*)?")
PASSWORD = re.compile(r"(?i)((?:pass\w*?|pwd|psw|token|secret)=)[^\s&/;?]+")
WRITTEN = {"#": "%23", "/": "%2F", "?": "%3F", " ": "%20"}  # in a user name or password
HOW_TO_WRITE = "in a password, # must be written as %23, / as %2F and ? as %3F"


def without_secrets(text: str) -> str:
    """The text without what is or may be a password: for the screen and the log.

    Of a URL neither `user:password@` (up to the last @, whatever it holds) nor the
    query is left; of any text no value of `password=`, `pwd=` and the like.
    """
    text = LOGIN.sub(
        lambda found: found[1] + found[2] + ("?..." if found[3] else ""), text
    )
    return PASSWORD.sub(r"\1...", text)


def shown_source(text: str) -> str:
    """The name of a source without secrets: a blank in an address ends no password."""
    return without_secrets(re.sub(r"\s", "%20", text) if "://" in text else text)


def camera_url(text: str, expected: str) -> str:
    """The address of a camera, as FFmpeg takes it.

    Args:
        text: The URL. The `#`, `/` and `?` of a password may stand as they are
            where that leaves no doubt: `rtsp://admin:pa#ss@camera/line`.
        expected: What to give instead, for the error.

    Raises:
        InputError: If it is none, without telling its password.
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
    """`#`, `/` and `?` before the last @ are encoded where they end no host."""
    scheme, slashes, rest = text.partition("://")
    login, at, place = rest.rpartition("@")
    host = re.split(r"[/?#]", login)[0]  # by the rules of URLs
    _, colon, port = host.partition(":")
    if set("# ") & set(login) or ("@" not in host and colon and not port.isdecimal()):
        login = "".join(WRITTEN.get(sign, sign) for sign in login)
    return scheme + slashes + login + at + place
