"""Unknown keys of annotation files that may describe a defect."""

import re
from collections.abc import Container, Mapping

from preprocessing.normal_names import is_normal_name

_LABEL_WORDS = frozenset(
    "label labels class classes category categories tag tags defect defects anomaly "
    "anomalies fault faults object objects annotation annotations shape shapes region "
    "regions box boxes bbox bboxes bndbox segmentation segmentations roi rois outline "
    "outlines polygon polygons mark marks attribute attributes result verdict status "
    "quality grade".split()
)
_HARMLESS = frozenset("extra metadata meta events otherdata license".split())


def unread_keys(content: Mapping[str, object], known: Container[str]) -> list[str]:
    """One problem for every key that may name a defect and is not read.

    These are keys that are called so, and lists of groups or groups, with a value that
    is neither empty nor the name of a good part.

    Args:
        content: Content of a file or a part of it.
        known: Keys that are read, or harmless.
    """
    return [
        f"it has the key {key!r}, which is not read: {_brief(value)}"
        for key, value in content.items()
        if key not in known
        and str(key).casefold() not in _HARMLESS
        and says_something(value)
        and (_is_label_key(str(key)) or _is_nested(value))
    ]


def _is_label_key(key):
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", key)
    return not _LABEL_WORDS.isdisjoint(re.findall(r"[^\W_]+", spaced.casefold()))


def _is_nested(value):
    inner = value if isinstance(value, list) else [value]
    return any(isinstance(each, dict | list) for each in inner)


def says_something(value: object) -> bool:
    """Whether a value is more than empty, zero, false or the name of a good part."""
    if isinstance(value, list):
        return any(map(says_something, value))
    if isinstance(value, str):
        return bool(value.strip()) and not is_normal_name(value.strip())
    return bool(value)


def _brief(value):
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
