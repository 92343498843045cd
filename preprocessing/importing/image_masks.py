"""Images with masks: the layouts of MVTec, and of images beside their masks."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from goodparts.command import InputError
from preprocessing.images import (
    image_frame,
    image_size,
    image_threads,
    is_image,
    looks_like_mask,
)
from preprocessing.importing.class_folders import masks_by_look, read_class_folders
from preprocessing.importing.found_image import Found, Rejected, SourceImage
from preprocessing.importing.mask_doubts import find_mask_doubts
from preprocessing.importing.mask_labels import (
    hold_against_folders,
    label_by_masks,
    mixed_folders,
    note_missing_masks,
)
from preprocessing.importing.mask_names import (
    MASK_FOLDERS,
    SPLIT_FOLDERS,
    image_key,
    mask_key,
    spellings,
    split_masks,
)
from preprocessing.importing.mask_values import (
    IGNORE,
    has_ignored,
    mask_kind,
)
from preprocessing.importing.turned import is_mask_unclear, remark_unclear
from preprocessing.normal_names import is_normal_name


def read_mvtec(folder: Path, files: Sequence[str], normal_name: str) -> Found:
    """Lists the images of `train` and `test` with masks, and the rejected files."""
    images, masks, rejected = [], {}, []
    names = [name for name in files if is_image(name)]
    beside = split_masks(n for n in names if n.split("/")[0].lower() in SPLIT_FOLDERS)
    for source in names:
        top, *rest = source.split("/")
        split = SPLIT_FOLDERS.get(top.lower())
        if top.lower() in MASK_FOLDERS:
            masks[source] = mask_key(source)[0]
        elif source in beside[1]:
            continue
        elif split and len(rest) > 1:
            image = SourceImage(folder / source, source, rest[0], official_split=split)
            images.append((image, (split, *rest[:-1], PurePosixPath(source).stem)))
        else:
            rejected.append(
                Rejected(source, "is not in a class folder of train or test")
            )
    keys = {key: True for _, key in images}
    spelled = spellings(keys)
    for mask, key in masks.items():
        tested = image_key(("test", *key), keys, spelled)
        trained = image_key(("train", *key), keys, spelled)
        masks[mask] = tested if tested in keys else trained
    places = {}  # of the images whose masks lie beside them
    for image, key in images:
        places[beside[0].get(image.source)] = key
    masks |= {mask: places.get(key, key) for mask, key in beside[1].items()}
    joined, problems = _add_masks(folder, images, masks)
    unused = [name for name in files if not is_image(name)]
    doubts = find_mask_doubts(folder, images, masks, unused)
    kept, unlike = hold_against_folders(joined, normal_name, doubts)
    notes = note_missing_masks(kept, normal_name)
    return Found(kept, rejected + problems + unlike + notes, [], unused)


def read_pairs(folder: Path, files: Sequence[str], normal_name: str) -> Found:
    """Lists the images with their masks, and the rejected files.

    The label is the class folder. Without class folders, or if folders with both empty
    and non-empty masks show that they are not classes, it comes from the mask.
    """
    keys, masks = _split_masks(folder, files)
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
    unused = [name for name in files if not is_image(name)]
    doubts = find_mask_doubts(folder, images, masks, unused)
    notes, unclear = [], []
    if any(image.label for image in joined):
        tops = mixed_folders(joined, normal_name)
        if tops:
            notes.append(
                f"the folders {', '.join(tops[:3])}{', ...' * (len(tops) > 3)} "
                "contain both empty and non-empty masks, so the masks determine "
                "which images are good. If each folder is one part, add --grouping "
                "pattern --pattern '/(.+)_'"
            )
            joined = [image._replace(label="") for image in joined]
    if any(image.label for image in joined):
        labelled = [image for image in joined if image.label]
        strays = [image.source for image in joined if not image.label]
        unclear = [Rejected(source, "is not in a class folder") for source in strays]
        labelled, unlike = hold_against_folders(labelled, normal_name, doubts)
        unclear += unlike
    else:
        labelled, unclear, said = label_by_masks(joined, normal_name, doubts)
        notes += said
    missing = note_missing_masks(labelled, normal_name)
    return Found(labelled, problems + unclear + missing, notes, unused)


def read_classes_with_masks(
    folder: Path, files: Sequence[str], normal_name: str
) -> Found | None:
    """Lists class folders whose masks lie in folders of their own beside them.

    Such as `OK/1.jpg`, `NOK/1.jpg` and `masks/NOK/1.png`, or all classes in `images/`.

    Returns:
        The images with their masks, and the rejected files; None where no folder is
        named like one of masks, holds what looks like masks, and fits the images.
    """
    masks = _sibling_masks(folder, files)
    if not masks:
        return None
    plain = read_class_folders(folder, [name for name in files if name not in masks])
    images, strays = [], []
    for image in plain.images:
        key = mask_key(image.source)[0]
        if len(key) > 1:
            images.append((image._replace(label=key[0]), key))
        else:
            strays.append(Rejected(image.source, "is not in a class folder"))
    joined, problems = _add_masks(folder, images, masks)
    doubts = find_mask_doubts(folder, images, masks, plain.unused)
    kept, unlike = hold_against_folders(joined, normal_name, doubts)
    said = [*strays, *problems, *unlike, *note_missing_masks(kept, normal_name)]
    return Found(kept, [*plain.rejected, *said], plain.notes, plain.unused)


def _sibling_masks(folder, files):
    """The masks in folders of masks, by name, with the keys of their images."""
    names = [name for name in files if is_image(name)]
    masks = {
        name: mask_key(name)[0]
        for name in names
        if MASK_FOLDERS & {part.lower() for part in PurePosixPath(name).parts[:-1]}
    }
    keys = {mask_key(name)[0]: True for name in names if name not in masks}
    spelled = spellings(keys)
    masks = {mask: image_key(key, keys, spelled) for mask, key in masks.items()}
    fitting = [mask for mask, key in masks.items() if key in keys]
    is_sure = fitting and all(_looks_like_mask(folder / mask) for mask in fitting)
    return masks if is_sure else {}


def _looks_like_mask(path):
    try:
        return looks_like_mask(path)
    except InputError:
        return True  # told of when it is read


def _split_masks(folder, files):
    """As `split_masks`, and what is a mask by its look and bears an image's name."""
    keys, masks = split_masks(filter(is_image, files))
    counts = Counter(keys.values())
    for name, twin in masks_by_look(folder, files).items():
        key = mask_key("/".join(twin) + ".png")[0]
        if name in keys and counts[key] > (keys[name] == key):
            counts[keys.pop(name)] -= 1
            masks[name] = key
    return keys, masks


def _add_masks(folder, images, masks):
    """Joins masks to images by their keys and checks that their sizes are equal.

    Args:
        folder: The source folder.
        images: Each with its key.
        masks: By name, their keys.

    Returns:
        The images, and a list of remarks on them and the masks.
    """
    images_of, masks_of = defaultdict(list), defaultdict(list)
    joined, rejected = [], []
    for image, key in images:
        images_of[key].append(image)
    for mask, key in sorted(masks.items()):
        if key in images_of:
            masks_of[key].append(mask)
        else:
            rejected.append(Rejected(mask, "is a mask without an image"))
    for key, members in images_of.items():
        for image in members:
            problems = []
            if len(members) > 1 and masks_of[key]:
                names = " and ".join(each.source for each in members)
                reason = f"shares the mask {masks_of[key][0]}: {names}"
                image, problems = None, [Rejected(image.source, reason)]
            elif masks_of[key]:
                image, problems = _add_mask(folder, image, masks_of[key])
            joined += [image] if image else []
            rejected += problems
    turned = [image.source for image in joined if _is_turn_unclear(image)]
    rejected += remark_unclear(sorted(turned), "masks")
    return _set_ignored(joined), rejected


def _is_turn_unclear(image):
    if not image.mask_paths:
        return False
    try:
        frame = image_frame(image.path)
        turned = [image_frame(path)[1] > 1 for path in image.mask_paths]
    except InputError:
        return False
    return is_mask_unclear(*frame) and not all(turned)


def _add_mask(folder, image, masks):
    """The image with its masks, or None, and a list of remarks."""
    try:
        size = image_size(image.path)
    except InputError:
        return image._replace(mask_paths=tuple(folder / mask for mask in masks)), []
    good, problems = [], []
    for mask in masks:
        try:
            mask_size = image_size(folder / mask)
        except InputError as error:
            if not image.label or is_normal_name(image.label):
                reason = f"it is not known whether it is good: {error}"
                return None, [Rejected(image.source, reason)]
            reason = f"the image is kept without its mask: {error}"
            problems.append(Rejected(mask, reason))
            continue
        if size != mask_size:
            reason = (
                f"is {size[1]} x {size[0]} pixels, but its mask {mask} is "
                f"{mask_size[1]} x {mask_size[0]}"
            )
            return None, [Rejected(image.source, reason)]
        good.append(folder / mask)
    return image._replace(mask_paths=tuple(good)), problems


def _set_ignored(images):
    """The images with the ignored value of their masks."""
    paths = [path for image in images for path in image.mask_paths]
    with image_threads() as pool:
        ignore = IGNORE if has_ignored(pool.map(mask_kind, paths)) else None
    return [image._replace(mask_ignore=ignore) for image in images]
