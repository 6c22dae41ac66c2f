"""ENVELOPE: a message's envelope as octets (RFC 3501 section 7.4.2)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from mailbox_d.mime.structure import Address, Envelope
from mailbox_d.wire.imap import responses

_WORD_LENGTH: Final = 64
"""Octets of a string whose written form is remembered."""
_ADDRESS_LENGTH: Final = 256
_ADDRESSES: Final = 4096
"""Addresses whose written forms, of so many octets at most, are remembered."""

_known_addresses: dict[Address, bytes] = {}


def envelope(value: Envelope | None) -> bytes:
    """The ten fields in parentheses; of no envelope, ten times NIL."""
    told = value or Envelope()
    fields = (
        _once(told.date),
        _once(told.subject),
        _addresses(told.from_),
        _addresses(told.sender),
        _addresses(told.reply_to),
        _addresses(told.to),
        _addresses(told.cc),
        _addresses(told.bcc),
        _once(told.in_reply_to),
        _once(told.message_id),
    )
    return b"(%b)" % b" ".join(fields)


def text(octets: bytes | None) -> bytes:
    """What a header says, as a string or NIL. IMAP's strings cannot hold NUL, so it is left out."""
    if octets is None:
        return b"NIL"
    return _word(octets) if len(octets) <= _WORD_LENGTH else _written(octets)


def _once(octets: bytes | None) -> bytes:
    """The same of what hardly comes again."""
    return b"NIL" if octets is None else _written(octets)


def _written(octets: bytes) -> bytes:
    return responses.string(octets.replace(b"\0", b"") if b"\0" in octets else octets)


_word = lru_cache(maxsize=4096)(_written)
"""Names, hosts and content types come again and again."""


def _addresses(addresses: tuple[Address, ...]) -> bytes:
    return b"(%b)" % b"".join(map(_address, addresses)) if addresses else b"NIL"


def _address(address: Address) -> bytes:
    written = _known_addresses.get(address)
    if written is None:
        written = b"(%b %b %b %b)" % (text(address[0]), text(address[1]), text(address[2]), text(address[3]))
        if len(written) <= _ADDRESS_LENGTH:
            if len(_known_addresses) >= _ADDRESSES:
                _known_addresses.clear()
            _known_addresses[address] = written
    return written
