"""Converts messages to 7 bits, in a lane: a small one in memory, of others one copy on disk for all who send it.

The work is Python's and takes seconds for a large message. So that the reactor gets the interpreter meanwhile, it
sleeps for a moment after each piece.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mailbox_d.errors import StorageFault
from mailbox_d.mime.decode import Read
from mailbox_d.mime.seven_bit import converted
from mailbox_d.mime.structure import MimeLimits
from mailbox_d.net.lanes import Lane
from mailbox_d.queue.content import MessageContent
from mailbox_d.queue.message import Queued
from mailbox_d.relay.dispatch.contents import PackedContent, Top, WholeContent
from mailbox_d.relay.dispatch.scratch import Scratch
from mailbox_d.relay.signing.signatures import Signing, header_of

OpenMessage = Callable[[str], MessageContent | None]
"""A message of the queue, to be closed; None where there is none. Blocks. Raises `StorageFault`."""

WORK_SECONDS, SLEEP_SECONDS = 0.002, 0.001
"""After so much work so long a sleep: the reactor waits no longer for the interpreter than a piece takes."""

_BLOCK = 65536
_HEADER_END = b"\r\n\r\n"


class Copy:
    """A message in 7 bits, in a file, for some attempts at once. Belongs to the reactor's thread."""

    def __init__(self) -> None:
        self.holders = 0
        self.waiting: list[Deferred[None]] = []
        """Who is told when it is made."""
        self.file: Scratch | None = None
        self.top = Top()


class CopyContent(PackedContent):
    """A share in a copy. `give_back` is called once, by `close`."""

    is_eight_bit = has_utf8_header = False

    def __init__(self, file: Scratch, top: Top, lane: Lane, give_back: Callable[[], Awaitable[None]]) -> None:
        self.octets = file.octets
        self.top = top
        self._file = file
        self._lane = lane
        self._give_back: Callable[[], Awaitable[None]] | None = give_back

    async def read(self, offset: int, length: int) -> bytes:
        return await self._lane.run(self._file.read, offset, length)

    async def close(self) -> None:
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            await give_back()


class Conversion:
    """`work`: the lane for conversions, as wide as may be under way at a time; `disk`: that for reading copies;
    `new_scratch` makes a file for one, blocking."""

    def __init__(
        self,
        limits: MimeLimits,
        signing: Signing,
        open_message: OpenMessage,
        new_scratch: Callable[[], Scratch],
        *,
        work: Lane,
        disk: Lane,
    ) -> None:
        self._limits = limits
        self._signing = signing
        self._open_message = open_message
        self._new_scratch = new_scratch
        self._work = work
        self._disk = disk
        self._copies: dict[str, Copy] = {}

    async def seven_bit(self, message: Queued, content: PackedContent) -> PackedContent:
        """The message in 7 bits, signed anew; to be closed. Raises `NotConvertible`, `StorageFault`."""
        if isinstance(content, WholeContent):
            return await self._work.run(self._in_memory, message, content.whole)
        copy = self._copies.setdefault(message.identifier, Copy())
        copy.holders += 1
        try:
            if copy.file is None:
                await self._made(message, copy)
            assert copy.file is not None
        except BaseException:
            await self._give_back(message.identifier, copy)
            raise
        return CopyContent(copy.file, copy.top, self._disk, partial(self._give_back, message.identifier, copy))

    async def _made(self, message: Queued, copy: Copy) -> None:
        """Wait for a copy; the first who does has it made."""
        made: Deferred[None] = Deferred()
        copy.waiting.append(made)
        if len(copy.waiting) == 1:
            Deferred.fromCoroutine(self._make(message, copy))
        await made

    async def _make(self, message: Queued, copy: Copy) -> None:
        """Raises nothing: those who wait are told."""
        outcome: Failure | None = None
        try:
            copy.file, copy.top = await self._work.run(self._on_disk, message, copy)
        except BaseException:
            outcome = Failure()
            self._forget(message.identifier, copy)
        waiting, copy.waiting = copy.waiting, []
        for one in waiting:
            if not one.called:
                one.callback(outcome)
        await self._end_unheld(copy)

    async def _give_back(self, identifier: str, copy: Copy) -> None:
        """The last who holds a copy ends it, also while it is being made."""
        copy.holders -= 1
        if not copy.holders:
            self._forget(identifier, copy)
            await self._end_unheld(copy)

    async def _end_unheld(self, copy: Copy) -> None:
        if not copy.holders and copy.file is not None:
            await self._disk.run(copy.file.close)

    def _forget(self, identifier: str, copy: Copy) -> None:
        if self._copies.get(identifier) is copy:
            del self._copies[identifier]

    # -- in the lane --------------------------------------------------------------------------------------------

    def _in_memory(self, message: Queued, whole: bytes) -> WholeContent:
        pieces = _in_turns(converted(len(whole), _reader(whole), self._limits))
        octets = b"".join(pieces)
        return WholeContent(
            octets, is_eight_bit=False, has_utf8_header=False, top=self._top(message, len(octets), _reader(octets))
        )

    def _on_disk(self, message: Queued, copy: Copy) -> tuple[Scratch, Top]:
        original = self._open_message(message.identifier)
        if original is None:
            raise StorageFault("The message cannot be read now", cause="a queued message's file is gone")
        with original:
            file = self._new_scratch()
            try:
                self._write(converted(original.octets, original.read, self._limits), file, copy)
                return file, self._top(message, file.octets, file.read)
            except BaseException:
                file.close()
                raise

    def _write(self, pieces: Iterator[bytes], file: Scratch, copy: Copy) -> None:
        """Raises `StorageFault` where nobody waits any more."""
        block = bytearray()
        for piece in _in_turns(pieces):
            block += piece
            if len(block) >= _BLOCK:
                file.write(bytes(block))
                block.clear()
            if not copy.holders:
                raise StorageFault("The message is not sent now", cause="nobody waits for its conversion")
        file.write(bytes(block))

    def _top(self, message: Queued, octets: int, read: Read) -> Top:
        header = _header(octets, read)
        return Top(self._signing.fields(message, octets, header, read, is_converted=True))


def _in_turns(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces, with sleep between them. Merely to let the interpreter go would not do: who waits for it is slower to
    wake than this thread is to take it again."""
    until = time.monotonic() + WORK_SECONDS
    for piece in pieces:
        yield piece
        if time.monotonic() >= until:
            time.sleep(SLEEP_SECONDS)
            until = time.monotonic() + WORK_SECONDS


def _header(octets: int, read: Read) -> bytes:
    """The header with the empty line behind it."""
    length = _BLOCK
    while _HEADER_END not in (beginning := read(0, min(length, octets))) and length < octets:
        length *= 4
    return header_of(beginning)


def _reader(octets: bytes) -> Read:
    return lambda offset, length: octets[offset : offset + length]
