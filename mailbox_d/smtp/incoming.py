"""A message as it comes in behind DATA: counted, scanned and written piece by piece."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from secrets import token_hex

from twisted.internet.defer import Deferred

from mailbox_d.errors import MailError
from mailbox_d.mime.header import HeaderScanner
from mailbox_d.net.lanes import Lane
from mailbox_d.store.ports import Delivery, Outcome
from mailbox_d.wire.smtp.replies import Reply

BATCH = 32768
"""Octets gathered before they are written: small messages take one trip to a thread, memory stays bounded."""

LARGE_BATCH = 262144
"""The same for a message that has proved to be large, while there is room: fewer trips, a fifth more throughput."""

LARGE_MESSAGE = 1 << 20
"""Octets after which a message is large."""

_FIELDS = ("from", "message-id", "received", "delivered-to")


def new_identifier() -> str:
    """Names a message in its Received field, in the reply, in the log and in the record."""
    return token_hex(6).upper()


class BatchRoom:
    """The memory that large messages share for large batches, whoever sends them: others keep to small ones."""

    def __init__(self, octets: int) -> None:
        """`octets`: for all together; each takes two batches, one gathered and one being written."""
        self._free = octets // (2 * LARGE_BATCH)

    def take(self) -> bool:
        """Whether there is room for one more; it must be given back."""
        if self._free <= 0:
            return False
        self._free -= 1
        return True

    def give_back(self) -> None:
        self._free += 1


class IncomingMessage:
    """Takes a message's octets; what was refused is counted on and written no more.

    One batch is written while the next is gathered, so that the disk and the network work at the same time.
    """

    def __init__(self, identifier: str, begin: Callable[[], Delivery], lane: Lane, room: BatchRoom) -> None:
        """`begin` begins the delivery; it blocks, and may raise `MailError`."""
        self.identifier = identifier
        self.size = 0
        self.header = HeaderScanner(_FIELDS)
        self.refusal: Reply | None = None
        self.cause = ""
        """Why it was refused, for the record."""
        self._begin = begin
        self._lane = lane
        self._room = room
        self._batch_size = BATCH
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
        if self._gathered >= self._batch_size:
            await self._settle()
            self._writing = Deferred.fromCoroutine(self._lane.run(self._write, self._batch()))
            self._take_room()

    async def refuse(self, reply: Reply, cause: str = "") -> None:
        """The message will be answered with `reply`; nothing of it stays."""
        if self.refusal is None:
            self.refusal = reply
            self.cause = cause
            await self.abort()

    async def commit(self, *, all_or_nothing: bool) -> tuple[Outcome, ...]:
        """Make the message durable in every mailbox. Raises `StorageFull`, `StorageFault`."""
        self._give_back_room()
        await self._settle()
        return await self._lane.run(self._commit, self._batch(), all_or_nothing)

    async def abort(self) -> None:
        """Leave nothing behind."""
        self._give_back_room()
        self._pieces.clear()
        with suppress(MailError):
            await self._settle()
        if self._delivery is not None:
            await self._lane.run(self._delivery.abort)

    def _take_room(self) -> None:
        if self._batch_size == BATCH and self.size >= LARGE_MESSAGE and self._room.take():
            self._batch_size = LARGE_BATCH

    def _give_back_room(self) -> None:
        if self._batch_size == LARGE_BATCH:
            self._batch_size = BATCH
            self._room.give_back()

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
            self._delivery = self._begin()
        self._delivery.write(octets)
        return self._delivery

    def _commit(self, octets: bytes, all_or_nothing: bool) -> tuple[Outcome, ...]:
        return self._write(octets).commit(all_or_nothing=all_or_nothing)
