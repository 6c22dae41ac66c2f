"""A message on its way into the queue: in memory while it is small, else in a file in `tmp`; then under its name."""

from __future__ import annotations

import os
from zlib import crc32

from mailbox_d.queue.folders import Folders
from mailbox_d.queue.message_file import TOP_OCTETS, Content, first_line
from mailbox_d.store.files import forget

_HEADER_END = b"\r\n\r\n"


class ContentCount:
    """Finds out about a message's octets, as they come, what its file's first line says."""

    def __init__(self) -> None:
        self._octets = 0
        self._checksum = 0
        self._header_octets = -1
        self._tail = b""
        self._is_eight_bit = [False, False]
        """The header, the body."""

    def add(self, octets: bytes) -> None:
        self._checksum = crc32(octets, self._checksum)
        body = octets if self._header_octets >= 0 else self._rest_of_header(octets)
        self._octets += len(octets)
        if body and not self._is_eight_bit[1]:
            self._is_eight_bit[1] = not body.isascii()

    def content(self) -> Content:
        header_octets = self._octets if self._header_octets < 0 else self._header_octets
        return Content(self._octets, self._checksum, header_octets, *self._is_eight_bit)

    def _rest_of_header(self, octets: bytes) -> bytes:
        """Look at what belongs to the header; the rest, which does not."""
        joined = self._tail + octets
        end = joined.find(_HEADER_END)
        length = len(octets) if end < 0 else end + len(_HEADER_END) - len(self._tail)
        if end >= 0:
            self._header_octets = self._octets + length
        self._tail = joined[-3:]
        header = octets[:length]
        self._is_eight_bit[0] = self._is_eight_bit[0] or not header.isascii()
        return octets[length:]


class DraftFile:
    """The file of one message that comes; `envelope` is its envelope's line. Every method may raise `OSError`."""

    def __init__(self, folders: Folders, identifier: str, envelope: bytes, header: bytes, hold: int) -> None:
        """`hold`: octets of the message that are kept in memory."""
        self._identifier = identifier
        self._folders = folders
        self._files = folders.files
        self._envelope = envelope
        self._hold = hold
        self._count = ContentCount()
        self._pieces: list[bytes] = []
        self._held = 0
        self._path = b""
        self._descriptor = -1
        self.write(header)

    def write(self, octets: bytes) -> None:
        """Take the next piece."""
        self._count.add(octets)
        if self._descriptor >= 0:
            self._files.write(self._descriptor, octets)
            return
        self._pieces.append(bytes(octets))
        self._held += len(octets)
        if self._held > self._hold:
            self._open()
            held, self._pieces = self._pieces, []
            self._files.write(self._descriptor, b"".join([bytes(TOP_OCTETS), self._envelope, *held]))

    def publish(self, destination: bytes) -> Content:
        """Make the file whole and durable under a name that nothing has, where its entry is not durable yet. Raises
        `FileExistsError` where something has it."""
        content = self._count.content()
        top = first_line(self._envelope, content)
        if self._descriptor >= 0:
            self._write_top(top)
        else:
            self._open()
            self._files.write(self._descriptor, b"".join([top, self._envelope, *self._pieces]))
        self._files.fsync(self._descriptor)
        self._close()
        self._files.rename_new(self._path, destination)
        self._path = b""
        self._pieces = []
        return content

    def discard(self) -> None:
        """Remove what is left; harmless when called again."""
        self._close()
        path, self._path = self._path, b""
        if path:
            forget(self._files, path)
        self._pieces = []

    def _open(self) -> None:
        self._path = self._folders.in_tmp(self._identifier)
        try:
            self._descriptor = self._files.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except OSError:
            self._path = b""
            raise

    def _write_top(self, top: bytes) -> None:
        """Only now is known what the first line says: a descriptor that begins there writes it."""
        descriptor = self._files.open(self._path, os.O_WRONLY)
        try:
            self._files.write(descriptor, top)
        finally:
            self._files.close(descriptor)

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            self._files.close(descriptor)
