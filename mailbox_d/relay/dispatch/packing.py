"""Makes of a queued message what one server can be sent: converted where it must be, and signed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mailbox_d.mime.seven_bit import NotConvertible
from mailbox_d.queue.message import Queued, Recipient
from mailbox_d.relay.dispatch.contents import PackedContent
from mailbox_d.relay.peer.obstacles import Obstacle, obstacle
from mailbox_d.relay.ports import Shipment, Undeliverable
from mailbox_d.wire.smtp.extensions import Extensions

Convert = Callable[[Queued, PackedContent], Awaitable[PackedContent]]
"""A message in 7 bits, signed. Raises `NotConvertible`, `StorageFault`."""


class Packing:
    """Packs messages."""

    def __init__(self, convert: Convert) -> None:
        self._convert = convert

    async def shipment(
        self, message: Queued, recipients: tuple[Recipient, ...], content: PackedContent, extensions: Extensions
    ) -> Shipment:
        """What is sent to a server with these extensions; good until `content` is closed. Raises `Undeliverable`,
        `StorageFault`."""
        shipment = Shipment(message, recipients, content, content.top.signatures)
        why = obstacle(extensions, shipment)
        if why is None:
            return shipment
        if why is not Obstacle.NO_8BITMIME:
            raise Undeliverable(why.public, why.status, temporary=False)
        if content.seven_bit is None:
            content.seven_bit = await self._converted(message, content)
        return Shipment(message, recipients, content.seven_bit, content.seven_bit.top.signatures)

    async def _converted(self, message: Queued, content: PackedContent) -> PackedContent:
        try:
            return await self._convert(message, content)
        except NotConvertible as error:
            public = f"{Obstacle.NO_8BITMIME.public}, and the message cannot be converted: {error.public}"
            raise Undeliverable(public, error.status, temporary=False) from error
