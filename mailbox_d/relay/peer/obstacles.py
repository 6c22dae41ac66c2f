"""What stands between a message and a server that does not know all extensions: asked before it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from mailbox_d.address import EmailAddress
from mailbox_d.relay.ports import Shipment
from mailbox_d.wire.smtp.extensions import Extensions


class Obstacle(Enum):
    """Why a server cannot be sent a message as it is: enhanced status code (RFCs 3463, 6531, 8689), text for the
    sender."""

    UNSPEAKABLE = ("5.1.3", "An address holds what cannot be said to a server")
    """None that is read today; one that an earlier version has queued."""
    NO_REQUIRETLS = ("5.7.30", "The server does not promise to secure the message's further way, as the sender demands")
    TOO_BIG = ("5.3.4", "The message is larger than the server takes")
    NO_SMTPUTF8 = ("5.6.7", "The server does not take mail with internationalized addresses or headers")
    NO_8BITMIME = ("5.6.3", "The server does not take mail with 8-bit text")
    """The one that conversion removes."""

    @property
    def status(self) -> str:
        return self.value[0]

    @property
    def public(self) -> str:
        return self.value[1]


def obstacle(extensions: Extensions, shipment: Shipment) -> Obstacle | None:
    """The gravest one, if any."""
    largest = extensions.largest
    if not all(str(address).isprintable() for address in _addresses(shipment)):
        return Obstacle.UNSPEAKABLE
    if shipment.message.envelope.require_tls and "REQUIRETLS" not in extensions:
        return Obstacle.NO_REQUIRETLS
    if largest is not None and shipment.octets > largest:
        return Obstacle.TOO_BIG
    if needs_smtputf8(shipment) and "SMTPUTF8" not in extensions:
        return Obstacle.NO_SMTPUTF8
    if has_eight_bit(shipment) and "8BITMIME" not in extensions:
        return Obstacle.NO_8BITMIME
    return None


def needs_smtputf8(shipment: Shipment) -> bool:
    """Whether an address, or a header in a message that was handed in so, is beyond ASCII (RFC 6531 section 3.6).

    Octets above 127 in the header of any other message are in no charset that we know: they are 8-bit text.
    """
    if not all(address.is_ascii for address in _addresses(shipment)):
        return True
    envelope = shipment.message.envelope
    return envelope.smtputf8 and shipment.content.has_utf8_header


def _addresses(shipment: Shipment) -> Iterator[EmailAddress]:
    if (sender := shipment.message.envelope.sender) is not None:
        yield sender
    for recipient in shipment.recipients:
        yield recipient.address


def has_eight_bit(shipment: Shipment) -> bool:
    """Whether an octet above 127 stands anywhere in the message (RFC 6152)."""
    return shipment.content.is_eight_bit or shipment.content.has_utf8_header
