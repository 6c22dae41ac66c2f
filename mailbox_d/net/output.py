"""What a session sends: gathered while commands wait, held back while the peer does not read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


@implementer(IPushProducer)
class Output:
    """The way out of one connection.

    Writes are gathered until `flush`, so that answers to pipelined commands share a segment. The transport tells
    through the producer interface when its own buffer is full; `paused` is then true and `drained` waits.
    """

    def __init__(self, transport: Any, mark: int, changed: Callable[[bool], None]) -> None:
        """`mark`: octets that may be gathered before they go out; `changed` is told when `paused` changes."""
        self.paused = False
        self._transport = transport
        self._mark = mark
        self._changed = changed
        self._pieces: list[bytes] = []
        self._gathered = 0
        self._waiting: list[Deferred[None]] = []
        self._lost = False

    def write(self, data: bytes) -> None:
        """Send `data`, now or at the next flush."""
        self._pieces.append(data)
        self._gathered += len(data)
        if self._gathered >= self._mark:
            self.flush()

    def flush(self) -> None:
        """Hand what was gathered to the transport."""
        if self._pieces and not self._lost:
            gathered = b"".join(self._pieces)
            self._pieces.clear()
            self._gathered = 0
            self._transport.write(gathered)

    async def drained(self) -> None:
        """Wait until the peer has read enough. Raises `ConnectionDone` when there is no peer any more."""
        self.flush()
        if self._lost:
            raise ConnectionDone
        if self.paused:
            waiting: Deferred[None] = Deferred()
            self._waiting.append(waiting)
            await waiting

    def abandon(self) -> None:
        """The connection is gone: whoever waits for it to drain is told so, and nothing is written any more."""
        self._lost = True
        self._pieces.clear()
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.errback(ConnectionDone())

    def pauseProducing(self) -> None:
        self.paused = True
        self._changed(True)

    def resumeProducing(self) -> None:
        self.paused = False
        self._changed(False)  # first: who waited may send so much at once that it must wait again
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(None)

    def stopProducing(self) -> None:
        self.abandon()
