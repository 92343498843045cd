"""Values that may contain passwords, without putting them on the command line.

Everybody on a machine can read the command lines of its processes, and shells store
them. An option that may contain a password therefore also accepts `env:NAME`, the value
of an environment variable, and `@file`, the only line of a file.
"""

import os
import stat
import sys
from argparse import ArgumentTypeError
from functools import lru_cache
from pathlib import Path

from goodparts.command import reason

HOW = "env:NAME and @FILE keep a password off the command line"  # for help texts
LONGEST = 10_000  # characters
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def secret_text(given: str) -> str:
    """argparse type: the text that `env:NAME`, `@FILE` or the text itself stands for.

    Prints a note if other users may read or change the file.

    Raises:
        ArgumentTypeError: If the variable is not set, the file cannot be read, or it
            does not have exactly one line. No error contains any of the value.
    """
    if given.startswith("env:"):
        text = os.environ.get(given[4:])
        if text is None:
            raise ArgumentTypeError(f"{given}: this environment variable is not set.")
    elif given.startswith("@"):
        text = _read(Path(given[1:]).expanduser())
    else:
        return given
    text = text.strip()
    if not text or len(text) > LONGEST or not text.isprintable():
        raise ArgumentTypeError(f"{given} must hold one line of text.")
    return text


def _read(path):
    try:
        with path.open(encoding="utf-8") as file:
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & OTHERS:
                _note_others(path)
            return file.read(LONGEST + 1)
    except OSError as error:
        raise ArgumentTypeError(f"@{path}: {reason(error)}.") from None
    except UnicodeDecodeError:
        raise ArgumentTypeError(f"@{path} must hold one line of text.") from None


@lru_cache  # once
def _note_others(path):
    print(
        f"note: other users can read or change {path}. chmod 600 {path} prevents it.",
        file=sys.stderr,
    )
