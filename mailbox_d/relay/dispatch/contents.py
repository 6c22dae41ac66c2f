"""A queued message's octets for the one who sends them: small ones in memory, of others the file, read in a lane."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailbox_d.net.lanes import Lane
from mailbox_d.queue.content import MessageContent
from mailbox_d.queue.message import Queued
from mailbox_d.relay.ports import Content
from mailbox_d.relay.signing.signatures import Signing

_TLS_OPTIONAL = re.compile(rb"^TLS-Required:[ \t]*No[ \t]*\r$", re.IGNORECASE | re.MULTILINE)

IN_MEMORY = 65536
"""Octets of a message up to which it is read whole, in one trip with all else that is wanted of it."""


@dataclass(frozen=True, slots=True)
class Top:
    """What follows from a message's header. `signatures`: fields to put in front of it; `tls_optional`: its sender
    wants it to arrive rather than be secured (RFC 8689 section 5)."""

    signatures: bytes = b""
    tls_optional: bool = False


class PackedContent(Content):
    """A message as an attempt sends it. `seven_bit`: the same in 7 bits, from when a server wanted that on, and closed
    with it."""

    top: Top
    seven_bit: PackedContent | None = None

    async def close(self) -> None:
        """Give back what is held."""
        copy, self.seven_bit = self.seven_bit, None
        if copy is not None:
            await copy.close()


class WholeContent(PackedContent):
    """A message in memory."""

    def __init__(self, octets: bytes, *, is_eight_bit: bool, has_utf8_header: bool, top: Top = Top()) -> None:
        self.octets = len(octets)
        self.is_eight_bit = is_eight_bit
        self.has_utf8_header = has_utf8_header
        self.top = top
        self.whole = octets

    async def read(self, offset: int, length: int) -> bytes:
        return self.whole[offset : offset + length]


class FileContent(PackedContent):
    """A message in its file, which stays open until `close`."""

    def __init__(self, file: MessageContent, lane: Lane, top: Top) -> None:
        self.octets = file.octets
        self.is_eight_bit = file.is_eight_bit
        self.has_utf8_header = file.has_utf8_header
        self.top = top
        self._file = file
        self._lane = lane

    async def read(self, offset: int, length: int) -> bytes:
        return await self._lane.run(self._file.read, offset, length)

    async def close(self) -> None:
        """Give the file back."""
        await self._lane.run(self._file.close)
        await super().close()


def open_content(file: MessageContent, message: Queued, lane: Lane, signing: Signing) -> PackedContent:
    """Sign a message; read a small one whole and close its file. Blocks. Raises `StorageFault`."""
    try:
        header = file.header()
        top = Top(signing.fields(message, file.octets, header, file.read), _TLS_OPTIONAL.search(header) is not None)
        if file.octets > IN_MEMORY:
            return FileContent(file, lane, top)
        whole = file.read(0, file.octets)
    except BaseException:
        file.close()
        raise
    file.close()
    return WholeContent(whole, is_eight_bit=file.is_eight_bit, has_utf8_header=file.has_utf8_header, top=top)
