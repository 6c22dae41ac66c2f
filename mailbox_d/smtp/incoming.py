"""A message as it comes in behind DATA: counted, scanned and written piece by piece."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from twisted.internet.defer import Deferred

from mailbox_d.errors import MailError
from mailbox_d.mime.header import HeaderScanner
from mailbox_d.net.lanes import Lane
from mailbox_d.store.ports import Block, Delivery, Outcome, Store
from mailbox_d.wire.smtp.replies import Reply

BATCH = 32768
"""Octets gathered before they are written: small messages take one trip to a thread, memory stays bounded."""

_FIELDS = ("from", "received")


class IncomingMessage:
    """Takes a message's octets; what was refused is counted on and written no more.

    One batch is written while the next is gathered, so that the disk and the network work at the same time.
    """

    def __init__(self, identifier: str, store: Store, lane: Lane, blocks: Sequence[Block]) -> None:
        self.identifier = identifier
        self.size = 0
        self.header = HeaderScanner(_FIELDS)
        self.refusal: Reply | None = None
        self._store = store
        self._lane = lane
        self._blocks = blocks
        self._pieces: list[bytes] = []
        self._gathered = 0
        self._delivery: Delivery | None = None
        self._writing: Deferred[Delivery] | None = None

    async def take(self, octets: bytes) -> None:
        """Take the next octets. Raises `StorageFull`, `StorageFault`; the message is then only good for abort."""
        self.size += len(octets)
        if self.refusal is not None:
            return
        self.header.feed(octets)
        self._pieces.append(octets)
        self._gathered += len(octets)
        if self._gathered >= BATCH:
            await self._settle()
            self._writing = Deferred.fromCoroutine(self._lane.run(self._write, self._batch()))

    async def refuse(self, reply: Reply) -> None:
        """The message will be answered with `reply`; nothing of it stays."""
        if self.refusal is None:
            self.refusal = reply
            await self.abort()

    async def commit(self, *, all_or_nothing: bool) -> tuple[Outcome, ...]:
        """Make the message durable in every mailbox. Raises `StorageFull`, `StorageFault`."""
        await self._settle()
        return await self._lane.run(self._commit, self._batch(), all_or_nothing)

    async def abort(self) -> None:
        """Leave nothing behind."""
        self._pieces.clear()
        with suppress(MailError):
            await self._settle()
        if self._delivery is not None:
            await self._lane.run(self._delivery.abort)

    async def _settle(self) -> None:
        """Wait for the batch that is being written. Raises what kept it from the disk."""
        writing, self._writing = self._writing, None
        if writing is not None:
            await writing

    def _batch(self) -> bytes:
        octets = b"".join(self._pieces)
        self._pieces.clear()
        self._gathered = 0
        return octets

    def _write(self, octets: bytes) -> Delivery:
        if self._delivery is None:
            self._delivery = self._store.deliver(self._blocks)
        self._delivery.write(octets)
        return self._delivery

    def _commit(self, octets: bytes, all_or_nothing: bool) -> tuple[Outcome, ...]:
        return self._write(octets).commit(all_or_nothing=all_or_nothing)
