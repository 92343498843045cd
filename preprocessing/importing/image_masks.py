"""Images with masks: which file is the mask of which, by folder, ending or stem."""

from collections import defaultdict
from pathlib import PurePosixPath

from goodparts.command import InputError
from preprocessing.images import image_size, is_image, read_mask
from preprocessing.importing.found_image import Rejected, SourceImage

IMAGE_FOLDERS = frozenset({"image", "images", "img", "imgs", "jpegimages"})
MASK_FOLDERS = frozenset(
    {
        "mask",
        "masks",
        "ground_truth",
        "groundtruth",
        "gt",
        "labels",
        "annotations",
        "segmentationclass",
        "segmentationobject",
    }
)
MASK_ENDINGS = ("_mask", "_gt")
DEFECT_NAME = "defect"  # the class of what a mask marks, where nothing names it
SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    # The split takes its own `validate` out of `train`.
    "val": "train",
    "valid": "train",
    "validation": "train",
    "validate": "train",
}


def split_masks(sources):
    """Tells masks from images by their names.

    A mask lies in a folder such as `masks/`, or is named like `1_mask.png`, or is
    the .png beside an image `1.jpg` (or any other suffix).

    Args:
        sources: POSIX paths relative to the source folder.

    Returns:
        Two dicts, image -> key and mask -> key. A mask belongs to the images of
        its key, which is the tuple of their folders (without such as `images`
        and `masks`) and their stem.
    """
    images, masks = defaultdict(list), defaultdict(list)
    for source in sources:
        key, is_mask = mask_key(source)
        (masks if is_mask else images)[key].append(source)
    for key, members in images.items():
        pngs = [name for name in members if name.lower().endswith(".png")]
        if key not in masks and 0 < len(pngs) < len(members):
            masks[key] = pngs
            images[key] = [name for name in members if name not in pngs]
    return _by_source(images), _by_source(masks)


def mask_key(source):
    """The key of a file (see `split_masks`), and whether its name is a mask's."""
    *folders, name = PurePosixPath(source).parts
    stem = PurePosixPath(name).stem
    roles = {folder.lower() for folder in folders}
    folders = [folder for folder in folders if not is_role(folder)]
    is_mask = bool(roles & MASK_FOLDERS)
    ending = next((end for end in MASK_ENDINGS if stem.lower().endswith(end)), "")
    if ending and not roles & IMAGE_FOLDERS:
        stem, is_mask = stem[: -len(ending)], True
    return (*folders, stem), is_mask


def is_role(folder):
    """Whether a folder's name says what kind of files it has, rather than a class."""
    return folder.lower() in IMAGE_FOLDERS | MASK_FOLDERS


def _by_source(groups):
    return {name: key for key, members in groups.items() for name in members}


def read_mvtec(folder, files, normal_name):
    """Lists the images of `train` and `test` with masks, and what is rejected."""
    images, masks, rejected = [], {}, []
    for source in filter(is_image, files):
        top, *rest = source.split("/")
        split = SPLIT_FOLDERS.get(top.lower())
        if top.lower() in MASK_FOLDERS:
            masks[source] = mask_key(source)[0]
        elif split and len(rest) > 1:
            image = SourceImage(folder / source, source, rest[0], official_split=split)
            images.append((image, (split, *rest[:-1], PurePosixPath(source).stem)))
        else:
            rejected.append(Rejected(source, "lies in no class of train or test"))
    tested = {key for _, key in images if key[0] == "test"}
    for mask, key in masks.items():
        masks[mask] = ("test" if ("test", *key) in tested else "train", *key)
    joined, problems = _add_masks(folder, images, masks)
    notes = _note_missing_masks(joined, normal_name)
    return joined, rejected + problems + notes


def read_pairs(folder, files, normal_name):
    """Lists the images with the masks beside them, and what is rejected.

    The label is the class folder; where there are none, what the mask shows.
    """
    keys, masks = split_masks(filter(is_image, files))
    has_splits = all(
        len(key) > 1 and key[0].lower() in SPLIT_FOLDERS for key in keys.values()
    )
    images = []
    for source, key in keys.items():
        split = SPLIT_FOLDERS[key[0].lower()] if has_splits else ""
        classes = key[1:-1] if has_splits else key[:-1]
        label = classes[0] if classes else ""
        image = SourceImage(folder / source, source, label, official_split=split)
        images.append((image, key))
    joined, problems = _add_masks(folder, images, masks)
    if any(image.label for image, _ in images):
        labelled = [image for image in joined if image.label]
        strays = [image.source for image in joined if not image.label]
        unclear = [Rejected(source, "lies in no class folder") for source in strays]
    else:
        labelled, unclear = _label_by_masks(joined, normal_name)
    notes = _note_missing_masks(labelled, normal_name)
    return labelled, problems + unclear + notes


def _add_masks(folder, images, masks):
    """Joins masks to images by their keys and checks that they have one size.

    Args:
        folder: The source folder.
        images: List of (image, key).
        masks: Dict of mask -> key.

    Returns:
        The images, and a list of what is to be said of them and the masks.
    """
    keys = {key for _, key in images}
    mask_of, joined, rejected = {}, [], []
    for mask, key in sorted(masks.items()):
        if key not in keys:
            rejected.append(Rejected(mask, "is a mask without an image"))
        elif key in mask_of:
            rejected.append(Rejected(mask, f"is a second mask beside {mask_of[key]}"))
        else:
            mask_of[key] = mask
    for image, key in images:
        problem = None
        if key in mask_of:
            image, problem = _add_mask(folder, image, mask_of[key])
        joined += [image] if image else []
        rejected += [problem] if problem else []
    return joined, rejected


def _add_mask(folder, image, mask):
    """The image with its mask, or None; and what is to be said of it, or None."""
    try:
        mask_height, mask_width = image_size(folder / mask)
    except InputError as error:
        if not image.label:
            return None, Rejected(image.source, f"good or defect is unknown: {error}")
        return image, Rejected(mask, f"the image is kept without its mask: {error}")
    try:
        height, width = image_size(image.path)
    except InputError:
        return image._replace(mask_path=folder / mask), None
    if (height, width) != (mask_height, mask_width):
        return None, Rejected(
            image.source,
            f"is {width} x {height} pixels, but its mask {mask} {mask_width} x "
            f"{mask_height}; one of them is wrong",
        )
    return image._replace(mask_path=folder / mask), None


def _label_by_masks(images, normal_name):
    """Labels images by what their masks mark.

    An image without a mask is normal, unless other normal images do have one (which
    is black): then its mask is missing and the image is rejected.
    """
    labelled, without_mask, rejected = [], [], []
    for image in images:
        if not image.mask_path:
            without_mask.append(image._replace(label=normal_name))
            continue
        try:
            has_defect = read_mask(image.mask_path).any()
        except InputError as error:
            reason = f"good or defect is unknown: {error}"
            rejected.append(Rejected(image.source, reason))
        else:
            label = DEFECT_NAME if has_defect else normal_name
            labelled.append(image._replace(label=label))
    if any(image.label == normal_name for image in labelled):
        reason = "has no mask, so good or defect is unknown: good ones have one too"
        rejected += [Rejected(image.source, reason) for image in without_mask]
        return labelled, rejected
    return labelled + without_mask, rejected


def _note_missing_masks(images, normal_name):
    """Names the defect images without a mask where others of their class have one."""
    masked = {
        (image.official_split, image.label) for image in images if image.mask_path
    }
    return [
        Rejected(
            image.source,
            f"has no mask, though others of {image.label} have one; the image is kept",
        )
        for image in images
        if not image.mask_path
        and image.label != normal_name
        and (image.official_split, image.label) in masked
    ]
