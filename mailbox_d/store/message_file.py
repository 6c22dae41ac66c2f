"""A message's file, read as wire octets by offset.

Only regular files are read. Small ones are read at once; of others a block at a time is held, with a note of where
each block begins on the wire.
"""

from __future__ import annotations

import os
import stat
from bisect import bisect_right
from collections.abc import Iterator

from mailbox_d.errors import StorageFault
from mailbox_d.store.filename import disk_size, wire_size
from mailbox_d.store.files import FileSystem
from mailbox_d.store.newline import count_wire, to_wire
from mailbox_d.store.ports import WireReader

BLOCK = 64 * 1024
"""Octets read at once; their wire form is at most twice that."""


def open_message(files: FileSystem, path: bytes, base: bytes) -> WireReader:
    """Open a message. Raises `FileNotFoundError`, other `OSError`, `StorageFault` for what is no regular file."""
    descriptor, octets = _open_regular(files, path)
    try:
        reader = _reader(files, descriptor, octets, base)
    except BaseException:
        files.close(descriptor)
        raise
    if isinstance(reader, HeldMessage):
        files.close(descriptor)
    return reader


def measure(files: FileSystem, path: bytes) -> int:
    """The wire size of a message whose name does not tell. Raises as `open_message`."""
    return measure_both(files, path)[1]


def measure_both(files: FileSystem, path: bytes) -> tuple[int, int]:
    """The size of a message's file, and its size on the wire, whatever its name tells. Raises as `open_message`."""
    descriptor, octets = _open_regular(files, path)
    try:
        return octets, _count(files, descriptor, octets)
    finally:
        files.close(descriptor)


def _open_regular(files: FileSystem, path: bytes) -> tuple[int, int]:
    """A file's descriptor, and its size."""
    descriptor = files.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        status = files.fstat(descriptor)
    except BaseException:
        files.close(descriptor)
        raise
    if stat.S_ISREG(status.st_mode):
        return descriptor, status.st_size
    files.close(descriptor)
    raise StorageFault("The message cannot be read now", cause=f"{os.fsdecode(path)!r} is not a regular file")


def _reader(files: FileSystem, descriptor: int, octets: int, base: bytes) -> WireReader:
    is_wire_form = disk_size(base) == wire_size(base) == octets
    if octets <= BLOCK:
        content = files.read(descriptor, 0, octets)
        return HeldMessage(content if is_wire_form else to_wire(content, False))
    if is_wire_form:
        return FileMessage(files, descriptor, octets, octets, converts=False)
    size = wire_size(base) if disk_size(base) == octets else None
    return FileMessage(files, descriptor, octets, size or _count(files, descriptor, octets), converts=True)


def _count(files: FileSystem, descriptor: int, octets: int) -> int:
    total, after_cr = 0, False
    for offset in range(0, octets, BLOCK):
        block = files.read(descriptor, offset, BLOCK)
        total += count_wire(block, after_cr)
        after_cr = block.endswith(b"\r")
    return total


class HeldMessage(WireReader):
    """A message that is held in memory."""

    def __init__(self, wire: bytes) -> None:
        self._wire = wire
        self.size = len(wire)

    def read(self, offset: int, length: int) -> bytes:
        return self._wire[offset : offset + length]

    def chunks(self, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        end = self.size if length is None else min(self.size, offset + length)
        for start in range(offset, end, BLOCK):
            yield self._wire[start : min(end, start + BLOCK)]

    def close(self) -> None:
        self._wire = b""


class FileMessage(WireReader):
    """A message that is read from its file, block by block; `converts` says that each LF goes out as CRLF."""

    def __init__(self, files: FileSystem, descriptor: int, octets: int, size: int, *, converts: bool) -> None:
        self.size = size
        self._files = files
        self._descriptor: int | None = descriptor
        self._converts = converts
        self._octets = octets
        self._last = (octets - 1) // BLOCK
        self._starts = [0]
        self._after_cr = [False]
        self._held = (-1, b"")

    def read(self, offset: int, length: int) -> bytes:
        return b"".join(self.chunks(offset, length))

    def chunks(self, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        end = self.size if length is None else min(self.size, offset + length)
        index = bisect_right(self._starts, offset) - 1
        while offset < end:
            wire = self._block(index)
            start = self._starts[index]
            piece = wire[max(0, offset - start) : end - start]
            offset += len(piece)
            index += 1
            if piece:
                yield piece

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        self._held = (-1, b"")
        if descriptor is not None:
            self._files.close(descriptor)

    def __del__(self) -> None:
        self.close()

    def _block(self, index: int) -> bytes:
        """The wire octets of one block of the file; all blocks before it were read before."""
        if self._held[0] == index:
            return self._held[1]
        content = self._content(index)
        wire = to_wire(content, self._after_cr[index]) if self._converts else content
        end = self._starts[index] + len(wire)
        if (end != self.size) if index == self._last else (end > self.size):
            raise StorageFault("The message cannot be read now", cause="its name tells a wrong size")
        if index == len(self._starts) - 1 and index < self._last:
            self._starts.append(end)
            self._after_cr.append(content.endswith(b"\r"))
        self._held = (index, wire)
        return wire

    def _content(self, index: int) -> bytes:
        if self._descriptor is None:
            raise ValueError("The message is closed")
        length = min(BLOCK, self._octets - index * BLOCK)
        try:
            content = self._files.read(self._descriptor, index * BLOCK, length)
        except OSError as error:
            raise StorageFault("The message cannot be read now", cause=str(error)) from error
        if len(content) != length:
            raise StorageFault("The message cannot be read now", cause="the file became shorter")
        return content
