"""Formats numbers for readers: percent with interval, time, lists in a sentence."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evaluation.run_folder import Run

WIDTH = 100  # columns of what a terminal shows


def percent(interval: Mapping[str, Any] | None, *, unit: str = " %") -> str:
    """An interval of a proportion as text, such as `93.1 % (88.0 to 96.4)`.

    Args:
        interval: `{"value", "low", "high"}` in `[0, 1]`, or None.
        unit: What follows the value.
    """
    value, span = value_and_range(interval, unit=unit)
    return f"{value} ({span})" if span else value


def figure(interval: Mapping[str, Any] | None, is_share: bool = True) -> str:
    """An interval of a metric, as percent where it is a share."""
    return percent(interval) if is_share else number(interval)


def value_and_range(
    interval: Mapping[str, Any] | None, is_share: bool = True, *, unit: str = " %"
) -> tuple[str, str]:
    """The two parts of `figure`, such as `93.1 %` and `88.0 to 96.4`; "" for none."""
    if interval is None or interval["value"] is None:
        return "–", ""
    show = share if is_share else "{:.3f}".format
    value, low, high = (show(interval[key]) for key in ("value", "low", "high"))
    return f"{value}{unit if is_share else ''}", f"{low} to {high}"


def known(interval: Mapping[str, Any] | None) -> str:
    """`percent` within a sentence."""
    has_value = interval is not None and interval["value"] is not None
    return percent(interval) if has_value else "an unknown share"


def share(value: float) -> str:
    """A fraction as percent with one decimal, never rounded to 0 or 100.

    Example:

    >>> share(0.931), share(0.0001), share(0.9999), share(1)
    ('93.1', '<0.1', '>99.9', '100.0')
    """
    if 0 < value < 0.0005:
        return "<0.1"
    if 0.9995 <= value < 1:
        return ">99.9"
    return f"{100 * value:.1f}"


def number(interval: Mapping[str, Any] | None) -> str:
    """An interval of a metric that is not a fraction as text, such as `0.213 (0.150 to
    0.281)`.
    """
    value, span = value_and_range(interval, is_share=False)
    return f"{value} ({span})" if span else value


def number_text(value: float | None) -> str:
    """A score or threshold with four digits; "" if there is none."""
    return "" if value is None or math.isnan(value) else f"{value:.4g}"


def too_few_goods(point: Mapping[str, Any]) -> str:
    """Why the false reject rate of a point of `roc` cannot be measured."""
    return (
        f"not measurable: at this threshold, {point['num_good_rejected']} of "
        f"{counted(point['num_good'], 'good image')} "
        f"({counted(point['num_good_groups'], 'group')}) are rejected"
    )


def points(difference: Mapping[str, Any]) -> str:
    """A difference of fractions as text, such as `+1.2 [-0.8 to +3.0] points`."""
    if difference["value"] is None:
        return "unknown"
    if difference["low"] == difference["high"] == 0:
        return "no difference"
    value, low, high = (100 * difference[key] for key in ("value", "low", "high"))
    return f"{value:+.1f} [{low:+.1f} to {high:+.1f}] points"


def duration(seconds: float) -> str:
    """Seconds as text: `8.5 s`, `12 min 5 s` or `3 h 20 min`."""
    if seconds < 59.95:  # what rounds to 60.0 is a minute
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    return f"{minutes // 60} h {minutes % 60} min"


def listed(words: Iterable[object]) -> str:
    """`A`, `A and B` or `A, B and C`."""
    texts = [str(word) for word in words]
    if len(texts) < 2:
        return "".join(texts)
    return f"{', '.join(texts[:-1])} and {texts[-1]}"


def counted(number: int, noun: str) -> str:
    """`1 image`, `2 images`, `1 class`, `2 classes`."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


def display_names(runs: Sequence[Run]) -> list[str]:
    """A short name for each run: its model, with number and date where needed."""
    parts = [re.fullmatch(r"(\d{4}-\d\d-\d\d)-.*-(\d+)", run.name) for run in runs]
    choices = [
        [run.config["model"] for run in runs],
        [
            f"{run.config['model']} #{part[2]}" if part else run.name
            for run, part in zip(runs, parts, strict=True)
        ],
        [
            f"{run.config['model']} {part[1]} #{part[2]}" if part else run.name
            for run, part in zip(runs, parts, strict=True)
        ],
        [str(run.folder) for run in runs],
    ]
    names = list(choices[0])
    for longer in choices[1:]:
        again = [names.count(name) > 1 for name in names]
        names = [
            more if twice else name
            for name, more, twice in zip(names, longer, again, strict=True)
        ]
    return names
