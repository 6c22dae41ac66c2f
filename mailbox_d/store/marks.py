"""Whether a folder may have changed since the last look: a few `stat` calls.

The directories' times have the granularity of the kernel's clock, so a change that follows another one at once may not
show. A look at a directory that changed within the last second is therefore repeated once, two seconds later: at `new`
alone where that is the one, for mail may come all the time into a mailbox whose `cur` takes long to read.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from mailbox_d.errors import StorageFault
from mailbox_d.store.files import FileSystem, find
from mailbox_d.store.folder import Folder

Mark: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """Times, inode and size of the directories and files, and the time just before they were looked at."""

    new: Mark = ()
    cur: Mark = ()
    uidlist: Mark = ()
    keywords: Mark = ()
    at: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class LookTimes:
    """Seconds: how young a directory's time must be to be doubted, when it is looked at again, for how long a look
    is spared where the kernel tells of changes, and within what its clock may show two changes as one."""

    doubtful: float = 1.0
    again: float = 2.0
    spared: float = 1.0
    tick: float = 0.02


class Marks:
    """What a folder looked like when it was last read."""

    def __init__(
        self,
        files: FileSystem,
        folder: Folder,
        times: LookTimes,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._files = files
        self._folder = folder
        self._times = times
        self._clock = clock
        self._monotonic = monotonic
        self._last = Seen()
        self._again_at: float | None = None
        """When the second look at `cur` is due."""
        self._new_again_at: float | None = None

    @property
    def last(self) -> Seen:
        """The marks as they were when the folder was last read; of `new` nothing if its second look is due."""
        return replace(self._last, new=()) if self._is_due(self._new_again_at) else self._last

    def look(self) -> Seen:
        """The marks as they are now. Raises `FileNotFoundError` where `new` or `cur` is missing, `StorageFault` where
        one of them is something else than a directory."""
        at = self._clock()
        return self._look_beside(self._directory(self._folder.new), at)

    def _look_beside(self, new: Mark, at: float) -> Seen:
        """The marks as they are now, but for `new`."""
        return Seen(
            new=new,
            cur=self._directory(self._folder.cur),
            uidlist=_mark(find(self._files, self._folder.uidlist)),
            keywords=_mark(find(self._files, self._folder.keywords)),
            at=at,
        )

    def may_have_changed(self, seen: Seen) -> bool:
        """Whether a directory may be another one than was seen. Raises what `look` raises."""
        now = self.look()
        if (now.new, now.cur) != (seen.new, seen.cur):
            return True
        return any(_age(mark, seen.at) < self._times.tick for mark in (seen.new, seen.cur))

    def is_doubtful(self) -> bool:
        """Whether a directory had just changed, so that another change may not have shown."""
        return self._again_at is not None or self._new_again_at is not None

    def is_due(self) -> bool:
        """Whether the second look at a `cur` that had just changed is due."""
        return self._is_due(self._again_at)

    def stamp(self, seen: Seen, *, whole: bool = True) -> None:
        """Remember what was seen before `new` was read, and `cur` too if the `whole` folder was. A second look at `cur`
        that is still to come is neither put off nor forgotten unless that was read."""
        self._last = seen
        self._new_again_at = self._later() if self._is_young(seen.new, seen.at) else None
        if whole:
            self._again_at = None
        if self._is_young(seen.cur, seen.at):
            self._look_again()

    def stamp_own(self) -> None:
        """Remember the marks after changes of our own, made under the lock. Deliveries into `new` need no lock, so
        `new` stays as it was last read. A program that asks for no lock may have changed `cur` since it was read, and
        long ago by now if a sync has taken long: it is always looked at again."""
        before = self._last
        self._last = self._look_beside(before.new, self._clock())
        if self._last.cur != before.cur or self._is_young(before.cur, before.at):
            self._look_again()

    def knows_new(self) -> bool:
        """Whether `new` is as it was last read, for all that its times show."""
        return self._directory(self._folder.new) == self.last.new

    def stamp_new(self) -> None:
        """Remember `new` as it is now; it is looked at again."""
        self._last = replace(self._last, new=self._directory(self._folder.new))
        self._new_again_at = self._new_again_at or self._later()

    def _look_again(self) -> None:
        if self._again_at is None:
            self._again_at = self._later()

    def _later(self) -> float:
        return self._monotonic() + self._times.again

    def _is_due(self, at: float | None) -> bool:
        return at is not None and self._monotonic() >= at

    def _is_young(self, mark: Mark, at: float) -> bool:
        """Whether a directory had changed so shortly before it was seen that another change may not show: however long
        ago that is by now."""
        return _age(mark, at) < self._times.doubtful

    def _directory(self, path: bytes) -> Mark:
        status = self._files.lstat(path)
        if not stat.S_ISDIR(status.st_mode):
            cause = f"{os.fsdecode(path)!r} is not a directory"
            raise StorageFault("The mail store is not available now", cause=cause)
        return _mark(status)


def _mark(status: os.stat_result | None) -> Mark:
    """The time of the last change is not one that a program can set: with the other alone, `rsync -t` could hide what
    it did."""
    return () if status is None else (status.st_mtime_ns, status.st_ino, status.st_size, status.st_ctime_ns)


def _age(mark: Mark, at: float) -> float:
    """The seconds from a directory's last change, by whichever of its times is the later one, to when it was seen."""
    return at - max(mark[0], mark[3]) / 1_000_000_000 if mark else float("inf")
