"""A folder in which files arrive: each image is passed on once, when it is complete.

The folder is checked every 0.2 s, and listed only if its modification time has changed;
every 5 s it is listed in any case, because network drives may not update that time.
Listing takes at most a fifth of the time, so that large folders are listed less often.

A file is complete when its size and modification time did not change between two checks
and it can be decoded. A file that cannot be decoded is given up 30 s after its last
change. A file that reappears, or is replaced or overwritten, is passed on again if it
was changed since. The newest 100 files that were passed on are monitored for this.
"""

import os
import stat
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from goodparts.command import InputError, reason
from goodparts.files import escaped, natural_key
from live.camera.received import Picture, Received
from preprocessing.folder_walk import is_special
from preprocessing.images import is_image, read_image

POLL_S = 0.2
LOOK_AGAIN_S = 5.0  # even where the folder says that nothing changed
LOOKING_SHARE = 4  # pauses are this many times as long as a look
GIVE_UP_S = 30.0  # after the last change of a file that does not decode
SETTLED_S = 2.0  # since the last change of a file that was there from the start
NUM_WATCHED = 100  # names handed on last
MANY_GONE = 100_000  # names that left the folder and are remembered


def kind_of_other(path: Path) -> str:
    """What kind of file something is that is not read as an image, for a count."""
    if path.is_dir():
        return "folders"
    if is_special(path):
        return "pipes, sockets or devices"
    return f"files {path.suffix.lower() or 'without an extension'}"


class _Waiting(NamedTuple):
    """A file that has not been passed on yet."""

    form: tuple[int, int] | None  # size and time of change, ns, at the last look
    since: float  # time.monotonic() of that form
    was_there: bool  # at the first look
    tried: tuple[int, int] | None = None  # the form that did not decode


class HotFolder:
    """Finds the images of a folder as they arrive.

    Args:
        path: Path of a folder that exists; its subfolders are ignored.
        known: When files were inspected in earlier runs, in ns since 1970, by name as
            `escaped` has it: they are skipped unless they were changed later.
        bit_depth: Bit depth of files of more than 8 bits, see `read_image`.

    Attributes:
        left_out: Number of files that are not images, by their kind.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        known: Mapping[str, int] | None = None,
        bit_depth: int | None = None,
    ):
        self.path, self._bit_depth = Path(path), bit_depth
        self.left_out: Counter[str] = Counter()
        self._judged = dict(known or {})  # time of the file's content, ns, by name
        self._present: set[str] = set()
        self._waiting: dict[str, _Waiting] = {}
        self._is_first, self._is_away = True, False
        self._changed_ns: int | None = None
        self._looked_at, self._next_look = -LOOK_AGAIN_S, 0.0

    def receive(self) -> Iterator[Received]:
        """Yields `Received` indefinitely; several new files in the order of their
        times.
        """
        while True:
            if time.monotonic() >= self._next_look:
                began = time.thread_time()
                yield from self._look()
                pause = LOOKING_SHARE * (time.thread_time() - began)
                self._next_look = time.monotonic() + pause
            self._take_up_changed()
            for name in list(self._waiting):
                yield from self._judge(name)
            yield Received()
            time.sleep(POLL_S)

    def _look(self):
        """Registers new names; yields a problem for files that are not images."""
        try:
            changed_ns = os.stat(self.path).st_mtime_ns
            is_due = time.monotonic() - self._looked_at >= LOOK_AGAIN_S
            if changed_ns == self._changed_ns and not is_due:
                return
            with os.scandir(self.path) as entries:
                names = {entry.name for entry in entries}
        except OSError as error:
            if not self._is_away:
                self._is_away = True
                yield Received(problem=f"{reason(error)}; waiting", name=str(self.path))
            return
        self._is_away = False
        self._changed_ns, self._looked_at = changed_ns, time.monotonic()
        new, gone = names - self._present, self._present - names
        self._present = names
        self._forget(gone)
        for name in self._in_order(new):
            if escaped(name) != name and escaped(name) in self._judged:
                self._judged[name] = self._judged.pop(escaped(name))
            if is_image(name):
                self._waiting[name] = _Waiting(None, time.monotonic(), self._is_first)
            elif not name.startswith("."):
                yield from self._leave_out(name)
        self._is_first = False

    def _leave_out(self, name):
        """Counts what is no image; yields a problem for the first of its kind."""
        kind = kind_of_other(self.path / name)
        self.left_out[kind] += 1
        if self.left_out[kind] == 1:
            problem = f"{kind}: not images, so they are skipped"
            yield Received(problem=problem, name=str(self.path / name))

    def _take_up_changed(self):
        """Registers the files that were changed after they had been passed on."""
        for name in list(islice(reversed(self._judged), NUM_WATCHED)):
            if name in self._present and name not in self._waiting:
                if self._time_ns(name) > self._judged[name]:
                    self._waiting[name] = _Waiting(None, time.monotonic(), False)

    def _in_order(self, names):
        """By time if they arrived since the last check, else in listing order."""
        if self._is_first:
            return sorted(names, key=natural_key)
        return sorted(names, key=lambda name: (self._time_ns(name), natural_key(name)))

    def _time_ns(self, name):
        try:
            return os.stat(self.path / name).st_mtime_ns
        except OSError:
            return 0

    def _forget(self, gone):
        """Keeps the newest removed names, to recognise files that reappear."""
        for name in gone & self._judged.keys():
            self._judged[name] = self._judged.pop(name)
        too_many = len(self._judged) - len(self._present) - MANY_GONE
        for name in list(self._judged)[: max(0, too_many)]:
            if name not in self._present:
                del self._judged[name]

    def _judge(self, name):
        """Passes on a waiting file when complete, or says why it never will be."""
        path, waiting, now = self.path / name, self._waiting[name], time.monotonic()
        try:
            found = os.stat(path)
        except OSError as error:
            is_gone = isinstance(error, FileNotFoundError)
            problem = "was moved or deleted before it was read" if is_gone else None
            yield self._give_up(name, problem or reason(error))
            return
        changed_ns, form = found.st_mtime_ns, (found.st_size, found.st_mtime_ns)
        if not stat.S_ISREG(found.st_mode):
            del self._waiting[name]
            yield from self._leave_out(name)
            return
        if changed_ns <= self._judged.get(name, -1):
            del self._waiting[name]
            return
        is_old = waiting.was_there and time.time() - found.st_mtime > SETTLED_S
        if form != waiting.form and not is_old:
            self._waiting[name] = waiting._replace(form=form, since=now)
            return
        is_late = is_old or now - waiting.since >= GIVE_UP_S
        if waiting.tried == form and not is_late:
            return
        try:
            image = read_image(path, self._bit_depth)
        except InputError as error:
            if is_late:
                yield self._give_up(name, str(error), changed_ns)
            else:
                self._waiting[name] = waiting._replace(tried=form)
            return
        del self._waiting[name]
        self._note_judged(name, changed_ns)
        picture = Picture(np.ascontiguousarray(image), time.monotonic(), None)
        yield Received(picture, name=str(path))

    def _note_judged(self, name, changed_ns):
        self._judged.pop(name, None)  # the newest stand last
        self._judged[name] = changed_ns

    def _give_up(self, name, problem, changed_ns=None):
        del self._waiting[name]
        if changed_ns is not None:
            self._note_judged(name, changed_ns)
        return Received(num_bad=1, problem=problem, name=str(self.path / name))
