"""Images with annotation files: which file speaks of which image, and its label."""

import posixpath
import unicodedata

from goodparts.command import InputError
from preprocessing.images import image_size, is_image
from preprocessing.importing.annotation_files import read_coco, read_labelme, read_voc
from preprocessing.importing.found_image import Rejected, SourceImage
from preprocessing.importing.image_masks import split_masks
from preprocessing.instances import clip_instances, instance_area
from preprocessing.manifest import NORMAL_NAMES

_FILES = {
    "labelme": (read_labelme, ".json"),
    "coco": (read_coco, ".json"),
    "voc": (read_voc, ".xml"),
}


def read_annotated(folder, files, layout, normal_name):
    """Lists the images of labelme, COCO or VOC files, and what is rejected.

    An image that no file speaks of is normal, unless that is in doubt: its own file
    cannot be read, or it stands in no COCO file while other images without a defect
    do, or it lies in a class folder that is not the normal one. Then it is rejected.

    Raises:
        InputError: If no annotation belongs to an image that is there.
    """
    images = [name for name in files if is_image(name)]
    found, unreadable, rejected = _match(folder, files, images, layout)
    if not found:
        first = f" First: {rejected[0].path}: {rejected[0].reason}." if rejected else ""
        raise InputError(
            f"{folder} has no {layout} annotation of an image that is there.{first}"
        )
    masks = split_masks(images)[1]
    all_listed = layout == "coco" and (
        bool(unreadable) or not all(_has_shapes(listed) for listed in found.values())
    )
    class_folders = _class_folders(images, normal_name)
    kept = []
    for source in images:
        if source in found:
            image, problems = _label(folder, source, found[source], normal_name)
            kept += [image] if image else []
            rejected += problems
        elif source in unreadable:
            reason = "its annotation file cannot be read, so its label is unknown"
            rejected.append(Rejected(source, reason))
        elif source in masks:
            continue
        elif all_listed:
            rejected.append(Rejected(source, "stands in no COCO file that can be read"))
        elif source.split("/")[0] in class_folders:
            rejected.append(Rejected(source, "lies in a defect class, not annotated"))
        else:
            kept.append(SourceImage(folder / source, source, normal_name))
    return kept, rejected


def _class_folders(images, normal_name):
    """The folders of defect classes: those beside a folder of good parts, if any."""
    tops = {source.split("/")[0] for source in images if "/" in source}
    names = (*NORMAL_NAMES, normal_name.lower())
    normal = {top for top in tops if top.lower() in names}
    return tops - normal if normal else set()


def _match(folder, files, images, layout):
    """What the annotation files say of every image, and which say nothing readable."""
    read, suffix = _FILES[layout]
    index = _index(images)
    found, unreadable, rejected = {}, set(), []
    for file in files:
        if not file.lower().endswith(suffix):
            continue
        try:
            annotations = read(folder / file)
        except (ValueError, OSError) as error:
            rejected.append(Rejected(file, f"cannot be read: {error}"))
            unreadable.add(_find_image(file, "", index))
            continue
        for annotation in annotations:
            source = _find_image(file, annotation.image, index)
            if source is None:
                reason = f"names the image {annotation.image!r}, which is not there"
                rejected.append(Rejected(file, reason))
            else:
                found.setdefault(source, []).append(annotation)
    return found, unreadable, rejected


def _has_shapes(listed):
    return any(annotation.instances or annotation.problems for annotation in listed)


def _label(folder, source, listed, normal_name):
    """The labelled image, or None, and a list of what is to be said of it."""
    problems = [problem for annotation in listed for problem in annotation.problems]
    instances = []
    for annotation in listed:
        instances += [item for item in annotation.instances if item not in instances]
    try:
        size = image_size(folder / source)
    except InputError:
        size = None
    if size:
        for annotation in listed:
            if annotation.size and annotation.size != size:
                reason = (
                    f"is {size[1]} x {size[0]} pixels, but was annotated at "
                    f"{annotation.size[1]} x {annotation.size[0]}"
                )
                return None, [Rejected(source, reason)]
        instances, outside = clip_instances(instances, size)
        problems += outside
    rejected = [Rejected(source, problem) for problem in problems]
    if problems and not instances:
        reason = "none of its annotations can be used, so its label is unknown"
        return None, [*rejected, Rejected(source, reason)]
    label = _largest_label(instances) if instances else normal_name
    image = SourceImage(folder / source, source, label, instances=tuple(instances))
    return image, rejected


def _largest_label(instances):
    """The label with the largest total area; of equals the first by the alphabet."""
    areas = {}
    for instance in instances:
        label = instance["label"]
        areas[label] = areas.get(label, 0) + instance_area(instance)
    return min(areas, key=lambda label: (-areas[label], label))


def _index(images):
    """Images by their keys, and by their keys without the suffix."""
    index = {_key(source): source for source in images}
    for source in images:
        index.setdefault(posixpath.splitext(_key(source))[0], source)
    return index


def _find_image(file, name, index):
    """The image of an annotation file, or None.

    It lies beside the file, or in a folder `images` or `JPEGImages` in or beside the
    file's folder, under the name that the file gives or else the file's own stem. The
    folders of that name are often those of another computer.
    """
    folder = posixpath.dirname(file)
    name = name.replace("\\", "/")
    stem = posixpath.splitext(posixpath.basename(file))[0]
    for candidate in (name, posixpath.basename(name), stem):
        for base in (folder, posixpath.join(folder, "..")):
            for inner in ("", "images", "JPEGImages"):
                source = index.get(_key(posixpath.join(base, inner, candidate)))
                if candidate and source:
                    return source
    return None


def _key(path):
    """A path in one spelling: umlauts composed, no `..`, the suffix in lower case."""
    stem, suffix = posixpath.splitext(posixpath.normpath(path))
    return unicodedata.normalize("NFC", stem) + suffix.lower()
