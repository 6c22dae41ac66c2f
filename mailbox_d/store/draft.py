"""A message under way: in memory while it is small, in a file in `tmp` when it is not; then made into whole files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mailbox_d.errors import MailError
from mailbox_d.store.disk import Disk
from mailbox_d.store.files import forget, storage_fault
from mailbox_d.store.folder import Folder, require_folder
from mailbox_d.store.newline import faithful
from mailbox_d.store.spool import Spool


@dataclass(frozen=True, slots=True)
class Staged:
    """A whole and durable file in a folder's `tmp`, with its sizes on disk and on the wire."""

    path: bytes
    octets: int
    wire_octets: int


class Draft:
    """The octets of one message as they come; `stage` makes files of it. Every method may raise `OSError`.

    `hosts` are the folders in whose `tmp` a large message may be kept while it comes, behind `header`.
    """

    def __init__(self, disk: Disk, hosts: Sequence[Folder], header: bytes = b"") -> None:
        self._disk = disk
        self._hosts = hosts
        self._header = header
        self._pieces: list[bytes] = []
        self._held_octets = 0
        self._spool: Spool | None = None
        self._spool_is_staged = False
        self._in_tmp: set[bytes] = set()

    def write(self, data: bytes) -> None:
        """Take the next piece."""
        if self._spool is not None:
            self._spool.write(data)
            return
        self._pieces.append(bytes(data))
        self._held_octets += len(data)
        if self._held_octets > self._disk.settings.hold:
            held, self._pieces = b"".join(self._pieces), []
            self._spool = self._open_spool()
            self._spool.write(held)

    def stage(self, folder: Folder, header: bytes = b"", modified: float | None = None) -> Staged:
        """Make a durable file of header and message in the folder's `tmp`."""
        spool = self._spool
        if spool is not None and not self._spool_is_staged and (spool.folder, spool.header) == (folder, header):
            self._spool_is_staged = True
            self._in_tmp.add(spool.path)
            spool.finish()
            self._make_durable(spool.descriptor, modified)
            return Staged(spool.path, spool.octets, spool.wire_octets)
        require_folder(self._disk.files, folder)
        path = folder.tmp + b"/" + self._disk.unique.bare()
        descriptor = self._disk.files.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        self._in_tmp.add(path)
        try:
            octets, wire_octets = self._write_copy(descriptor, header)
            self._make_durable(descriptor, modified)
        finally:
            self._disk.files.close(descriptor)
        return Staged(path, octets, wire_octets)

    def link(self, staged: Staged, folder: Folder) -> Staged:
        """The same file once more, in another folder's `tmp`."""
        require_folder(self._disk.files, folder)
        path = folder.tmp + b"/" + self._disk.unique.bare()
        self._disk.files.link(staged.path, path)
        self._in_tmp.add(path)
        return Staged(path, staged.octets, staged.wire_octets)

    def publish(self, staged: Staged, destination: bytes) -> None:
        """Make a staged file visible under its own name."""
        self._disk.files.rename(staged.path, destination)
        self._in_tmp.discard(staged.path)

    def discard(self) -> None:
        """Remove what is left in `tmp`; harmless when called again."""
        spool, self._spool = self._spool, None
        if spool is not None:
            if self._spool_is_staged:
                spool.close()
            else:
                spool.discard()
        for path in self._in_tmp:
            forget(self._disk.files, path)
        self._in_tmp = set()
        self._pieces = []

    def _open_spool(self) -> Spool:
        """Begin the file with the first host that takes it: one unusable Maildir is not every recipient's fault."""
        fault: MailError | OSError = MailError("The message has no recipient")
        for folder in self._hosts:
            try:
                require_folder(self._disk.files, folder)
                return Spool(self._disk, folder, self._header)
            except (MailError, OSError) as error:
                fault = error
        raise fault if isinstance(fault, MailError) else storage_fault(fault)

    def _write_copy(self, descriptor: int, header: bytes) -> tuple[int, int]:
        """Write header and message; how many octets that were, on disk and on the wire."""
        if self._spool is None:
            wire = header + b"".join(self._pieces)
            content = self._text_of(wire)
            self._disk.files.write(descriptor, content)
            return len(content), len(wire)
        text = None if self._spool.wire_form else faithful(header)
        body = self._spool.body(as_wire=text is None)
        octets = self._write_all(descriptor, header if text is None else text, body)
        return octets, self._spool.wire_octets - len(self._spool.header) + len(header)

    def _text_of(self, wire: bytes) -> bytes:
        """The octets to keep of a whole message."""
        text = None if self._disk.settings.newline == "crlf" else faithful(wire)
        return wire if text is None else text

    def _write_all(self, descriptor: int, top: bytes, blocks: Iterable[bytes]) -> int:
        self._disk.files.write(descriptor, top)
        octets = len(top)
        for block in blocks:
            self._disk.files.write(descriptor, block)
            octets += len(block)
        return octets

    def _make_durable(self, descriptor: int, modified: float | None) -> None:
        if modified is not None:
            self._disk.files.utime(descriptor, modified)
        self._disk.files.fsync(descriptor)
