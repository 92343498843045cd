"""File names that suggest which images are crops or copies of one image."""

import re
from collections import defaultdict
from collections.abc import Sequence

# what an altered copy has in its name behind that of its original, if it is one
ALTERED = r"^(.+?)([_-](aug|[hv]?flip|mirror|rot|copy|inv|neg|pad|letterbox|crop).*)?$"
PATTERNS = (r"(.+)\.rf\.", ALTERED, r"(.+)[_-]\d+$")
SHARED = 0.5  # of the images must share what the pattern finds with another
MIN_STEMS = 3  # of a class; one or two name the class or a recording, no picture


def suggest_pattern(
    sample_ids: Sequence[str], splits: Sequence[str]
) -> tuple[str, int, int] | None:
    """Suggests a pattern for grouping names that the split separates.

    Args:
        sample_ids, splits: sample_id and split of each image.

    Returns:
        The pattern, how many stems it finds and how many of them lie in several splits;
        None if names suggest nothing, or the split already follows them.

    Example:
        >>> ids = [f"good/film{film}_{cut}" for film in range(3) for cut in range(2)]
        >>> suggest_pattern(ids, ["train", "test"] * 3)
        ('(.+)[_-]\\\\d+$', 3, 3)
    """
    for pattern in PATTERNS:
        members = defaultdict(list)
        for position, sample_id in enumerate(sample_ids):
            found = re.search(pattern, sample_id)
            if found:
                rest = sample_id[found.end(1) :]
                members[found[1]].append((rest, splits[position]))
        shared = {stem: mine for stem, mine in members.items() if len(mine) > 1}
        num_cut = sum(len({split for _, split in mine}) > 1 for mine in shared.values())
        if num_cut and _are_pictures(shared, len(sample_ids), pattern):
            return pattern, len(members), num_cut
    return None


def _are_pictures(shared, num_images, pattern):
    """Whether stems name pictures rather than a class, a camera or a recording."""
    if sum(map(len, shared.values())) < SHARED * num_images:
        return False
    labels = [stem.split("/")[0] for stem in shared]
    if any(labels.count(label) < MIN_STEMS for label in set(labels)):
        return False
    if pattern != PATTERNS[-1]:
        return True
    ends = {rest for mine in shared.values() for rest, _ in mine}
    return len(ends) <= sum(map(len, shared.values())) / 2  # cuts count alike
