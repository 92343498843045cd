"""Which images of a source are left out, and why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from preprocessing.images import is_image
from preprocessing.importing.found_image import Rejected

if TYPE_CHECKING:
    from preprocessing.importing.checked_images import CheckedImage


def left_out(
    images: Iterable[CheckedImage], rejected: Iterable[Rejected]
) -> dict[str, str]:
    """The images that are not used, each with one reason, as {path: reason}.

    Args:
        images: Those that are used.
        rejected: All that was said, of which some are only remarks.
    """
    used = {image.found.source for image in images}
    return {
        each.path: each.reason
        for each in sorted(rejected, reverse=True)
        if each.path not in used and is_image(each.path)
    }


def describe_left_out(
    images: Iterable[CheckedImage], rejected: Iterable[Rejected]
) -> str:
    """How many images are left out and the first with its reason, as a text or ""."""
    out = left_out(images, rejected)
    files = [each for each in sorted(rejected) if not is_image(each.path)]
    text = ""
    if out:
        first = min(out)
        text += f" {len(out)} images were left out, the first is {first}: {out[first]}."
    if files:
        text += f" {files[0].path} {files[0].reason}."
    return text
