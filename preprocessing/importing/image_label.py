"""Determines the label of an annotated image: whether it has a defect, and which."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from statistics import median
from typing import NamedTuple

from preprocessing.instances import Instance, instance_area
from preprocessing.normal_names import is_normal_name

MIN_OUTLINED = 3  # images, of which it can be said that one label lies on all
ON_ALL = 0.9  # of the images: the share that counts as all
COVERS = 0.25  # of an image: the share that counts as much of it
LARGER = 4  # times the area of the shapes in it


class Verdict(NamedTuple):
    """The label of an image, or "" and the reason why it has none.

    Attributes:
        label: Class name, or "".
        reason: Why there is no label.
        instances: The defects among the instances.
        kinds: The labels of the defects.
    """

    label: str
    reason: str = ""
    instances: tuple[Instance, ...] = ()
    kinds: tuple[str, ...] = ()


def decide(
    instances: Iterable[Instance],
    flags: Iterable[str],
    problems: Sequence[str],
    *,
    normal_name: str,
    outline: str | None,
    denied: Iterable[str] = (),
) -> Verdict:
    """Determines the label of an image from its instances and its flags.

    A shape of the normal class, or the outline of the part, never overrides a defect.
    An annotation that cannot be used may be a defect, so an image with one is not good.

    Args:
        instances: Its annotated instances.
        flags: Labels of the whole image.
        problems: Its annotations that cannot be used.
        normal_name: The class of good parts.
        outline: The label that is on all images and is overridden by others; or None.
        denied: Labels that the whole image does not have.
    """
    marked = [each for each in instances if not is_normal(each["label"], normal_name)]
    defects = [each for each in marked if each["label"] != outline] or marked
    kinds = tuple(sorted({each["label"] for each in defects}))
    named = sorted({normal_name if is_normal(f, normal_name) else f for f in flags})
    if len(named) > 1:
        return Verdict("", f"has several true flags: {', '.join(named)}")
    if named and kinds and named != list(kinds):
        return Verdict(
            "",
            f"its flag is {named[0]!r}, but its shapes are "
            f"{', '.join(map(repr, kinds))}",
        )
    if defects:
        return Verdict(largest_label(defects), "", tuple(defects), kinds)
    if named and named[0] != normal_name:
        return Verdict(named[0], "", (), tuple(named))
    if problems:
        return Verdict(
            "",
            "none of its annotations of a defect can be used, so its label is unknown",
        )
    not_good = [label for label in denied if is_normal(label, normal_name)]
    if not_good:
        return Verdict(
            "", f"its flag {not_good[0]!r} is false, but it has no annotated defect"
        )
    return Verdict(normal_name)


def is_normal(label: str, normal_name: str) -> bool:
    return label.casefold() == normal_name.casefold() or is_normal_name(label)


def largest_label(instances: Iterable[Instance]) -> str:
    """The label with the largest total area; if equal, the first alphabetically."""
    areas = defaultdict(float)
    for instance in instances:
        areas[instance["label"]] += instance_area(instance)
    return min(areas, key=lambda label: (-areas[label], label))


def find_outline(
    images: Sequence[tuple[Sequence[Instance], tuple[int, int] | None]],
    normal_name: str,
) -> tuple[str, float] | None:
    """The label that is on all annotated images and outlines the part, if any.

    Args:
        images: Instances and `(height, width)`, if known, of each annotated image.
        normal_name: The class of good parts, which is not an outline.

    Returns:
        The label and its median share of an image, or None.
    """
    images = [each for each in images if each[0]]
    if len(images) < MIN_OUTLINED:
        return None
    counts = Counter(
        name for found, _ in images for name in {i["label"] for i in found}
    )
    if len(counts) < 2:
        return None
    found = []
    for label, count in counts.items():
        if count >= ON_ALL * len(images) and not is_normal(label, normal_name):
            share = _share(images, label)
            held = [_holds_others(instances, label) for instances, _ in images]
            held = [each for each in held if each is not None]
            is_round = held and sum(held) >= ON_ALL * len(held)
            found += [(share, label)] if is_round or share >= COVERS else []
    return max(found)[::-1] if found else None


def _share(images, label):
    """The median share of an image that the boxes of a label cover."""
    shares = [
        sum(_box_area(each) for each in instances if each["label"] == label)
        / (size[0] * size[1])
        for instances, size in images
        if size
    ]
    return median(shares) if shares else 0.0


def _holds_others(instances, label):
    """Whether the shapes of the label hold all others; None where there are none."""
    parts = [each for each in instances if each["label"] == label]
    others = [each for each in instances if each["label"] != label]
    if not others or not parts:
        return None
    largest = max(map(_box_area, parts))
    return all(
        largest >= LARGER * _box_area(other)
        and any(_has_centre(part["bbox"], other["bbox"]) for part in parts)
        for other in others
    )


def _box_area(instance):
    return instance["bbox"][2] * instance["bbox"][3]


def _has_centre(box, other):
    x, y = other[0] + other[2] / 2, other[1] + other[3] / 2
    return box[0] <= x <= box[0] + box[2] and box[1] <= y <= box[1] + box[3]
