"""Makes of a queued message what one server can be sent: converted where it must be, and signed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from mailbox_d.mime.seven_bit import NotConvertible
from mailbox_d.net.lanes import Lane
from mailbox_d.queue.message import Queued, Recipient
from mailbox_d.relay.dispatch.contents import PackedContent, WholeContent
from mailbox_d.relay.peer.obstacles import Obstacle, obstacle
from mailbox_d.relay.ports import Shipment, Undeliverable
from mailbox_d.relay.signing.signatures import Signing, header_of
from mailbox_d.wire.smtp.extensions import Extensions

Convert = Callable[[PackedContent], Awaitable[bytes]]
"""A message in 7 bits. Raises `NotConvertible`, `StorageFault`."""


class Packing:
    """Packs messages."""

    def __init__(self, signing: Signing, lane: Lane, convert: Convert) -> None:
        self._signing = signing
        self._lane = lane
        self._convert = convert

    async def shipment(
        self, message: Queued, recipients: tuple[Recipient, ...], content: PackedContent, extensions: Extensions
    ) -> Shipment:
        """What is sent to a server with these extensions. Raises `Undeliverable`, `StorageFault`."""
        shipment = Shipment(message, recipients, content, content.top.signatures)
        why = obstacle(extensions, shipment)
        if why is None:
            return shipment
        if why is not Obstacle.NO_8BITMIME:
            raise Undeliverable(why.public, why.status, temporary=False)
        return Shipment(message, recipients, *await self._converted(message, content))

    async def _converted(self, message: Queued, content: PackedContent) -> tuple[WholeContent, bytes]:
        """The message in 7 bits, and the signatures of that."""
        try:
            octets = await self._convert(content)
        except NotConvertible as error:
            public = f"{Obstacle.NO_8BITMIME.public}, and the message cannot be converted: {error.public}"
            raise Undeliverable(public, error.status, temporary=False) from error
        sign = partial(self._signing.fields, message, len(octets), header_of(octets), _reader(octets))
        signatures = await self._lane.run(sign)
        return WholeContent(octets, is_eight_bit=False, has_utf8_header=False), signatures


def _reader(octets: bytes) -> Callable[[int, int], bytes]:
    return lambda offset, length: octets[offset : offset + length]
