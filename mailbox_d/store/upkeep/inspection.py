"""What a folder holds in one moment: taken under its lock, looked at without."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from mailbox_d.errors import NoSuchMailbox
from mailbox_d.store.disk import Disk
from mailbox_d.store.filename import split_name
from mailbox_d.store.files import find, read_whole
from mailbox_d.store.folder import PARTS, Folder
from mailbox_d.store.uidlist import Header, Lines, parse

_KEYWORDS_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Named:
    """A file among the messages: its name, the base and the letters in it, and where it lies."""

    name: bytes
    base: bytes
    letters: bytes
    path: bytes
    is_new: bool


@dataclass(frozen=True)
class Inspection:
    """A folder's files as names, and what its list and its keywords say; None for a file that is not there."""

    folder: Folder
    content: bytes | None
    keywords: bytes | None
    new: tuple[bytes, ...]
    cur: tuple[bytes, ...]
    files: tuple[Named, ...] = field(init=False)
    """Without hidden ones, which are no messages; those in `cur` first."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", tuple(self._named()))

    @cached_property
    def parsed(self) -> tuple[Header, Lines]:
        return parse(self.content or b"")

    @property
    def header(self) -> Header:
        return self.parsed[0]

    @property
    def lines(self) -> Lines:
        return self.parsed[1]

    @cached_property
    def by_base(self) -> Mapping[bytes, Named]:
        """The file of each base name; of two, the first."""
        found: dict[bytes, Named] = {}
        for each in self.files:
            found.setdefault(each.base, each)
        return found

    @property
    def uid_next(self) -> int:
        return max(self.header.next_uid, self.lines.highest + 1)

    def _named(self) -> Iterator[Named]:
        for names, directory, is_new in ((self.cur, self.folder.cur, False), (self.new, self.folder.new, True)):
            for name in names:
                if name[:1] != b".":
                    yield Named(name, *split_name(name), directory + b"/" + name, is_new)


def inspect(disk: Disk, folder: Folder) -> Inspection:
    """Look at a folder that has its parts, under its lock. Raises `MailboxBusy`, `OSError`, `StorageFault`.

    Another program may remove the folder, lock and all, and make another one while we look: what was seen then is of
    neither of them.
    """
    with disk.locks.hold(folder) as lock:
        seen = look(disk, folder)
        lock.check()
        return seen


def look(disk: Disk, folder: Folder) -> Inspection:
    """Look at a folder whose lock the caller holds, or that nobody changes. Raises `OSError`."""
    return Inspection(
        folder=folder,
        content=content_of(disk, folder.uidlist, disk.settings.uidlist_octets_max),
        keywords=content_of(disk, folder.keywords, _KEYWORDS_MAX),
        new=tuple(disk.files.names(folder.new)),
        cur=tuple(disk.files.names(folder.cur)),
    )


def content_of(disk: Disk, path: bytes, limit: int) -> bytes | None:
    """A small file's octets, None where there is none. Raises `OSError`, which names the file whatever it is."""
    try:
        return read_whole(disk.files, path, limit)
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno or 0), os.fsdecode(path)) from error


def missing_parts(disk: Disk, folder: Folder) -> tuple[list[bytes], list[bytes]]:
    """The paths of parts that are not there, and of those that are something else than a directory.

    Raises `NoSuchMailbox` where the folder was removed or replaced meanwhile.
    """
    before = identity(disk, folder)
    found = {folder.path + b"/" + part: find(disk.files, folder.path + b"/" + part) for part in PARTS}
    if before is None or identity(disk, folder) != before:
        raise NoSuchMailbox("There is no such mailbox any more")
    missing = [path for path, status in found.items() if status is None]
    wrong = [path for path, status in found.items() if status is not None and not stat.S_ISDIR(status.st_mode)]
    return missing, wrong


def identity(disk: Disk, folder: Folder) -> tuple[int, int] | None:
    """By which a folder is told from another one of its name; None where there is none."""
    status = find(disk.files, folder.path)
    return None if status is None else (status.st_dev, status.st_ino)


def is_plain(status: os.stat_result) -> bool:
    """Whether a file is one that can be a message."""
    return stat.S_ISREG(status.st_mode)
