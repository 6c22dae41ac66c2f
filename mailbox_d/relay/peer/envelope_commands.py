"""MAIL and RCPT as they are said to another server, with the parameters that it knows and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from mailbox_d.address import EmailAddress
from mailbox_d.queue.message import Notify, Recipient
from mailbox_d.relay.peer.obstacles import has_eight_bit, needs_smtputf8
from mailbox_d.relay.ports import Shipment
from mailbox_d.wire.smtp.extensions import Extensions

_NOTIFY = (Notify.SUCCESS, Notify.FAILURE, Notify.DELAY)


def mail_command(shipment: Shipment, extensions: Extensions) -> bytes:
    """MAIL. Who submitted the message is nobody's business: AUTH (RFC 4954 section 5) is never said."""
    words = [f"MAIL FROM:{_path(shipment.message.envelope.sender)}", *_mail_parameters(shipment, extensions)]
    return command(" ".join(words))


def rcpt_command(recipient: Recipient, extensions: Extensions) -> bytes:
    """RCPT."""
    words = [f"RCPT TO:{_path(recipient.address)}", *_rcpt_parameters(recipient, extensions)]
    return command(" ".join(words))


def command(line: str) -> bytes:
    """A command line. Raises `ValueError` for one that would be more than one line."""
    if not line.isprintable():
        raise ValueError("a command holds what cannot be printed")
    return line.encode("utf-8") + b"\r\n"


def _mail_parameters(shipment: Shipment, extensions: Extensions) -> Iterator[str]:
    envelope = shipment.message.envelope
    if "SIZE" in extensions:
        yield f"SIZE={shipment.octets}"
    if has_eight_bit(shipment) and "8BITMIME" in extensions:
        yield "BODY=8BITMIME"
    if needs_smtputf8(shipment):
        yield "SMTPUTF8"
    if "DSN" in extensions:
        if envelope.returns is not None:
            yield f"RET={envelope.returns.value}"
        if envelope.envelope_id:
            yield f"ENVID={envelope.envelope_id}"
    if envelope.require_tls:
        yield "REQUIRETLS"


def _rcpt_parameters(recipient: Recipient, extensions: Extensions) -> Iterator[str]:
    """NOTIFY and ORCPT as they came to us (RFC 3461 section 5.2.1)."""
    if "DSN" in extensions:
        if recipient.said_notify:
            said = [str(notify.name) for notify in _NOTIFY if notify in recipient.notify]
            yield f"NOTIFY={','.join(said) or 'NEVER'}"
        if recipient.original:
            yield f"ORCPT={recipient.original}"


def _path(address: EmailAddress | None) -> str:
    return f"<{address if address is not None else ''}>"
