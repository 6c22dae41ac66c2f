"""A queued message's octets, as on the wire, read where they are wanted and held against what was written."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from types import TracebackType
from zlib import crc32

from mailbox_d.errors import StorageFault
from mailbox_d.queue.message_file import DamagedMessage, Top, octets_before, read_top
from mailbox_d.store.files import FileSystem, storage_faults

_FIRST_READ = 8192
"""Octets; most envelopes are smaller, and much of the message comes along."""

_NO_MESSAGE = frozenset({errno.ELOOP, errno.ENXIO, errno.EISDIR, errno.ENOTDIR})
"""What the kernel says of links, devices and sockets in a message's place."""


class MessageContent:
    """A message's file, open. Whoever reads it in order, from its beginning to its end, is told instead of the last
    octets if they are not those that were written. Not safe for threads; blocks; to be closed."""

    def __init__(self, files: FileSystem, path: bytes, damaged: Callable[[str], None] = lambda _: None) -> None:
        """`damaged` is told why, where it is found out from the octets. Raises `DamagedMessage`, `OSError`."""
        self._files = files
        self._damaged = damaged
        self._descriptor = open_entry(files, path)
        try:
            self.top, self._kept = _opened(files, self._descriptor)
        except BaseException:
            files.close(self._descriptor)
            raise
        self.octets = self.top.content.octets
        self.is_eight_bit = self.top.content.is_eight_bit
        self.has_utf8_header = self.top.content.has_utf8_header
        self._checked_to = 0
        self._checksum = 0

    @storage_faults
    def read(self, offset: int, length: int) -> bytes:
        """Up to so many octets; fewer only at the end. Raises `StorageFault`."""
        length = max(min(length, self.octets - offset), 0)
        start = self.top.offset + offset
        piece = self._kept[start : start + length]
        if len(piece) < length:
            piece = self._files.read(self._descriptor, start, length)
        if len(piece) < length:
            raise StorageFault("The message cannot be read now", cause="a queued message's file has become shorter")
        self._check(offset, piece)
        return piece

    def header(self, most: int = 16 * 1024 * 1024) -> bytes:
        """The header with the empty line behind it, or what of it is not too much. Raises `StorageFault`."""
        return self.read(0, min(self.top.content.header_octets, most))

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            self._files.close(descriptor)

    def __enter__(self) -> MessageContent:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check(self, offset: int, piece: bytes) -> None:
        """Go on with the checksum where this piece follows; from the beginning again where somebody begins again."""
        if offset == 0:
            self._checked_to = self._checksum = 0
        if offset != self._checked_to:
            return
        self._checksum = crc32(piece, self._checksum)
        self._checked_to += len(piece)
        if self._checked_to == self.octets and self._checksum != self.top.content.checksum:
            self._damaged("its octets are not what was written")
            raise StorageFault("The message cannot be read now", cause="a queued message is not what was written")


def open_entry(files: FileSystem, path: bytes) -> int:
    """A descriptor of a file, or of a directory or FIFO. Raises `DamagedMessage` for what has none, `OSError`."""
    try:
        return files.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in _NO_MESSAGE:
            raise DamagedMessage("it is no file") from error
        raise


def _opened(files: FileSystem, descriptor: int) -> tuple[Top, bytes]:
    """What the file is of, and its beginning."""
    status = files.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise DamagedMessage("it is no file")
    beginning = files.read(descriptor, 0, _FIRST_READ)
    top = read_top(beginning, status.st_size)
    if top is None:
        beginning = files.read(descriptor, 0, octets_before(beginning))
        top = read_top(beginning, status.st_size)
    if top is None:
        raise DamagedMessage("the file has become shorter")
    return top, beginning[: max(_FIRST_READ, top.offset)]
