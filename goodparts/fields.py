"""Checks values of JSON from outside; every fault is reported in one clear line.

Each function takes a value and its name in error messages, such as
`model.members[0].classes`.
"""

import re
from collections.abc import Collection, Container
from typing import Any, NoReturn

from goodparts.command import InputError

MAX_TEXT = 5000  # characters
MAX_SIDE = 10_000  # pixels of an image
MAX_SHOWN = 60  # characters of a wrong value in a message
LARGEST = 1e300
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def check_object(value: object, where: str, *names: str) -> None:
    """Checks for a JSON object that has all these fields."""
    if not isinstance(value, dict):
        refuse(where, "an object", value)
    for name in names:
        if name not in value:
            raise InputError(f"{where} lacks {name}.")


def check_list(value: object, where: str, least: int, most: int) -> None:
    """Checks for a list with `least` to `most` values."""
    if not isinstance(value, list):
        refuse(where, "a list", value)
    if not least <= len(value) <= most:
        raise InputError(
            f"{where} must have {least} to {most} values. Received: {len(value)}."
        )


def check_text(value: object, where: str) -> None:
    """Checks for one line of text that is not empty or too long."""
    if not isinstance(value, str):
        refuse(where, "text", value)
    if not value.strip() or len(value) > MAX_TEXT or CONTROL.search(value):
        refuse(where, f"one line of 1 to {MAX_TEXT} characters", value)


def check_choice(value: object, where: str, choices: Collection[str]) -> None:
    """Checks for one of several texts."""
    if not isinstance(value, str) or value not in choices:
        refuse(where, f"one of {', '.join(choices)}", value)


def check_number(
    value: object, where: str, low: float = -LARGEST, high: float = LARGEST
) -> None:
    """Checks for a finite number from `low` to `high`, inclusive; no booleans."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        refuse(where, "a number", value)
    if not low <= value <= high:  # NaN is not
        span = "finite" if (low, high) == (-LARGEST, LARGEST) else f"{low} to {high}"
        refuse(where, f"a number, {span}", value)


def check_whole(value: object, where: str, low: int, high: int) -> None:
    """Checks for a whole number from `low` to `high`, inclusive."""
    if isinstance(value, bool) or not isinstance(value, int):
        refuse(where, "a whole number", value)
    if not low <= value <= high:
        refuse(where, f"a whole number, {low} to {high}", value)


def check_image_size(value: Any, where: str) -> None:
    """`[height, width]` in pixels."""
    check_list(value, where, 2, 2)
    for side in value:
        check_whole(side, where, 1, MAX_SIDE)


def check_file(value: object, where: str, files: Container[str]) -> None:
    """Checks for the name of an existing file.

    Args:
        value: The name.
        where: Name of the value in error messages.
        files: The existing files, by name.
    """
    check_text(value, where)
    if value not in files:
        refuse(where, "the name of a file in the bundle", value)


def refuse(where: str, expected: str, value: object) -> NoReturn:
    """Raises InputError with what was expected and the start of what was received."""
    shown = re.sub(r"\s+", " ", repr(value)[: MAX_SHOWN + 1])
    if len(shown) > MAX_SHOWN:
        shown = shown[: MAX_SHOWN - 3] + "..."
    raise InputError(f"{where} must be {expected}. Received: {shown}.")
