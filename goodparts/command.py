"""What all commands share: types of their options, progress, and how they end.

A mistake of the user ends with one clear line and exit status 2.
"""

import argparse
import contextlib
import math
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from goodparts.files import write_json

T = TypeVar("T")
TOLD_EVERY_S = 1.0
_progress_path = None  # where `progress` also writes, see `progress_into`


class InputError(ValueError):
    """A mistake in the user's input; the text says what was received and what to do."""


@contextlib.contextmanager
def progress_into(path: Path) -> Iterator[None]:
    """While the block runs, `progress` also writes this file; then it is removed.

    It contains `what`, `step`, `total` and `seconds_left`, and is at most TOLD_EVERY_S
    old.
    """
    global _progress_path
    before, _progress_path = _progress_path, path
    try:
        yield
    finally:
        _progress_path = before
        path.unlink(missing_ok=True)


def progress(
    steps: Iterable[T],
    what: str,
    total: int | None,
    *,
    unit: str = "image",
    done: int = 0,
    of: int | None = None,
) -> Iterable[T]:
    """Shows a progress bar around an iterable, if the output is a terminal.

    Args:
        steps: An iterable.
        what: Label of the progress bar, a few words.
        total: How many steps it has.
        unit: Name of a step.
        done, of: Number of earlier steps and of all steps, if this is a part of
            something longer, as an epoch is of a training; for the file of
            `progress_into`.
    """
    from tqdm import tqdm  # not needed to inspect

    screen = shutil.get_terminal_size()  # tqdm shows nothing where the size is unknown
    shown = tqdm(
        steps,
        what,
        total,
        unit=unit,
        leave=False,
        disable=None,
        ncols=screen.columns,
        nrows=screen.lines,
    )
    if _progress_path is None:
        return shown
    return _written(shown, _progress_path, what, done, of or total)


@contextlib.contextmanager
def working(what: str) -> Iterator[None]:
    """Shows on a terminal that one long step is running, and for how many seconds.

    For work without countable steps; do not nest it with `progress`.

    Args:
        what: Label, a few words.
    """
    if not sys.stderr.isatty():
        yield
        return
    ended, screen = threading.Event(), os.dup(sys.stderr.fileno())
    thread = threading.Thread(target=_show, args=(what, ended, screen), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        os.close(screen)


def _show(what, ended, screen):
    began, text = time.monotonic(), ""
    while not ended.is_set():
        text = f"{what}: {time.monotonic() - began:.0f} s"
        os.write(screen, f"\r{text}".encode())
        ended.wait(TOLD_EVERY_S)
    os.write(screen, f"\r{' ' * len(text)}\r".encode())


def _written(steps, path, what, done, total):
    started = told = time.monotonic()
    for number, step in enumerate(steps, 1):
        yield step
        now = time.monotonic()
        if now - told >= TOLD_EVERY_S:
            told, left = now, total - done - number
            state = {"what": what, "step": done + number, "total": total}
            state["seconds_left"] = round((now - started) / number * left, 1)
            write_json(path, state)


class _Help(argparse.RawDescriptionHelpFormatter):
    """Shows the default of every flag that has one."""

    def _get_help_string(self, action):
        default = action.default
        is_shown = action.option_strings and action.nargs != 0
        if not is_shown or default in (None, [], (), argparse.SUPPRESS):
            return action.help
        values = default if isinstance(default, list | tuple) else [default]
        shown = " ".join(map(str, values)).replace("%", "%%")
        return f"{action.help} (default: {shown})"


def command_line(words: str) -> str:
    """How a command is typed: `pipenv run train ...` within Pipenv, or else `goodparts
    train ...`.

    Args:
        words: Name and arguments, such as "train --model bovw".
    """
    runner = "pipenv run" if os.environ.get("PIPENV_ACTIVE") else "goodparts"
    return f"{runner} {words}"


def command_parser(description: str, *, prog: str) -> argparse.ArgumentParser:
    """The argparse parser of a command; its `--help` shows all defaults.

    Args:
        description: Docstring of the command; "goodparts NAME" in it is shown as
            `command_line` has it.
        prog: How the command was called.
    """
    description = description.replace("`", "")
    description = re.sub(
        r"\bgoodparts ([a-z])", lambda name: command_line(name[1]), description
    )
    return argparse.ArgumentParser(
        prog=prog, description=description, formatter_class=_Help, allow_abbrev=False
    )


def seed(text: str) -> int:
    """argparse type: a whole number that every random generator takes."""
    return _whole_number(text, 0, 2**32 - 1)


def positive_int(text: str) -> int:
    """argparse type: a whole number of 1 or more."""
    return _whole_number(text, 1, sys.maxsize)


def positive_number(text: str) -> float:
    """argparse type: a finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not (value > 0 and math.isfinite(value)):
        raise argparse.ArgumentTypeError(
            f"must be a number above 0, such as 0.05. Received: {text!r}."
        )
    return value


def _whole_number(text, least, most):
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        span = (
            f"from {least} to {most}" if most < sys.maxsize else f"of {least} or more"
        )
        raise argparse.ArgumentTypeError(
            f"must be a whole number {span}. Received: {text!r}."
        )
    return value


def reason(error: BaseException) -> str:
    """Why something failed, as text; for an OSError without number and path."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split()).rstrip(".")


def run_command(main: Callable[[], object]) -> None:
    """Calls `main()` and reports mistakes, full disks and Ctrl-C in one line.

    Any other exception is a bug and keeps its traceback.
    """
    _print_anything()
    try:
        main()
    except InputError as error:
        _stop(f"error: {error}", 2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        where = error.filename2 or error.filename
        where = f": {where}" if where else ""
        again = "Fix this, then run the same command again."
        _stop(f"error: {reason(error)}{where}. {again}", 2)
    except KeyboardInterrupt as interrupt:
        how = str(interrupt) or "Run the same command again."
        _stop(f"Interrupted. {how}", 130)


def _print_anything():
    """Lets names be printed that the terminal cannot show, as errors are."""
    with contextlib.suppress(AttributeError, OSError, ValueError):
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _stop(line, status):
    print(" ".join(line.split()), file=sys.stderr)
    sys.exit(status)
