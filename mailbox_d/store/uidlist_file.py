"""`dovecot-uidlist` on disk: read on when it grew, read again when it was replaced, appended to, or replaced whole.

It is never edited in place: other programs notice a new inode or a greater size, nothing else. All of this happens
under the folder's lock.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from mailbox_d.store.files import FileSystem, forget, write_new
from mailbox_d.store.folder import Folder
from mailbox_d.store.uidlist import Header, Lines, format_header, format_lines, parse, parse_lines

_SAMPLE = 128


class Found(Enum):
    """What a look at the file gave."""

    MISSING = "missing"
    SAME = "same"
    GROWN = "grown"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a look at the file gave: with `GROWN` the further lines, with `REPLACED` the header and all lines.

    `torn` says that the last line has no end: the file must be replaced before anything is appended.
    """

    found: Found
    header: Header
    lines: Lines
    torn: bool = False


class UidListFile:
    """One folder's list, and how far it has been read."""

    def __init__(self, files: FileSystem, folder: Folder, octets_max: int) -> None:
        self._files = files
        self._folder = folder
        self._octets_max = octets_max
        self._identity = (0, 0)
        self._sample = (b"", b"")
        self._end = 0
        self._highest = 0

    def read(self) -> Reading:
        """Read what is new since the last look."""
        try:
            descriptor = self._files.open(self._folder.uidlist, os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            self._identity = (0, 0)
            return Reading(Found.MISSING, Header(), Lines())
        try:
            status = self._files.fstat(descriptor)
            if (status.st_dev, status.st_ino) != self._identity or self._take_sample(descriptor) != self._sample:
                return self._read_whole(descriptor, status)
            return self._read_on(descriptor, status.st_size)
        finally:
            self._files.close(descriptor)

    def append(self, lines: Iterable[tuple[int, bytes]]) -> None:
        """Add lines of UID and base name, durable. Only after a `read` that was not torn."""
        numbered = list(lines)
        content = format_lines((uid, b"", base) for uid, base in numbered)
        descriptor = self._files.open(self._folder.uidlist, os.O_RDWR | os.O_APPEND)
        try:
            self._files.write(descriptor, content)
            self._files.fsync(descriptor)
            self._advance(descriptor, self._end + len(content), numbered[-1][0])
        finally:
            self._files.close(descriptor)

    def replace(self, header: Header, lines: Iterable[tuple[int, bytes, bytes]]) -> None:
        """Write the list anew, with (UID, extensions, base name), UIDs ascending."""
        content = format_header(header) + format_lines(lines)
        temporary = self._folder.path + b"/dovecot-uidlist.tmp"
        forget(self._files, temporary)
        status = write_new(self._files, temporary, content)
        self._files.rename(temporary, self._folder.uidlist)
        self._files.fsync_directory(self._folder.path)
        self._identity = (status.st_dev, status.st_ino)
        self._end, self._highest = len(content), header.next_uid - 1
        self._sample = content[:_SAMPLE], content[-_SAMPLE:]

    def _read_whole(self, descriptor: int, status: os.stat_result) -> Reading:
        content = self._files.read(descriptor, 0, min(status.st_size, self._octets_max))
        header, lines = parse(content)
        self._identity = (status.st_dev, status.st_ino)
        self._advance(descriptor, content.rfind(b"\n") + 1, lines.highest)
        return Reading(Found.REPLACED, header, lines, torn=self._end != status.st_size or not content)

    def _read_on(self, descriptor: int, size: int) -> Reading:
        content = self._files.read(descriptor, self._end, min(size - self._end, self._octets_max))
        complete = content[: content.rfind(b"\n") + 1]
        lines = parse_lines(complete, self._highest)
        self._advance(descriptor, self._end + len(complete), max(self._highest, lines.highest))
        found = Found.GROWN if complete else Found.SAME
        return Reading(found, Header(), lines, torn=self._end != size)

    def _advance(self, descriptor: int, end: int, highest: int) -> None:
        self._end, self._highest = end, highest
        self._sample = self._take_sample(descriptor)

    def _take_sample(self, descriptor: int) -> tuple[bytes, bytes]:
        """The first and the last octets of what was read: a file made anew may have the inode of the one before."""
        start = max(0, self._end - _SAMPLE)
        first = self._files.read(descriptor, 0, min(self._end, _SAMPLE))
        return first, self._files.read(descriptor, start, self._end - start)
