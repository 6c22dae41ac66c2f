"""The trace fields that are put in front of a message (RFC 5321 section 4.4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache

from mailbox_d.address import EmailAddress
from mailbox_d.policy.transaction import LOCAL_PEER, Transaction
from mailbox_d.store.ports import Block, Target


def delivery_blocks(transaction: Transaction, *, hostname: str, identifier: str, now: float) -> tuple[Block, ...]:
    """The copies to make and the header in front of each, grouped so that equal headers share a file.

    A mailbox is given one copy, however many of the envelope's addresses lead to it. Delivered-To tells the envelope's
    address where it is not the mailbox's own.
    """
    trace = _return_path(transaction.sender) + received(transaction, hostname, identifier, now)
    groups: dict[bytes, list[Target]] = {}
    for mailbox, envelope in transaction.copies.items():
        named = b"" if envelope == mailbox else delivered_to(envelope)
        groups.setdefault(named + trace, []).append(Target(mailbox))
    return tuple(Block(header, tuple(targets)) for header, targets in groups.items())


def _return_path(sender: EmailAddress | None) -> bytes:
    return b"Return-Path: <%s>\r\n" % (str(sender).encode() if sender else b"")


def delivered_to(address: EmailAddress) -> bytes:
    """The field that tells whose mail this was: by it a loop is seen, too."""
    return b"Delivered-To: %s\r\n" % str(address).encode()


def received(transaction: Transaction, hostname: str, identifier: str, now: float) -> bytes:
    """The field that tells how the message came here."""
    client = transaction.client
    security = f"\r\n\t({client.tls})" if client.tls else ""
    return (
        f"Received: from {client.name} ({_address_literal(client.host)}){security}\r\n"
        f"\tby {hostname} with {client.protocol} id {identifier}{_for(transaction)};\r\n"
        f"\t{_date(int(now))}\r\n"
    ).encode()


def _address_literal(host: str) -> str:
    if host == LOCAL_PEER:
        return host
    return f"[IPv6:{host}]" if ":" in host else f"[{host}]"


@lru_cache(maxsize=2)
def _date(now: int) -> str:
    """RFC 5322 section 3.3; the same for all messages of a second."""
    return format_datetime(datetime.fromtimestamp(now, UTC))


def _for(transaction: Transaction) -> str:
    """The recipient, where there is just one: more would tell recipients of each other (RFC 5321 section 7.6)."""
    envelopes: Sequence[EmailAddress] = [recipient.envelope for recipient in transaction.recipients]
    return f"\r\n\tfor <{envelopes[0]}>" if len(envelopes) == 1 else ""
