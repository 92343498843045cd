"""The first seconds of a command, in which it imports what it needs.

A command parses its options before it imports anything heavy; the imports are in

    with loading():
        from ... import ...

A terminal shows that the command is loading, and Ctrl-C prints one line instead of a
traceback; at this point nothing has been started yet.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator

from goodparts.command import InputError

SHOWN = "loading..."


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """While the block runs, Ctrl-C ends the process with exit status 130.

    Raises:
        InputError: If a package is not installed; the text says what to install.
    """
    is_shown = sys.stderr.isatty()
    if is_shown:
        print(SHOWN, end="\r", file=sys.stderr, flush=True)
    try:
        with ending_at_ctrl_c():
            yield
    except ModuleNotFoundError as error:
        raise InputError(_missing(error)) from error
    finally:
        if is_shown:
            print(" " * len(SHOWN), end="\r", file=sys.stderr, flush=True)


@contextlib.contextmanager
def ending_at_ctrl_c() -> Iterator[None]:
    """While the block runs, Ctrl-C ends the process with one line, status 130."""
    # no exception: libraries may catch it while they are imported
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _end(*signal_and_frame):
    os.write(2, b"Interrupted. Run the same command again.\n")
    os._exit(130)


def _missing(error):
    package = (error.name or "").partition(".")[0]
    return (
        f"The Python package {package} is not installed. Install everything that this "
        "command needs: pip install 'goodparts[train,live]'."
    )
