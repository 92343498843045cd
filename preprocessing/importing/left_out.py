"""Which images of a source are left out, and why."""

from preprocessing.images import is_image


def left_out(images, rejected):
    """The images that are not used, each with one reason, as {path: reason}.

    Args:
        images: List of `CheckedImage`, which are used.
        rejected: List of `Rejected`, of which some are only remarks.
    """
    used = {image.found.source for image in images}
    return {
        each.path: each.reason
        for each in sorted(rejected, reverse=True)
        if each.path not in used and is_image(each.path)
    }


def describe_left_out(images, rejected):
    """How many images are left out and the first with its reason, as a text or ""."""
    out = left_out(images, rejected)
    files = [each for each in sorted(rejected) if not is_image(each.path)]
    text = ""
    if out:
        first = min(out)
        text += f" {len(out)} images are left out, first {first}: {out[first]}."
    if files:
        text += f" {files[0].path} {files[0].reason}."
    return text
