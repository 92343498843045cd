"""Annotations of images with EXIF rotation, which may refer to the stored pixels."""

from collections.abc import Iterable, Sequence

from preprocessing.importing.found_image import Rejected
from preprocessing.instances import Instance

SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that swap height and width


def turn_instances(
    instances: Iterable[Instance], orientation: int, size: tuple[int, int]
) -> list[Instance]:
    """Rotates instances from the stored pixels to the displayed image.

    Args:
        instances: Instances of one image, in raw pixels.
        orientation: Orientation of EXIF, one of SIDEWAYS.
        size: `(height, width)` of the image as it is shown.
    """
    width, height = size  # of the raw pixels

    def turn(x, y):
        across = height - y if orientation in (6, 7) else y
        down = width - x if orientation in (7, 8) else x
        return across, down

    return [_turned(each, turn) for each in instances]


def _turned(instance, turn):
    x, y, width, height = instance["bbox"]
    (left, top), (right, bottom) = turn(x, y), turn(x + width, y + height)
    polygons = [
        [
            value
            for point in zip(each[::2], each[1::2], strict=True)
            for value in turn(*point)
        ]
        for each in instance["polygons"]
    ]
    box = [min(left, right), min(top, bottom), abs(right - left), abs(bottom - top)]
    return {**instance, "bbox": box, "polygons": polygons}


def is_mask_unclear(size: tuple[int, int], orientation: int) -> bool:
    """Whether a mask of this size may refer to the stored or to the rotated image."""
    return orientation > 1 and (orientation not in SIDEWAYS or size[0] == size[1])


def remark_unclear(sources: Sequence[str], what: str = "boxes") -> list[Rejected]:
    """A remark on images whose annotations may or may not be rotated."""
    if not sources:
        return []
    others = f" (and so are {len(sources) - 1} others)" if len(sources) > 1 else ""
    reason = (
        f"is rotated by EXIF{others}: it is not known whether its {what} were drawn "
        "on the rotated image, so they are kept unchanged; check the boxes that the "
        "command boxes writes"
    )
    return [Rejected(sources[0], reason)]
