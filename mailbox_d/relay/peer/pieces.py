"""A shipment as DATA sends it, piece by piece: never more of it in memory than one."""

from __future__ import annotations

from mailbox_d.errors import StorageFault
from mailbox_d.relay.peer.failures import unfit, unreadable
from mailbox_d.relay.ports import Shipment
from mailbox_d.wire.smtp.stuffing import BareNewline, DotStuffer


class Pieces:
    """Gives each piece once, the last one with the message's end. `ended`: the last one was given."""

    def __init__(self, shipment: Shipment, length: int) -> None:
        """`length`: octets to be read at once."""
        self.ended = False
        self._shipment = shipment
        self._length = length
        self._offset = 0
        self._stuffer = DotStuffer()

    async def next(self) -> bytes:
        """The next piece. Raises `PeerFailure`: then the message may not be ended."""
        piece = b"" if self._offset else self._stuff(self._shipment.header)
        if left := self._shipment.content.octets - self._offset:
            octets = await self._read(min(self._length, left))
            self._offset += len(octets)
            piece += self._stuff(octets)
        if self._offset == self._shipment.content.octets:
            piece += self._end()
            self.ended = True
        return piece

    async def _read(self, length: int) -> bytes:
        try:
            octets = await self._shipment.content.read(self._offset, length)
        except StorageFault as fault:
            raise unreadable(str(fault)) from fault
        if not octets:
            raise unreadable(f"it ends after {self._offset} octets of {self._shipment.content.octets}")
        return octets[:length]

    def _stuff(self, octets: bytes) -> bytes:
        try:
            return self._stuffer.feed(octets)
        except BareNewline as error:
            raise self._unfit() from error

    def _end(self) -> bytes:
        try:
            return self._stuffer.end()
        except BareNewline as error:
            raise self._unfit() from error

    def _unfit(self) -> Exception:
        return unfit(f"a bare CR or LF stands in queued message {self._shipment.message.identifier}")
