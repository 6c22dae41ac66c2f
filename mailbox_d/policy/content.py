"""What a message's header may look like."""

from __future__ import annotations

from dataclasses import dataclass

from mailbox_d.mime.header import HeaderScanner
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
