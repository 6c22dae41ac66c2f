"""A queued message's octets for the one who sends them: small ones in memory, of others the file, read in a lane."""

from __future__ import annotations

from typing import TypeAlias

from mailbox_d.net.lanes import Lane
from mailbox_d.queue.content import MessageContent
from mailbox_d.queue.message import Queued
from mailbox_d.relay.ports import Content
from mailbox_d.relay.signing import Signing

IN_MEMORY = 65536
"""Octets of a message up to which it is read whole, in one trip with all else that is wanted of it."""


class WholeContent(Content):
    """A message in memory. `signatures`: fields to put in front of it."""

    def __init__(self, octets: bytes, *, is_eight_bit: bool, has_utf8_header: bool, signatures: bytes = b"") -> None:
        self.octets = len(octets)
        self.is_eight_bit = is_eight_bit
        self.has_utf8_header = has_utf8_header
        self.signatures = signatures
        self._whole = octets

    async def read(self, offset: int, length: int) -> bytes:
        return self._whole[offset : offset + length]

    async def close(self) -> None:
        """There is nothing to give back."""


class FileContent(Content):
    """A message in its file, which stays open until `close`."""

    def __init__(self, file: MessageContent, lane: Lane, signatures: bytes = b"") -> None:
        self.octets = file.octets
        self.is_eight_bit = file.is_eight_bit
        self.has_utf8_header = file.has_utf8_header
        self.signatures = signatures
        self._file = file
        self._lane = lane

    async def read(self, offset: int, length: int) -> bytes:
        return await self._lane.run(self._file.read, offset, length)

    async def close(self) -> None:
        """Give the file back."""
        await self._lane.run(self._file.close)


PackedContent: TypeAlias = WholeContent | FileContent


def open_content(file: MessageContent, message: Queued, lane: Lane, signing: Signing) -> PackedContent:
    """Sign a message; read a small one whole and close its file. Blocks. Raises `StorageFault`."""
    try:
        signatures = signing.fields(message, file.octets, file.header(), file.read)
        if file.octets > IN_MEMORY:
            return FileContent(file, lane, signatures)
        whole = file.read(0, file.octets)
    except BaseException:
        file.close()
        raise
    file.close()
    return WholeContent(
        whole, is_eight_bit=file.is_eight_bit, has_utf8_header=file.has_utf8_header, signatures=signatures
    )
