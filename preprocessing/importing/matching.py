"""Assigns annotations to images: by path, else by a unique name.

The name in an annotation and the file next to it often differ: folders of another
computer, renamed files, other extensions. A name that fits two images, or two
annotations that fit one image, are ambiguous and are not used.
"""

from __future__ import annotations

import posixpath
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from preprocessing.importing.found_image import Rejected

if TYPE_CHECKING:
    from preprocessing.importing.annotation_files import Annotation

_INNER = ("", "images", "JPEGImages")


class Claim(NamedTuple):
    """An annotation that a file has for the image it names."""

    file: str
    annotation: Annotation


class Matches(NamedTuple):
    """The claims of every image.

    Attributes:
        claims: By image.
        doubts: By image, why it may have a defect that none of its claims marks.
        orphans: The claims that belong to no image, or to no certain one.
        rejected: Remarks and orphans.
        missing: Those of the orphans whose image does not exist.
    """

    claims: dict[str, list[Claim]]
    doubts: dict[str, str]
    orphans: list[Claim]
    rejected: list[Rejected]
    missing: list[Claim]


def match(
    claims: Sequence[Claim], images: Iterable[str], *, by_own_name: bool
) -> Matches:
    """Assigns every claim to its image.

    Args:
        claims: Claims of all files.
        images: Names of the images, relative to the source folder.
        by_own_name: Whether a file may belong to the image with the same stem.
    """
    index = ImageIndex(images)
    matches = Matches(defaultdict(list), {}, [], [], [])
    lenient, folders, taken = defaultdict(list), _Folders(), []
    for claim in claims:
        name = claim.annotation.image.replace("\\", "/")
        direct, is_moved = [], False
        if not claim.annotation.names_no_image:
            direct, is_moved = index.direct(claim.file, name)
        if len(direct) == 1:
            taken.append((claim, direct[0], is_moved))
            folders.add(claim.file, name, direct[0], is_moved=is_moved)
        elif direct:
            _leave_open(matches, claim, direct)
        else:
            found = _by_name(index, claim, name, by_own_name)
            lenient[found[0] if len(found) == 1 else None].append((claim, found))
    for claim, image, is_moved in taken:
        if is_moved and folders.are_mixed(claim.file, image):
            _leave_open(
                matches, claim, [image], "; the file refers to several such folders"
            )
        else:
            matches.claims[image].append(claim)
    matches.rejected.extend(folders.remarks())
    for only, candidates in lenient.items():
        _take_lenient(matches, only, candidates)
    if by_own_name:
        _doubt_own_names(matches, index, claims)
    return matches


def _by_name(index, claim, name, by_own_name):
    if claim.annotation.names_no_image:
        return []
    return index.lenient(claim.file, name, by_own_name=by_own_name)


def _take_lenient(matches, image, candidates):
    """Accepts the one claim on an image that has no other; the rest are orphans."""
    (claim, _), others = candidates[0], candidates[1:]
    if image is not None and not others and image not in matches.claims:
        matches.claims[image].append(claim)
        reason = (
            f"refers to {claim.annotation.image!r}; assigned to {image}, the only "
            "image with this name"
        )
        matches.rejected.append(Rejected(claim.file, reason))
        return
    for claim, found in candidates:
        if found:
            _leave_open(matches, claim, found)
        else:
            reason = (
                f"refers to the image {claim.annotation.image!r}, which does not exist"
            )
            matches.orphans.append(claim)
            if not claim.annotation.names_no_image:
                matches.missing.append(claim)
            matches.rejected.append(Rejected(claim.file, reason))


def _leave_open(matches, claim, found, why=""):
    """Notes a claim that may be of several images, or is one of several of an image."""
    may_be = " or ".join(found[:3]) + (" or others" if len(found) > 3 else "")
    reason = (
        f"refers to the image {claim.annotation.image!r}, which is ambiguous: it may "
        f"be {may_be}"
    )
    reason += why
    matches.orphans.append(claim)
    matches.rejected.append(Rejected(claim.file, reason))
    for image in found if claim.annotation.says_something else ():
        doubt = f"it is not certain whether {claim.file} refers to it"
        matches.doubts.setdefault(image, doubt)


def _doubt_own_names(matches, index, claims):
    """Doubts images if the file with the same stem refers to another image."""
    for claim in claims:
        for image in index.own(claim.file):
            if image not in matches.claims and claim.annotation.says_something:
                name = claim.annotation.image
                doubt = (
                    f"{claim.file} has the same name, but refers to the image {name!r}"
                )
                matches.doubts.setdefault(image, doubt)


class _Folders:
    """Which folders files name, and in which ones their images are."""

    def __init__(self):
        self._named = defaultdict(set)
        self._moved = {}

    def add(self, file, name, image, *, is_moved):
        place = file, posixpath.dirname(image)
        named = posixpath.dirname(name)
        if is_moved and named in self._named[place]:
            self._moved[place] = named  # the second: it is a file of many images
        self._named[place].add(named)

    def are_mixed(self, file, image):
        """Whether the folder of the image stands for several that the file names."""
        return len(self._named[file, posixpath.dirname(image)]) > 1

    def remarks(self):
        return [
            Rejected(
                file, f"refers to images in {named!r}; assigned to those in {folder!r}"
            )
            for (file, folder), named in self._moved.items()
            if len(self._named[file, folder]) == 1
        ]


class ImageIndex:
    """Images by path, by name and by stem."""

    def __init__(self, images: Iterable[str]):
        self._images = set(images)
        self._by_path = defaultdict(list)
        self._by_bare_path = defaultdict(list)
        self._by_name, self._by_stem = defaultdict(list), defaultdict(list)
        for image in images:
            key = _key(image)
            self._by_path[key].append(image)
            self._by_bare_path[posixpath.splitext(key)[0]].append(image)
            name = posixpath.basename(key).casefold()
            self._by_name[name].append(image)
            self._by_stem[posixpath.splitext(name)[0]].append(image)

    def direct(self, file: str, name: str) -> tuple[list[str], bool]:
        """The images at the path given in a file, relative to its own folder.

        Or, as the folders are often those of another computer, of that name beside it,
        or in a folder `images` or `JPEGImages` in or beside its folder.

        Returns:
            The images, and whether they are in another folder than the named one.
        """
        for candidate in filter(None, (name, posixpath.basename(name))):
            found = self._near(file, candidate, self._at)
            if found:
                return found, candidate != name
        return [], False

    def lenient(self, file: str, name: str, *, by_own_name: bool) -> list[str]:
        """The images that may be meant: by other folder, extension or file stem."""
        base = posixpath.basename(name)
        stem = posixpath.splitext(base)[0]
        steps = [lambda: self._near(file, stem, self._bare)] if stem else []
        if by_own_name:
            steps.append(lambda: self.own(file))
        if base:
            steps.append(lambda: self._by_name.get(_key(base).casefold(), []))
            steps.append(lambda: self._by_stem.get(_composed(stem).casefold(), []))
        if by_own_name:
            steps.append(lambda: self.of_stem(file))
        return next((found for step in steps if (found := step())), [])

    def own(self, file: str) -> list[str]:
        """The images of a file's own stem, in or beside its folder."""
        stem = posixpath.splitext(posixpath.basename(file))[0]
        return self._near(file, stem, self._bare)

    def of_stem(self, file: str) -> list[str]:
        """All images of a file's own stem, wherever they lie."""
        stem = posixpath.splitext(posixpath.basename(file))[0]
        return self._by_stem.get(_composed(stem).casefold(), [])

    def _near(self, file, name, look):
        """What lies in the file's own folder, else what lies in those near it."""
        folder = posixpath.dirname(file)
        found = look(posixpath.join(folder, name))
        if found:
            return found
        near = []
        for base in (folder, posixpath.join(folder, "..")):
            for inner in _INNER:
                near += look(posixpath.join(base, inner, name))
        return list(dict.fromkeys(near))

    def _at(self, path):
        path = posixpath.normpath(path)
        if path in self._images:
            return [path]
        found = self._by_path.get(_key(path), [])
        if found:
            return found
        # A name without an ending is that of an image with any.
        bare = self._bare(path)
        return bare if len(bare) == 1 else []

    def _bare(self, path):
        return self._by_bare_path.get(_composed(posixpath.normpath(path)), [])


def _key(path):
    """A path in one spelling: umlauts composed, no `..`, the suffix in lower case."""
    stem, suffix = posixpath.splitext(posixpath.normpath(path))
    return _composed(stem) + suffix.lower()


def _composed(text):
    return unicodedata.normalize("NFC", text)
