"""Reasons why an image without an annotated defect may still have one."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from preprocessing.importing.image_label import is_normal
from preprocessing.importing.matching import Claim, ImageIndex, Matches

if TYPE_CHECKING:
    from preprocessing.importing.other_sources import Others

_SIDE_FILES = (".json", ".xml", ".txt")  # where they bear an image's name


class Read(NamedTuple):
    """The annotation files of a folder: claims, and those that cannot be read."""

    claims: list[Claim]
    used: set[str]
    unreadable: dict[str, str]


class Doubts:
    """Reasons why an image without an annotated defect may still have one."""

    def __init__(
        self,
        files: Sequence[str],
        images: Sequence[str],
        layout: str,
        read: Read,
        matches: Matches,
        normal_name: str,
        others: Others,
    ):
        self._of = dict(matches.doubts)
        index = ImageIndex(images)
        for file in read.unreadable:
            own = index.own(file) or index.of_stem(file)
            for image in own:
                self._of.setdefault(image, f"its annotation file {file} cannot be read")
        self._unclaimed = {
            image: f"has no annotation that was read, but {file} mentions it"
            for image, file in others.spoken.items()
        }
        self._against = {
            image: f"has no annotated defect, but {reason}"
            for image, reason in others.against.items()
        }
        self._unclaimed |= self._of | _side_files(files, read, index)
        self._listed, self._all = {}, ""
        for claim in matches.orphans:
            if not claim.annotation.says_something:
                continue
            self._all = self._all or (
                f"has no annotation, but {claim.file} has one for "
                f"{claim.annotation.image!r}, which does not exist and may be this "
                "image"
            )
            if claim.annotation.names_no_image:
                self._listed[claim.file] = (
                    f"has no annotated defect, but {claim.file} has annotations for "
                    f"the image {claim.annotation.image}, which it does not list"
                )
        stray = [
            file
            for file in read.unreadable
            if layout == "coco" or not (index.own(file) or index.of_stem(file))
        ]
        if stray:
            self._all = self._all or (
                f"has no annotation, but {stray[0]} cannot be read"
            )
        self._any = ""
        if layout == "coco" and (read.unreadable or others.by_id):
            broken = next(iter(read.unreadable), None)
            self._any = (
                f"has no annotated defect, but {broken} cannot be read"
                if broken
                else f"has no annotated defect, but {others.by_id}, which was not "
                "read, has annotations that refer to images by id"
            )
        self._claims = matches.claims
        lists_good = any(
            not any(claim.annotation.says_something for claim in claims)
            for claims in matches.claims.values()
        )
        is_listed = lists_good and layout in ("coco", "yolo")
        self._is_complete = is_listed or layout == "csv"
        self._defect_folders = _defect_folders(images, normal_name)

    def of(self, source: str) -> str:
        """Why an image without an annotated defect is not used as good; "" if it is."""
        if source in self._of:
            return self._of[source]
        if source.split("/")[0] in self._defect_folders:
            return "is in the folder of a defect class, but has no annotated defect"
        if source in self._claims:
            files = [claim.file for claim in self._claims[source]]
            listed = next((self._listed[f] for f in files if f in self._listed), "")
            return listed or self._against.get(source) or self._any
        if source in self._unclaimed:
            return self._unclaimed[source]
        if self._is_complete:
            return "has no annotation, although good images have one too"
        return self._against.get(source) or self._all or self._any


def _side_files(files, read, index):
    """Doubts about images if an annotation file of the same name was not read."""
    doubts = {}
    for file in files:
        if file in read.used or not file.lower().endswith(_SIDE_FILES):
            continue
        own = index.own(file)
        if not own and posixpath.basename(posixpath.dirname(file)).lower() == "labels":
            own = index.of_stem(file)
        for image in own:
            doubts[image] = (
                f"has no annotation that was read, but {file} may belong to it"
            )
    return doubts


def _defect_folders(images, normal_name):
    """The folders of defect classes: those beside a folder of good parts, if any."""
    tops = {source.split("/")[0] for source in images if "/" in source}
    normal = {top for top in tops if is_normal(top, normal_name)}
    return tops - normal if normal else set()
