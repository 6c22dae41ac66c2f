"""ENVELOPE: a message's envelope as octets (RFC 3501 section 7.4.2)."""

from __future__ import annotations

from mailbox_d.mime.structure import Address, Envelope
from mailbox_d.wire.imap import responses


def envelope(value: Envelope | None) -> bytes:
    """The ten fields in parentheses; of no envelope, ten times NIL."""
    told = value or Envelope()
    fields = (
        text(told.date),
        text(told.subject),
        _addresses(told.from_),
        _addresses(told.sender),
        _addresses(told.reply_to),
        _addresses(told.to),
        _addresses(told.cc),
        _addresses(told.bcc),
        text(told.in_reply_to),
        text(told.message_id),
    )
    return b"(%b)" % b" ".join(fields)


def text(octets: bytes | None) -> bytes:
    """What a header says, as a string or NIL. IMAP's strings cannot hold NUL, so it is left out."""
    if octets is not None and b"\0" in octets:
        octets = octets.replace(b"\0", b"")
    return responses.nstring(octets)


def _addresses(addresses: tuple[Address, ...]) -> bytes:
    return b"(%b)" % b"".join(map(_address, addresses)) if addresses else b"NIL"


def _address(address: Address) -> bytes:
    return b"(%b)" % b" ".join(map(text, address))
