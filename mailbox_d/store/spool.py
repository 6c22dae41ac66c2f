"""The file in `tmp` that takes a message too large for memory while it comes.

Line ends are turned into the file's as the octets come. Should it turn out later that the message must be kept in its
wire form (see `newline.py`), the file is begun again from what it holds: until then it gives back every octet.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from mailbox_d.store.disk import Disk
from mailbox_d.store.files import forget
from mailbox_d.store.folder import Folder
from mailbox_d.store.newline import LineEndEncoder, faithful, to_wire

_BLOCK = 256 * 1024


class Spool:
    """A header and what follows it, in a new file of a folder's `tmp`. Every method may raise `OSError`."""

    def __init__(self, disk: Disk, folder: Folder, header: bytes) -> None:
        self.folder = folder
        self.header = header
        self.wire_octets = len(header)
        self.path = b""
        self.descriptor = -1
        self.octets = 0
        self.wire_form = False
        self._disk = disk
        self._encoder = LineEndEncoder()
        text = None if disk.settings.newline == "crlf" else faithful(header)
        self._begin(wire_form=text is None)
        try:
            self._put(header if text is None else text)
        except OSError:
            self.discard()
            raise
        self._header_octets = self.octets

    def write(self, wire: bytes) -> None:
        """Add the next piece."""
        content = wire if self.wire_form else self._encoder.feed(wire)
        if content is None:
            self._begin_again()
            content = wire
        self._put(content)
        self.wire_octets += len(wire)

    def finish(self) -> None:
        """Write what was held back for the octet after it. Nothing may be written after this."""
        held, self._encoder = self._encoder.held, LineEndEncoder()
        self._put(held)

    def body(self, *, as_wire: bool) -> Iterator[bytes]:
        """What follows the header, as it lies in the file or as it was on the wire."""
        return self._blocks(self._header_octets, as_wire=as_wire and not self.wire_form)

    def close(self) -> None:
        """Give the descriptor back; the file stays."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            self._disk.files.close(descriptor)

    def discard(self) -> None:
        """Give the descriptor back and remove the file."""
        self.close()
        forget(self._disk.files, self.path)

    def _begin(self, *, wire_form: bool) -> None:
        self.path = self.folder.tmp + b"/" + self._disk.unique.bare()
        self.descriptor = self._disk.files.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        self.octets = 0
        self.wire_form = wire_form
        self._encoder = LineEndEncoder()

    def _begin_again(self) -> None:
        """Start a file in wire form with all that was written so far."""
        before, path, held = self.descriptor, self.path, self._encoder.held
        blocks = self._blocks(0, as_wire=True)
        try:
            self._begin(wire_form=True)
            for block in blocks:
                self._put(block)
            self._put(held)
        finally:
            if self.descriptor != before:
                self._disk.files.close(before)
                forget(self._disk.files, path)
        self._header_octets = len(self.header)

    def _blocks(self, offset: int, *, as_wire: bool) -> Iterator[bytes]:
        return _read_blocks(self._disk, self.descriptor, offset, as_wire)

    def _put(self, content: bytes) -> None:
        if content:
            self._disk.files.write(self.descriptor, content)
            self.octets += len(content)


def _read_blocks(disk: Disk, descriptor: int, offset: int, as_wire: bool) -> Iterator[bytes]:
    after_cr = False
    while block := disk.files.read(descriptor, offset, _BLOCK):
        yield to_wire(block, after_cr) if as_wire else block
        after_cr = block.endswith(b"\r")
        offset += len(block)
