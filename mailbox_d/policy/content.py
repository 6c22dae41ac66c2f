"""What a message's header may look like."""

from __future__ import annotations

from dataclasses import dataclass

from mailbox_d.address import EmailAddress
from mailbox_d.errors import AddressError
from mailbox_d.mime.header import HeaderScanner
from mailbox_d.policy.transaction import Transaction
from mailbox_d.policy.verdict import Reason, Refused


@dataclass(frozen=True, slots=True)
class HeaderLimits:
    """Octets of a header section, its fields, and the hops that a message may have made (RFC 5321 section 6.3)."""

    octets: int = 1 << 20
    fields: int = 10_000
    hops: int = 50


def check_header(header: HeaderScanner, limits: HeaderLimits) -> Refused | None:
    """Refuse a header section beyond the limits, and a message that runs in a circle."""
    if header.size > limits.octets or header.fields > limits.fields:
        return Refused(Reason.HEADER_TOO_LARGE, "The message's header is too large")
    if header.counts["received"] > limits.hops:
        return Refused(Reason.TOO_MANY_HOPS, "Too many hops: the message runs in a circle")
    return None


def check_circle(header: HeaderScanner, transaction: Transaction) -> Refused | None:
    """Refuse mail that an address of ours has forwarded and is to forward again (RFC 5321 section 6.3).

    Its Delivered-To says so. A user may send mail on that has come to them by the same address.
    """
    if transaction.client.user is not None:
        return None
    for value in header.values["delivered-to"] if transaction.ways else ():
        if (address := _delivered_to(value)) in transaction.ways:
            return Refused(Reason.TOO_MANY_HOPS, "The message runs in a circle", f"{address} has forwarded it before")
    return None


def _delivered_to(value: str) -> EmailAddress | None:
    try:
        return EmailAddress.parse(value.strip())
    except AddressError:
        return None
